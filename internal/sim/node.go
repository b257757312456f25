package sim

import (
	"slices"
	"time"

	"github.com/skidway/skidway/replication"
)

const sessionTimeout = 5 * time.Second

// node is one broker: the cores, and what carries their effects out.
type node struct {
	w       *world
	id      int32
	storage uint64
	process int // moves with each start; what an earlier process began is void
	up      bool
	paused  bool
	held    []func() // what waits for a paused process
	rate    int64    // of the clock, in 1/1000
	jumped  time.Duration

	core       *replication.Session
	controller *replication.Controller
	session    int64
	be         int32 // of the newest registration
	storeEpoch int32 // durable
	zkCut      bool
	behind     time.Duration // of the metadata server that it reads partitions from
	silent     bool          // the machine is gone, so that nobody refuses a connection
	reading    []bool        // a read of that partition is on its way

	disk     *disk
	replicas []*replication.Replica
	views    []view
	busy     bool // a commit is under way
	stalled  bool // the disk takes long
	syncing  bool
}

// view is a log with what is queued for it, as the broker has it in memory.
type view struct {
	batches []replication.Batch
	last    map[uint32]sent // by producer
}

type sent struct {
	seq uint32
	end int64
}

func (v *view) set(batches []replication.Batch) {
	v.batches, v.last = nil, make(map[uint32]sent)
	v.add(batches)
}

func (v *view) add(batches []replication.Batch) {
	for _, b := range batches {
		v.batches = append(v.batches, b)
		x := valueOf(b)
		v.last[x.producer] = sent{x.seq, b.End}
	}
}

func newNode(w *world, id int32) *node {
	n := &node{w: w, id: id, rate: 1000, be: -1}
	n.format()
	return n
}

// format gives the broker an empty store with a new storage id.
func (n *node) format() {
	n.w.storage++
	n.storage, n.storeEpoch = n.w.storage, 0
	n.disk = newDisk(n.w.cfg.Partitions, n.w.cfg.Bug)
}

func (n *node) member() replication.Member {
	return replication.Member{Broker: n.id, Storage: n.storage}
}

// start runs a new process on the store.
func (n *node) start() {
	n.process++
	n.up, n.paused, n.held, n.busy, n.syncing, n.stalled = true, false, nil, false, false, false
	n.rate, n.jumped = 1000+n.w.rng.Int64N(21)-10, n.w.between(0, 5000)
	n.reading = make([]bool, n.w.cfg.Partitions)
	n.replicas, n.views = nil, make([]view, n.w.cfg.Partitions)
	for p := range n.w.cfg.Partitions {
		im := &n.disk.synced[p]
		promised := im.promised
		if n.w.cfg.Bug == M4EpochKept {
			promised-- // so that it leads on in the epoch it led
		}
		n.replicas = append(n.replicas, replication.NewReplica(replication.Options{
			Self: n.member(), LagMax: 2 * time.Second, Testing: n.testing(),
		}, replication.Stored{
			Promised: promised, LogStart: im.start, DataStart: im.data, End: im.end(), History: im.history,
			Void: im.void,
		}))
		n.views[p].set(im.batches)
		n.w.checks.forget(n, p)
	}
	copy(n.w.net.told[n.id-1], n.w.net.conn[n.id-1])
	n.w.tracef("start %d process %d", n.id, n.process)
	n.core = replication.NewSession(replication.SessionOptions{Timeout: sessionTimeout}, n.storage, n.storeEpoch)
	n.controller = replication.NewController(replication.ControllerOptions{
		Broker: n.id, Timeout: sessionTimeout, PreferredEvery: 2 * time.Second,
	})
	n.every(100, n.tick)
	n.every(150, func() { n.stepController(replication.Changed{}) })
	n.every(200, n.greet)
	n.every(500, n.probe)
	n.stepSession(replication.Started{})
}

func (n *node) testing() (t replication.Testing) {
	switch n.w.cfg.Bug {
	case M6PendingExpand:
		t.IgnorePendingExpand = true
	case M7AckEpoch:
		t.IgnoreAckEpoch = true
	case M8EpochStart:
		t.IgnoreEpochStart = true
	case M9ShrinkEarly:
		t.ShrinkBeforeResult = true
	case M13BelowMinISR:
		t.IgnoreMinISR = true
	case M18TellBeforeEpoch:
		t.TellBeforeEpochStart = true
	case M19UnknownIsFailed:
		t.UnknownIsFailed = true
	case M22TellUnasked:
		t.TellUnasked = true
	}
	return t
}

// crash is a power loss: what was not synced may be gone from any point on.
func (n *node) crash() {
	n.up = false
	n.process++
	keep := 0
	if k := len(n.disk.unsynced); k > 0 {
		keep = n.w.rng.IntN(k + 1)
	}
	n.w.tracef("crash %d, %d of %d kept", n.id, keep, len(n.disk.unsynced))
	n.disk.crash(keep)
	for i := range n.w.brokers {
		if int32(i+1) != n.id {
			n.w.net.reset(int(n.id-1), i)
		}
	}
}

// run does something in the process, if it is still the same, once it is not paused.
func (n *node) run(process int, do func()) {
	switch {
	case !n.up || n.process != process:
	case n.paused:
		n.held = append(n.held, func() { n.run(process, do) })
	default:
		do()
	}
}

