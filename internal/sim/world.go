package sim

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Config says what a run is made of. The same config gives the same run.
type Config struct {
	Seed       uint64
	Brokers    int
	Partitions int  // each of a topic of its own
	Doomed     bool // the last partition's topic is deleted while faults go on
	Replicas   int  // of each partition; 0: as many as brokers
	MinISR     int32
	Faulty     time.Duration // how long faults go on; then all is healed
	Replayed   int           // percent of messages that arrive again, much later
	Unknown    int           // percent of the metadata store's answers that are lost
	Window     int64         // bytes of records that may be under way on a connection; 0: 600, fifty batches
	Bug        Bug
	Trace      func(line string) // called with each line of the trace, if set
}

// Result is what a run came to.
type Result struct {
	Err    error // the promise that was broken, or nil
	Events int
	Acked  int
	Faults int
	Fired  Fired
	Void   int    // partitions whose promise ended, since a disk that lied led them
	Hash   uint64 // of the trace, and of the time and number of every event
}

// event is something that happens at a time. Of two at one time the first made is first.
type event struct {
	at  time.Duration
	seq int
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *events) Push(x any) { *q = append(*q, x.(event)) }

// Pop implements heap.Interface.
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1].do = nil
	*q = old[:len(old)-1]
	return e
}

type world struct {
	cfg      Config
	rng      *rand.Rand
	now      time.Duration
	queue    events
	seq      int
	healed   bool
	err      error
	faults   int
	done     int
	tree     *tree
	session  int64
	sessions map[int64]int32 // those that live, and whose they are
	fired    Fired
	kinds    []fault // that this run has
	storage  uint64
	brokers  []*node
	net      *network
	clients  []*producer
	checks   *checker
	topics   []topic // by partition: what an operator asked for
	asks     map[uint64]ask
	hash     hash.Hash64
	mark     [16]byte // of the event that happens, for the hash
}

// healTime is how long a healed cluster has to acknowledge everything (I13).
const healTime = 60 * time.Second

// newWorld returns a cluster that has just been started.
func newWorld(cfg Config) *world {
	if cfg.Replicas == 0 {
		cfg.Replicas = cfg.Brokers
	}
	if cfg.Window == 0 {
		cfg.Window = 600
	}
	w := &world{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x5eed)), hash: fnv.New64a(), sessions: make(map[int64]int32),
		asks: make(map[uint64]ask),
	}
	w.kinds = w.chooseFaults()
	w.tree = newTree(func() time.Duration { return w.now }, w.moved)
	w.net = newNetwork(w)
	w.checks = newChecker(w)
	w.bootstrap()
	return w
}

// Run runs one cluster to its end.
func Run(cfg Config) Result {
	w := newWorld(cfg)
	w.after(cfg.Faulty, w.heal)
	w.after(w.between(100, 600), w.fault)
	w.runTo(cfg.Faulty + healTime)
	if w.err == nil {
		w.checks.end()
	}
	r := Result{
		Err: w.err, Events: w.done, Acked: w.checks.acks, Faults: w.faults, Fired: w.fired, Hash: w.hash.Sum64(),
	}
	for _, t := range w.topics {
		if t.void {
			r.Void++
		}
	}
	return r
}

func (w *world) bootstrap() {
	for i := range w.cfg.Brokers {
		w.brokers = append(w.brokers, newNode(w, int32(i+1)))
	}
	w.tree.nodes[controllerEpochPath] = &treeNode{value: int32(0)}
	for range w.cfg.Partitions {
		w.topics = append(w.topics, topic{minISR: w.cfg.MinISR, lowered: -time.Hour})
	}
	for _, b := range w.brokers {
		b.start()
	}
	for i := range 2 * w.cfg.Partitions {
		c := &producer{w: w, id: uint32(i + 1), part: i % w.cfg.Partitions, all: i%4 != 3}
		w.clients = append(w.clients, c)
		w.after(w.between(1, 100), c.send)
	}
	w.after(w.between(300, 600), w.askAround)
	if w.cfg.Doomed {
		w.after(w.between(3000, int(w.cfg.Faulty/time.Millisecond)-1000), w.deleteTopic)
	}
}

// runTo lets things happen up to a time, or until a healed cluster has nothing left to do.
func (w *world) runTo(deadline time.Duration) {
	for w.err == nil && len(w.queue) > 0 && w.now < deadline && !w.finished() {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		w.done++
		binary.LittleEndian.PutUint64(w.mark[:8], uint64(e.at))
		binary.LittleEndian.PutUint64(w.mark[8:], uint64(e.seq))
		_, _ = w.hash.Write(w.mark[:])
		e.do()
	}
}

// finished tells whether a healed cluster has nothing left to do.
func (w *world) finished() bool {
	if !w.healed {
		return false
	}
	for _, c := range w.clients {
		if c.waits() {
			return false
		}
	}
	return w.checks.whole()
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + max(d, 0), w.seq, do})
}

// between draws a time of so many milliseconds, with a fraction.
func (w *world) between(low, high int) time.Duration {
	return time.Duration(low)*time.Millisecond + time.Duration(w.rng.Int64N(int64(high-low)*int64(time.Millisecond)+1))
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

func (w *world) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("at %v: "+format, append([]any{w.now}, args...)...)
	}
}

// tracef adds a line to the trace.
func (w *world) tracef(format string, args ...any) {
	line := fmt.Sprintf("%v "+format+"\n", append([]any{w.now}, args...)...)
	_, _ = w.hash.Write([]byte(line))
	if w.cfg.Trace != nil {
		w.cfg.Trace(line)
	}
}

// messagef adds a line about a message to the trace, where it is shown: there are many.
func (w *world) messagef(format string, args ...any) {
	if w.cfg.Trace != nil {
		w.cfg.Trace(fmt.Sprintf("%v    "+format+"\n", append([]any{w.now}, args...)...))
	}
}

// moved wakes all brokers that watch the path, some time later.
func (w *world) moved(path string) {
	for _, b := range w.brokers {
		b.wake(path)
	}
}
