//go:build !race

package replication

import (
	"fmt"
	"hash/maphash"
	"reflect"
	"slices"
)

// explored is the smallest world in which replicas can disagree: three of them, one partition, its state, what is on
// its way, and three stores. Time stands still; what waits for time to pass is a move like any other.
type explored struct {
	limits   limits
	replicas [3]*Replica // nil: down
	view     [3][]Batch  // the log as the broker has it in memory
	disk     [3]exploredDisk
	queue    [3][]Effect // for the store, in order
	net      [3][3][]Message
	writes   []exploredWrite
	state    State
	version  int32
	be       [3]int32 // the newest broker epoch
	listed   [3]bool  // registered with it
	seen     []Batch  // what any high watermark has covered
	in       []int32  // and in which epoch
	wrong    string
}

// exploredDisk is what a store holds durably.
type exploredDisk struct {
	promised int32
	history  History
	batches  []Batch
}

// exploredWrite is a write of the state that is on its way.
type exploredWrite struct {
	from  int
	be    int32
	write WriteState
	late  bool // its writer has given up waiting for an answer
}

// limits bound a world: each is how often something may still happen.
type limits struct{ records, crashes, expires, cuts, unknown, lags, epochs, versions int }

// move is one thing that may happen in a world.
type move struct {
	kind moveKind
	a, b int8
}

type moveKind int8

const (
	moveDeliver moveKind = iota
	moveSync
	moveProduce
	moveCrash
	moveRestart
	moveExpire
	moveRegister
	movePlan
	moveRead
	moveLand
	moveLandUnknown
	moveGiveUp
	moveCut
	moveRetry
	moveLag
)

func (m move) String() string {
	if m.kind == movePlan {
		return "the controller changes the state"
	}
	return fmt.Sprintf([...]string{
		"%[1]d to %[2]d: the next message arrives", "%[1]d syncs", "%[1]d is asked to append", "%[1]d crashes",
		"%[1]d restarts and registers", "%[1]d loses its session", "%[1]d registers anew", "",
		"%[1]d reads the state", "write %[1]d lands", "write %[1]d lands, and no answer comes",
		"no answer to write %[1]d comes", "%[1]d and %[2]d: the connection breaks", "%[1]d asks again",
		"%[1]d finds who lags",
	}[m.kind], m.a+1, m.b+1)
}

// explorer holds what all worlds of a search have in common.
type explorer struct {
	minISR  int32
	testing Testing
	bounce  bool // M4: a restarted broker goes on in its registration, and in the epoch that it led
}

// begin is a world in which replica 1 leads, all follow, and nothing is written yet.
func (x *explorer) begin(l limits) *explored {
	w := &explored{limits: l}
	members := []Member{{1, 11}, {2, 22}, {3, 33}}
	w.state = State{
		Replicas: []int32{1, 2, 3}, MinISR: x.minISR, Leader: 1, LeaderBrokerEpoch: 1, LeaderEpoch: 1, ISR: members,
		LastLeader: NoLeader,
	}
	for i := range w.replicas {
		w.disk[i].promised = NoEpoch
		x.restart(w, i)
	}
	for range 20 { // until nothing is on its way
		for i := range w.replicas {
			x.sync(w, i)
			for j := range w.replicas {
				for len(w.net[i][j]) > 0 {
					x.deliver(w, i, j)
				}
			}
		}
	}
	w.limits = l
	return w
}

func (x *explorer) replica(w *explored, i int) *Replica {
	d := &w.disk[i]
	promised := d.promised
	if x.bounce {
		promised--
	}
	r := NewReplica(Options{Self: Member{int32(i + 1), uint64(11 * (i + 1))}, Testing: x.testing}, Stored{
		Promised: promised, End: endOf(d.batches), History: d.history,
	})
	r.opts.RetryEvery, r.opts.ExpandEvery = 0, 0
	return r
}

func endOf(batches []Batch) int64 {
	if n := len(batches); n > 0 {
		return batches[n-1].End
	}
	return 0
}

func (x *explorer) restart(w *explored, i int) {
	w.replicas[i], w.view[i], w.queue[i] = x.replica(w, i), slices.Clone(w.disk[i].batches), nil
	if !x.bounce || w.be[i] == 0 {
		w.be[i]++
	}
	w.listed[i] = true
	x.step(w, i, Registered{w.be[i]})
	x.step(w, i, StateRead{State: w.state, Version: w.version, Newest: true})
}

