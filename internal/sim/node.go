package sim

import (
	"cmp"
	"maps"
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
	leapt   bool // it jumped since the process started

	core       *replication.Session
	controller *replication.Controller
	session    int64
	connected  bool  // of this process
	be         int32 // of the newest registration
	storeEpoch int32 // durable
	zkCut      bool
	behind     time.Duration // of the metadata server that it reads partitions from
	blank      bool          // that server has none
	silent     bool          // the machine is gone, so that nobody refuses a connection
	reading    []bool        // a read of that partition is on its way
	known      []known       // by partition, what the core read or wrote last
	full       bool          // the disk takes no records of others
	starts     []int64       // by partition, the log start that was asked for
	told       []int64       // by partition, where the log begins, as the core was told
	void       []bool        // by partition, its core was told that the log is damaged
	liar       []bool        // by partition: lost what it had synced, and is counted on all the same

	credits []creditEnd // by peer, of the connections of this process
	arrived arrival     // what takes credit in the message that is being received, until it is appended

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
	data    int64           // where the log begins
}

type sent struct {
	seq uint32
	end int64
}

// newView returns what batches make of a log, of which before is what producers did below them.
func newView(before map[uint32]sent, batches []replication.Batch) view {
	v := view{last: maps.Clone(before)}
	if v.last == nil {
		v.last = make(map[uint32]sent)
	}
	v.add(batches)
	return v
}

// viewOf returns what a store holds as a broker has it in memory.
func viewOf(im *image) view {
	v := newView(im.before, im.batches)
	v.data = im.data
	return v
}

// find gives the place of the batch that begins at base.
func find(batches []replication.Batch, base int64) (int, bool) {
	return slices.BinarySearchFunc(batches, base, func(b replication.Batch, base int64) int {
		return cmp.Compare(b.Base, base)
	})
}

func (v *view) add(batches []replication.Batch) {
	for _, b := range batches {
		v.batches = append(v.batches, b)
		x := valueOf(b)
		v.last[x.producer] = sent{x.seq, b.End}
	}
}

// known is a state as a core knows it.
type known struct {
	replication.State
	version int32
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
	n.liar = make([]bool, n.w.cfg.Partitions)
}

func (n *node) member() replication.Member {
	return replication.Member{Broker: n.id, Storage: n.storage}
}

