package client

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/group"
)

// program is a program that consumes in a group: it does what the turns of its membership tell it.
type program struct {
	id, instance string
	m            *membership
	running      map[partitionID]bool // told to start, and neither to let go nor that it was lost
	hook         []partitionID        // being let go
	request      *group.HeartbeatRequest
	answer       *group.HeartbeatResponse // on its way back; nil with refusal nil: not acted on yet
	refusal      error
	paused       bool
	usurped      bool // a late request of its own has joined, or left, in its name
}

// groupWorld is one real group, its programs, and the network between them.
type groupWorld struct {
	t        *rapid.T
	now      time.Time
	g        *group.Group
	topics   []group.Topic
	programs []*program
	store    map[string][]byte        // the group's nodes
	late     []group.HeartbeatRequest // given up by their senders, and still on their way
	nextID   int
}

func newGroupWorld(t *rapid.T) *groupWorld {
	w := &groupWorld{t: t, now: time.Unix(1_000_000, 0), store: map[string][]byte{},
		topics: []group.Topic{{Name: "a", ID: 1, Partitions: 4}, {Name: "b", ID: 2, Partitions: 3}}}
	g, err := group.New(group.Identity{ID: "g", GID: 1, Created: w.now}, modelOptions, group.NewTopics(w.topics))
	require.NoError(t, err)
	w.g = g
	w.write()
	return w
}

// write carries the group's changes to the store.
func (w *groupWorld) write() {
	for _, c := range w.g.Changes() {
		if c.Data == nil {
			delete(w.store, c.Suffix)
			continue
		}
		w.store[c.Suffix] = c.Data
	}
}

// restart has another coordinator take over.
func (w *groupWorld) restart() {
	stored := group.Stored{ID: "g", Node: w.store[""]}
	for _, suffix := range slices.Sorted(maps.Keys(w.store)) {
		if suffix != "" {
			stored.Below = append(stored.Below, group.Change{Suffix: suffix, Data: w.store[suffix]})
		}
	}
	g, err := group.Restore(w.now, stored, modelOptions, group.NewTopics(w.topics))
	require.NoError(w.t, err)
	w.g = g
	w.write()
}

const modelRebalanceTimeout = 4 * time.Second

var modelOptions = group.Options{SessionTimeout: 9 * time.Second, AssignInterval: -1}

func (w *groupWorld) start() {
	w.nextID++
	p := &program{id: fmt.Sprintf("m%02d", w.nextID), m: newMembership(w.now, modelRebalanceTimeout),
		running: map[partitionID]bool{}}
	if rapid.IntRange(0, 3).Draw(w.t, "static") == 0 {
		p.instance = "i" + p.id
	}
	w.programs = append(w.programs, p)
}

// send makes the program's next request, if one is due.
func (w *groupWorld) send(p *program) {
	due, ok := p.m.next()
	if !ok || w.now.Before(due) {
		return
	}
	b := p.m.request(w.now)
	p.usurped = p.usurped && b.epoch > epochJoin
	q := &group.HeartbeatRequest{MemberID: p.id, Epoch: b.epoch}
	if b.full {
		q.InstanceID, q.RebalanceTimeout = p.instance, modelRebalanceTimeout
		q.Subscription = &group.Subscription{Topics: []string{"a", "b"}}
	}
	if b.owned != nil {
		q.Owned = group.Assignment{}
		for _, at := range b.owned {
			q.Owned = append(q.Owned, group.TopicPartitions{Topic: at.topic, Partitions: []int32{at.index}})
		}
	}
	p.request = q
}

// act has the coordinator act on the request under way.
func (w *groupWorld) act(p *program) {
	if p.request == nil || p.answer != nil || p.refusal != nil {
		return
	}
	known := slices.ContainsFunc(w.g.Describe().Members, func(m group.MemberDescription) bool { return m.ID == p.id })
	a, err := w.g.Heartbeat(w.now, *p.request)
	w.write()
	require.False(w.t, err != nil && known && !p.usurped, "%s is refused: %v", p.id, err)
	if err != nil {
		p.refusal = err
		return
	}
	p.answer = &a
}

// hear brings the answer back.
func (w *groupWorld) hear(p *program) {
	switch {
	case p.answer != nil:
		var parts []partitionID
		if p.answer.Assignment != nil {
			parts = []partitionID{}
		}
		for at := range p.answer.Assignment.All() {
			parts = append(parts, partitionID{at.Topic, at.Index})
		}
		p.m.answered(w.now, p.answer.Epoch, p.answer.HeartbeatInterval, parts)
	case p.refusal != nil:
		p.m.failed(w.now, dropped, 0, p.refusal)
	default:
		return
	}
	p.request, p.answer, p.refusal = nil, nil, nil
	w.found(p)
}

// giveUp ends the wait for an answer. The request may still arrive.
func (w *groupWorld) giveUp(p *program) {
	if p.request == nil {
		return
	}
	if p.answer == nil && p.refusal == nil {
		w.late = append(w.late, *p.request)
	}
	p.request, p.answer, p.refusal = nil, nil, nil
	p.m.failed(w.now, unheard, 10*time.Millisecond, errOther)
}

// found looks up where to begin: at once.
func (w *groupWorld) found(p *program) {
	for at := range maps.Clone(p.m.owned) {
		p.m.found(at)
	}
}