// step lets a replica take an event, and carries out what comes of it.
func (x *explorer) step(w *explored, i int, ev Event) {
	r := w.replicas[i]
	for _, e := range slices.Clone(r.Step(0, ev)) {
		switch e := e.(type) {
		case Promise, Truncate, Reset, Remove:
			dropped := func(e Effect) bool { _, ok := e.(Append); return ok }
			w.queue[i] = append(slices.DeleteFunc(slices.Clone(w.queue[i]), dropped), e)
		case Append:
			w.view[i] = append(slices.Clip(w.view[i]), e.Batches...)
			w.queue[i] = append(slices.Clip(w.queue[i]), e)
			x.step(w, i, Applied{e.Generation, endOf(e.Batches)})
		case Send:
			w.send(i, int(e.To-1), e.Message)
		case Ship:
			from := slices.IndexFunc(w.view[i], func(b Batch) bool { return b.Base == e.Base })
			w.send(i, int(e.To-1), Data{
				Epoch: e.Epoch, Stream: e.Stream, Previous: e.Previous, Base: e.Base, HW: e.HW, LogStart: e.LogStart,
				Batches: slices.Clone(w.view[i][from:]),
			})
			x.step(w, i, Shipped{e.To, e.Stream, endOf(w.view[i])})
		case WriteState:
			w.writes = append(slices.Clip(w.writes), exploredWrite{from: i, be: r.be, write: e})
		case Alarm:
			w.wrong = fmt.Sprintf("replica %d: %v, about %d", i+1, e.Reason, e.Broker)
		}
	}
	x.check(w, i)
}

func (w *explored) send(from, to int, m Message) {
	if w.replicas[to] != nil {
		w.net[from][to] = append(slices.Clip(w.net[from][to]), m)
	}
}

func (x *explorer) deliver(w *explored, from, to int) {
	m := w.net[from][to][0]
	w.net[from][to] = w.net[from][to][1:]
	x.step(w, to, Received{int32(from + 1), m})
}

// sync makes all durable that was queued until now.
func (x *explorer) sync(w *explored, i int) {
	queue, d := w.queue[i], &w.disk[i]
	w.queue[i] = nil
	for _, e := range queue {
		switch e := e.(type) {
		case Append:
			for _, b := range e.Batches {
				d.history.Add(b.Epoch, b.Base)
				d.batches = append(slices.Clip(d.batches), b)
			}
			x.step(w, i, Synced{e.Generation, endOf(e.Batches)})
		case Promise:
			d.promised = max(d.promised, e.Epoch)
			if e.Lead {
				d.history.Add(e.Epoch, endOf(d.batches))
			}
			w.view[i] = slices.Clone(d.batches)
			x.step(w, i, Promised{e.Generation, endOf(d.batches), d.history})
		case Truncate:
			for len(d.batches) > 0 && endOf(d.batches) > e.To {
				d.batches = d.batches[:len(d.batches)-1]
			}
			d.history.Truncate(endOf(d.batches))
			w.view[i] = slices.Clone(d.batches)
			x.step(w, i, Cut{e.Generation, endOf(d.batches), d.history})
		case Reset:
			d.batches, d.history, w.view[i] = nil, slices.Clone(e.History), nil
			x.step(w, i, Cut{e.Generation, 0, d.history})
		}
	}
}

// disconnect ends the connections of a pair.
func (x *explorer) disconnect(w *explored, i, j int) {
	w.net[i][j], w.net[j][i] = nil, nil
	for _, pair := range [][2]int{{i, j}, {j, i}} {
		if w.replicas[pair[0]] != nil {
			x.step(w, pair[0], Disconnected{int32(pair[1] + 1)})
		}
	}
}

// land applies a write if nothing stands against it.
func (x *explorer) land(w *explored, at exploredWrite) Outcome {
	switch {
	case !w.listed[at.from] || w.be[at.from] != at.be:
		return OutcomeFenced
	case slices.ContainsFunc(at.write.Checks, func(c Check) bool {
		return !w.listed[c.Broker-1] || w.be[c.Broker-1] != c.BrokerEpoch
	}):
		return OutcomeCheckFailed
	case at.write.Version != w.version:
		return OutcomeBadVersion
	}
	w.state, w.version = at.write.State, w.version+1
	return OutcomeOK
}