func (n *node) resume() {
	held := n.held
	n.paused, n.held = false, nil
	for _, do := range held {
		do()
	}
}

// every runs something for as long as the process lives.
func (n *node) every(ms int, do func()) {
	process := n.process
	var again func()
	again = func() {
		n.run(process, func() {
			do()
			n.w.after(time.Duration(ms)*time.Millisecond, again)
		})
	}
	n.w.after(n.w.between(0, ms), again)
}

// clock is the broker's own: it drifts, and may have jumped.
func (n *node) clock() time.Duration { return n.w.now/1000*time.Duration(n.rate) + n.jumped }

func (n *node) tick() {
	n.stepSession(replication.Tick{})
	n.stepController(replication.Tick{})
	for p, r := range n.replicas {
		if !r.Idle() {
			n.step(p, replication.Tick{})
		}
	}
}

func (n *node) step(part int, ev replication.Event) {
	for _, e := range slices.Clone(n.replicas[part].Step(n.clock(), ev)) {
		n.carry(part, e)
	}
	n.w.checks.observe(n, part)
}

func (n *node) carry(part int, e replication.Effect) {
	switch e := e.(type) {
	case replication.Promise:
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Truncate:
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Reset:
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Remove:
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Append:
		n.views[part].add(e.Batches)
		n.enqueue(item{part: part, generation: e.Generation, effect: e})
	case replication.Send:
		n.w.net.send(n, n.w.brokers[e.To-1], part, e.Message)
	case replication.Ship:
		n.ship(part, e)
	case replication.Reply:
		n.w.checks.replied(n, part, e)
		n.w.reply(part, e)
	case replication.BarrierReply:
		n.w.checks.told(n, part, e)
	case replication.WriteState:
		n.writeState(part, e)
	case replication.ReadState:
		n.read(part, true)
	case replication.Alarm:
		if e.Reason == replication.AlarmVoid {
			return
		}
		n.w.failf("broker %d, partition %d: alarm %d about %d", n.id, part, e.Reason, e.Broker)
	}
}

// ship sends a few batches at a time.
func (n *node) ship(part int, e replication.Ship) {
	batches := n.views[part].batches
	i, ok := slices.BinarySearchFunc(batches, e.Base, func(b replication.Batch, base int64) int {
		return int(b.Base - base)
	})
	if !ok {
		return
	}
	to := i
	for to < len(batches) && to < i+8 && batches[to].End <= e.End {
		to++
	}
	if to == i {
		return
	}
	n.w.net.send(n, n.w.brokers[e.To-1], part, replication.Data{
		Epoch: e.Epoch, Stream: e.Stream, Previous: e.Previous, Base: e.Base, HW: e.HW, LogStart: e.LogStart,
		Batches: slices.Clone(batches[i:to]),
	})
	n.step(part, replication.Shipped{To: e.To, Stream: e.Stream, End: batches[to-1].End})
}

func (n *node) enqueue(it item) {
	n.disk.enqueue(it)
	if n.busy {
		return
	}
	n.busy = true
	process := n.process
	n.w.after(n.w.between(0, 2), func() { n.run(process, n.commit) })
}

func (n *node) commit() {
	n.busy = false
	for _, it := range n.disk.commit() {
		e, ok := it.effect.(replication.Append)
		if !ok {
			continue
		}
		end := e.Batches[len(e.Batches)-1].End
		leads := n.replicas[it.part].Status().Role == replication.Leader
		if bug := n.w.cfg.Bug; bug == M1AckBeforeSync || bug == M2LeaderApplied && leads {
			n.step(it.part, replication.Synced{Generation: it.generation, End: end})
		}
		n.step(it.part, replication.Applied{Generation: it.generation, End: end})
	}
	n.startSync()
}

func (n *node) startSync() {
	if n.syncing || len(n.disk.unsynced) == 0 {
		return
	}
	n.syncing = true
	process, count := n.process, len(n.disk.unsynced)
	delay := n.w.between(1, 6)
	if n.stalled || n.w.chance(3) && !n.w.healed {
		delay += n.w.between(10, 300)
	}
	n.w.after(delay, func() { n.run(process, func() { n.synced(count) }) })
}

func (n *node) synced(count int) {
	n.syncing = false
	for _, it := range n.disk.sync(count) {
		im := &n.disk.synced[it.part]
		switch e := it.effect.(type) {
		case nil:
			n.step(it.part, replication.Damaged{})
		case replication.Append:
			n.step(it.part, replication.Synced{Generation: it.generation, End: e.Batches[len(e.Batches)-1].End})
		case replication.Promise:
			n.settle(it)
			n.step(it.part, replication.Promised{Generation: it.generation, End: im.end(), History: im.history})
		default:
			n.settle(it)
			n.step(it.part, replication.Cut{Generation: it.generation, End: im.end(), History: im.history})
		}
	}
	n.startSync()
}

// settle lets the view be what the store holds, if nothing newer is queued.
func (n *node) settle(it item) {
	if it.generation == n.disk.generation[it.part] {
		n.views[it.part].set(n.disk.synced[it.part].batches)
		n.w.checks.forget(n, it.part)
	}
}