// poll carries out one turn. A hook that lets go may take longer.
func (w *groupWorld) poll(p *program) {
	if p.hook != nil {
		return
	}
	p.m.polled(w.now)
	t := p.m.turn()
	for _, at := range t.parts {
		switch t.kind {
		case tellLost, letGo:
			require.True(w.t, p.running[at], "%v: told %d, and it does not run %v", p.id, t.kind, at)
		case start:
			require.False(w.t, p.running[at], "%v: started %v twice", p.id, at)
			p.running[at] = true
		}
		if t.kind == tellLost {
			delete(p.running, at)
		}
	}
	if t.kind == letGo {
		p.hook = t.parts
	}
}

// letGo ends the hook.
func (w *groupWorld) letGo(p *program) {
	for _, at := range p.hook {
		delete(p.running, at)
	}
	p.m.released(w.now, p.hook)
	p.hook = nil
}

func (w *groupWorld) pick() *program {
	if len(w.programs) == 0 {
		w.t.Skip("no program")
	}
	return rapid.SampledFrom(w.programs).Draw(w.t, "program")
}

// wait lets time pass, for the group as for those programs that are not paused.
func (w *groupWorld) wait(d time.Duration) {
	w.now = w.now.Add(d)
	w.g.Tick(w.now)
	w.write()
	for _, p := range w.programs {
		if !p.paused {
			p.m.tick(w.now, errOther)
		}
	}
}

func (w *groupWorld) actions() map[string]func(*rapid.T) {
	one := func(f func(*program)) func(*rapid.T) {
		return func(t *rapid.T) {
			w.t = t
			if p := w.pick(); !p.paused {
				f(p)
			}
		}
	}
	return map[string]func(*rapid.T){
		"start":  func(t *rapid.T) { w.t = t; w.start() },
		"send":   one(w.send),
		"act":    one(w.act),
		"hear":   one(w.hear),
		"giveUp": one(w.giveUp),
		"poll":   one(w.poll),
		"letGo":  one(w.letGo),
		"round": func(t *rapid.T) {
			w.t = t
			for _, p := range w.programs {
				if !p.paused {
					w.send(p)
					w.act(p)
					w.hear(p)
					w.poll(p)
				}
			}
		},
		"pause":   func(t *rapid.T) { w.t = t; p := w.pick(); p.paused = !p.paused },
		"restart": func(t *rapid.T) { w.t = t; w.restart() },
		"slow":    one(func(p *program) { p.m.leave(w.now, epochLeave, outside, errOther) }),
		"kill": one(func(p *program) {
			w.programs = slices.DeleteFunc(w.programs, func(o *program) bool { return o == p })
		}),
		"late": func(t *rapid.T) {
			w.t = t
			if len(w.late) == 0 {
				t.Skip("none")
			}
			i := rapid.IntRange(0, len(w.late)-1).Draw(t, "late")
			_, err := w.g.Heartbeat(w.now, w.late[i])
			for _, p := range w.programs {
				p.usurped = p.usurped || p.id == w.late[i].MemberID && err == nil && w.late[i].Epoch <= epochJoin
			}
			w.write()
			w.late = slices.Delete(w.late, i, i+1)
		},
		"wait": func(t *rapid.T) {
			w.t = t
			w.wait(time.Duration(rapid.SampledFrom([]int{10, 500, 3000, 5000}).Draw(t, "ms")) * time.Millisecond)
		},
		"": func(t *rapid.T) { w.t = t; w.check() },
	}
}

// check: no partition is consumed by two programs that the group has as members; what may be committed is taken.
func (w *groupWorld) check() {
	by, members := map[partitionID]string{}, map[string]bool{}
	for _, m := range w.g.Describe().Members {
		members[m.ID] = true
	}
	for _, p := range w.programs {
		for at, ph := range p.m.owned {
			require.NotEqual(w.t, epochJoin, p.m.epoch, "%s owns %v and is no member", p.id, at)
			told := ph >= active || p.m.lost[at] || slices.Contains(p.hook, at) // the latter two: of its former life
			require.Equal(w.t, told, p.running[at], "%s: %v in phase %d", p.id, at, ph)
			if !members[p.id] || p.usurped {
				continue // fenced: the next answer tells
			}
			require.Empty(w.t, by[at], "%v is with %s and %s", at, by[at], p.id)
			by[at] = p.id
			require.NoError(w.t, w.g.CheckCommit(p.id, p.m.epoch, group.Partition{Topic: at.topic, Index: at.index}))
		}
	}
}

// settle has everybody heard and polled, until nothing changes.
func (w *groupWorld) settle() {
	for range 40 {
		for _, p := range w.programs {
			p.paused = false
			w.giveUp(p)
			w.letGo(p)
			w.wait(20 * time.Millisecond)
			w.send(p)
			w.act(p)
			w.hear(p)
			for p.m.pending() || p.hook != nil {
				w.poll(p)
				w.letGo(p)
			}
			w.poll(p)
			w.check()
		}
		w.late = nil
		w.wait(time.Second)
	}
}

// TestMembershipModel drives memberships against a real group, over lost, late and doubled requests, pauses, kills
// and slow programs. In the end each partition runs in exactly one program.
func TestMembershipModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newGroupWorld(t)
		t.Repeat(w.actions())
		w.t = t
		if len(w.programs) == 0 {
			w.start()
		}
		w.settle()
		by := map[partitionID]string{}
		for _, p := range w.programs {
			for at := range p.running {
				require.Empty(t, by[at])
				by[at] = p.id
				holder, _ := w.g.Holder(group.Partition{Topic: at.topic, Index: at.index})
				require.Equal(t, p.id, holder)
			}
		}
		require.Len(t, by, 7, "each partition runs somewhere")
	})
}