// plan lets the controller act on who is registered, if that changes something.
func (x *explorer) plan(w *explored) bool {
	s := Snapshot{Partitions: []Partition{{Topic: 1, State: w.state, Version: w.version}}}
	for i := range w.replicas {
		if w.listed[i] {
			s.Brokers = append(s.Brokers, Broker{Member: Member{int32(i + 1), uint64(11 * (i + 1))}, Epoch: w.be[i]})
		}
	}
	for _, c := range Plan(s) {
		w.state, w.version = c.State, w.version+1
		w.state.Change = Change{} // only a number that grows
		return true
	}
	return false
}

// check holds the replica's high watermark, and its leadership, against what was committed.
func (x *explorer) check(w *explored, i int) {
	r := w.replicas[i]
	for k := 0; k < len(w.view[i]) && w.view[i][k].End <= r.hw; k++ {
		b := w.view[i][k]
		switch {
		case k < len(w.seen) && !same(b, w.seen[k]):
			w.wrong = fmt.Sprintf("I2: replica %d shows %s at %d, %s was seen there",
				i+1, b.Bytes, b.Base, w.seen[k].Bytes)
		case k == len(w.seen):
			w.seen, w.in = append(slices.Clip(w.seen), b), append(slices.Clip(w.in), r.epoch)
		}
	}
	if r.role != Leader {
		return
	}
	for k, b := range w.seen {
		if w.in[k] < r.epoch && (k >= len(w.view[i]) || !same(w.view[i][k], b)) {
			w.wrong = fmt.Sprintf("I1: replica %d leads in epoch %d without %s at %d", i+1, r.epoch, b.Bytes, b.Base)
		}
	}
}

func same(a, b Batch) bool {
	return a.Base == b.Base && a.Epoch == b.Epoch && string(a.Bytes) == string(b.Bytes)
}

// clone returns a copy that shares nothing which changes.
func (w *explored) clone() *explored {
	c := *w
	for i := range c.replicas {
		if w.replicas[i] != nil {
			c.replicas[i] = w.replicas[i].clone()
		}
		c.disk[i].history = slices.Clone(w.disk[i].history)
	}
	c.writes = slices.Clone(w.writes)
	return &c
}

// clone copies a replica. TestCloneIsDeep holds it.
func (r *Replica) clone() *Replica {
	c := *r
	c.out = nil
	c.state, c.history = r.state.Clone(), slices.Clone(r.history)
	c.state.Unknown = slices.Clone(r.state.Unknown)
	l := &c.lead
	l.followers, l.waiting = slices.Clone(l.followers), slices.Clone(l.waiting)
	l.isr.state, l.isr.checks = l.isr.state.Clone(), slices.Clone(l.isr.checks)
	l.isr.state.Unknown = slices.Clone(l.isr.state.Unknown)
	l.barrier.asked, l.barrier.next = slices.Clone(l.barrier.asked), slices.Clone(l.barrier.next)
	l.barrier.missing = slices.Clone(l.barrier.missing)
	return &c
}

// encode appends all that a value is made of, so that two are the same if that is.
func encode(b []byte, v reflect.Value) []byte {
	switch v.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int32, reflect.Int64:
		n := v.Int()
		return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	case reflect.Uint8, reflect.Uint64:
		n := v.Uint()
		return append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1)
		}
		return append(b, 0)
	case reflect.String:
		return append(append(b, v.String()...), 0)
	case reflect.Slice, reflect.Array:
		b = append(b, byte(v.Len()))
		for i := range v.Len() {
			b = encode(b, v.Index(i))
		}
		return b
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0)
		}
		return encode(append(b, 1), v.Elem())
	case reflect.Interface:
		return encode(append(append(b, v.Elem().Type().Name()...), 0), v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Options]() {
			return b
		}
		for i := range v.NumField() {
			if v.Type().Field(i).Name != "out" {
				b = encode(b, v.Field(i))
			}
		}
		return b
	}
	panic("a kind that no world has: " + v.Kind().String())
}

// sum is a hash of the world.
func (w *explored) sum(seed maphash.Seed, b *[]byte) uint64 {
	*b = encode((*b)[:0], reflect.ValueOf(w).Elem())
	return maphash.Bytes(seed, *b)
}