// start runs a new process on the store.
func (n *node) start() {
	n.process++
	n.connected = false
	n.up, n.paused, n.held, n.busy, n.syncing, n.stalled = true, false, nil, false, false, false
	n.rate, n.jumped, n.full = 1000+n.w.rng.Int64N(201)-100, n.w.between(0, 5000), false
	n.leapt = false
	n.reading, n.known = make([]bool, n.w.cfg.Partitions), make([]known, n.w.cfg.Partitions)
	n.void = make([]bool, n.w.cfg.Partitions)
	n.starts, n.told = make([]int64, n.w.cfg.Partitions), make([]int64, n.w.cfg.Partitions)
	n.replicas, n.views = nil, make([]view, n.w.cfg.Partitions)
	n.credits = make([]creditEnd, n.w.cfg.Brokers)
	for p := range n.w.cfg.Partitions {
		n.known[p].version = -1
		n.void[p] = n.disk.synced[p].void
		n.starts[p], n.told[p] = n.disk.synced[p].start, n.disk.synced[p].data
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
		n.views[p] = viewOf(im)
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
	n.every(1000, n.lookForTombstones)
	n.every(500, n.tellStarts)
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
	n.noteLost(append(slices.Clone(n.disk.unsynced[keep:]), n.disk.queue...))
	n.disk.crash(keep)
	for i := range n.w.brokers {
		if int32(i+1) != n.id {
			n.w.net.reset(int(n.id-1), i)
		}
	}
}

// noteLost counts what a crash takes away.
func (n *node) noteLost(items []item) {
	for i, it := range items {
		switch it.effect.(type) {
		case replication.Promise:
			n.w.fire(CrashInPromise)
		case replication.Truncate:
			n.w.fire(CrashInTruncation)
		case replication.Reset, replication.Remove:
			n.w.fire(CrashInReset)
		}
		if i == 0 {
			n.w.fire(LostSuffix)
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
	n.w.fire(Paused, n.id)
	if !n.alive() {
		n.w.fire(PausedPastSession)
	}
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
	if ev, ok := ev.(replication.StateRead); ok && ev.Version > n.known[part].version {
		n.known[part] = known{ev.State, ev.Version}
	}
	for _, e := range slices.Clone(n.replicas[part].Step(n.clock(), ev)) {
		n.carry(part, e)
	}
	n.followStart(part)
	n.w.checks.observe(n, part)
}

func (n *node) carry(part int, e replication.Effect) {
	switch e := e.(type) {
	case replication.Promise:
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Truncate:
		n.w.fire(Diverged, n.id, part, e.To)
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Reset:
		n.views[part] = view{data: e.DataStart, last: producersOf(e.Producers)}
		n.w.checks.forget(n, part)
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Remove:
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Erase:
		n.enqueue(item{part: part, generation: e.Generation, effect: e, raises: true})
	case replication.Append:
		n.append(part, e)
	case replication.Send:
		n.send(part, e)
	case replication.Ship:
		n.ship(part, e)
	case replication.Reply:
		n.w.reply(n, part, e)
	case replication.BarrierReply:
		n.w.barrierReply(n, part, e)
	case replication.WriteState:
		n.writeState(part, e)
	case replication.ReadState:
		n.read(part, true)
	case replication.Alarm:
		n.w.alarm(n, part, e)
	}
}

// append takes batches into the log, but not what others send if the disk is full.
func (n *node) append(part int, e replication.Append) {
	if n.full && n.replicas[part].Status().Role == replication.Follower {
		n.w.fire(DiskFull, n.id, part)
		n.step(part, replication.Rejected{Generation: e.Generation})
		return
	}
	n.views[part].add(e.Batches)
	n.enqueue(item{part: part, generation: e.Generation, effect: e, came: n.arrived})
	n.arrived = arrival{}
}

// send gives a message to the network; what is to be known of producers is filled in.
func (n *node) send(part int, e replication.Send) {
	if m, ok := e.Message.(replication.OutOfRange); ok {
		m.Producers = rowsOf(n.disk.synced[part].before)
		e.Message = m
		n.w.fire(BehindLogStart, e.To, part, m.DataStart, m.LogStart)
	}
	n.w.net.message(n, n.w.brokers[e.To-1], part, e.Message)
}

// ship sends a few batches at a time, as far as there is credit.
func (n *node) ship(part int, e replication.Ship) {
	batches, to := n.views[part].batches, n.w.brokers[e.To-1]
	first, ok := find(batches, e.Base)
	room := n.room(part, to)
	if !ok || room == 0 {
		return
	}
	end, size := first, int64(0)
	for end < len(batches) && end < first+8 && batches[end].End <= e.End {
		more := int64(len(batches[end].Bytes))
		if end > first && size+more > room {
			break
		}
		size += more
		end++
	}
	if end == first {
		return
	}
	credit := &n.creditEnd(to).credit
	if !credit.Takes(size) && n.w.cfg.Bug != CreditIgnored {
		credit.Want(size)
		n.creditEnd(to).starved[part] = true
		return
	}
	credit.Sent(size)
	n.w.net.message(n, to, part, replication.Data{
		Epoch: e.Epoch, Stream: e.Stream, Previous: e.Previous, Base: e.Base, HW: e.HW, LogStart: e.LogStart,
		Batches: slices.Clone(batches[first:end]),
	})
	n.step(part, replication.Shipped{To: e.To, Stream: e.Stream, End: batches[end-1].End})
}

func (n *node) enqueue(it item) {
	n.disk.enqueue(it)
	n.mayCrashIn(it)
	if n.busy {
		return
	}
	n.busy = true
	process := n.process
	delay := n.w.between(0, 2)
	if n.stalled || n.w.chance(2) && !n.w.healed {
		delay += n.w.between(10, 300) // a store that cannot keep up holds its committer
	}
	n.w.after(delay, func() { n.run(process, n.commit) })
}

// mayCrashIn lets the broker crash, at times, while the log begins a generation.
func (n *node) mayCrashIn(it item) {
	percent := 0
	switch it.effect.(type) {
	case replication.Promise:
		percent = 1
	case replication.Truncate, replication.Reset, replication.Remove:
		percent = 10
	}
	if process := n.process; !n.w.healed && n.w.chance(percent) {
		n.w.after(n.w.between(0, 6), func() {
			if n.up && n.process == process {
				n.w.kill(n)
			}
		})
	}
}

func (n *node) commit() {
	n.busy = false
	done, dropped := n.disk.commit()
	for _, it := range dropped {
		n.dropped(it.came)
		n.w.fired[AppendDropped]++
	}
	n.tellCredit()
	for _, it := range done {
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
		n.released(it.came)
		switch e := it.effect.(type) {
		case replication.Append:
			n.step(it.part, replication.Synced{Generation: it.generation, End: e.Batches[len(e.Batches)-1].End})
		case replication.Promise:
			n.settle(it)
			n.step(it.part, replication.Promised{Generation: it.generation, End: it.end, History: it.history})
		case raiseStart:
			n.trimmed(it.part, im)
		case markVoid:
			n.void[it.part] = true
			n.step(it.part, replication.Damaged{})
		default: // of an Erase the core wants no answer, and ignores it
			n.void[it.part] = im.void
			n.settle(it)
			n.step(it.part, replication.Cut{Generation: it.generation, End: it.end, History: it.history})
		}
	}
	n.tellCredit()
	n.startSync()
}

// settle lets the view be what the store holds, if nothing newer is queued.
func (n *node) settle(it item) {
	if it.generation == n.disk.generation[it.part] {
		n.views[it.part] = viewOf(&n.disk.synced[it.part])
		n.w.checks.forget(n, it.part)
	}
}
