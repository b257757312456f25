package peer

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/skidway/skidway/replication"
)

const (
	// maxControl bounds what is queued on a link beside Data; a peer that leaves so much
	// unread is cut.
	maxControl = 16 << 20
	// smallFrame is the size up to which a frame's memory is the link's own, and grows with it.
	// Beyond it a frame takes memory of fullFrame from the pool, once.
	smallFrame = 8 << 10
	fullFrame  = targetFrame + 4<<10
	// entryRoom is more than most entries take beside their Data.
	entryRoom = 256
)

// queue counts what waits to be sent on all links together, and keeps the memory of frames.
type queue struct {
	frames  sync.Pool // of *[]byte: what has the capacity fullFrame
	limit   int64
	bytes   atomic.Int64
	starved atomic.Bool // some Data was refused for the limit: links are to be asked again
}

// fits tells whether n bytes more may wait. If not, the links will be asked again.
func (q *queue) fits(n int64) bool {
	room := func() bool {
		waiting := q.bytes.Load()
		return waiting == 0 || waiting+n <= q.limit
	}
	if room() {
		return true
	}
	q.starved.Store(true)
	return room() // what was written before starved was set is seen here
}

// frame gives memory for at least n bytes.
func (q *queue) frame(n int) []byte {
	if n > fullFrame {
		return make([]byte, 0, n)
	}
	if b, ok := q.frames.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, fullFrame)
}

// outbox is the sending half of a link: messages are encoded into frames as they are sent, and
// the link's writer takes the frames that are there. Safe for concurrent use.
type outbox struct {
	side  Side
	queue *queue
	wake  chan struct{} // of the writer

	mu      sync.Mutex
	enc     *encoder // its frame is open; count 0: it is empty
	full    [][]byte // frames before it, oldest first
	spare   []byte
	over    bool
	pending int64 // bytes of queue that are in full and in the open frame
	control int64 // bytes of full and of the open frame that are not Data
	// credit counts the Data that is sent, and grant that which comes; of each link one is used.
	credit replication.Credit
	grant  replication.Grant
}

func newOutbox(side Side, window int64, q *queue) *outbox {
	o := &outbox{
		side: side, queue: q, wake: make(chan struct{}, 1), enc: newEncoder(),
		credit: replication.NewCredit(window), grant: replication.NewGrant(window, MaxDataBytes),
	}
	o.enc.begin(nil)
	return o
}

func (o *outbox) notify() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// send queues a message. overflow tells that the link has to be cut.
func (o *outbox) send(p Partition, m replication.Message) (overflow bool, err error) {
	if sideOf(m) != o.side {
		return false, fmt.Errorf("peer: a %T is not for this side of a link", m)
	}
	n := int64(DataBytes(m))
	if h, ok := m.(replication.OutOfRange); n > MaxDataBytes || ok && len(h.History) > maxHistory {
		return false, ErrTooLarge
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.over:
		return false, ErrNotConnected
	case n > 0 && !o.takes(n):
		o.credit.Want(n)
		return false, ErrNoCredit
	}
	return o.add(n, func(e *encoder) { e.message(p, m) })
}

// call queues a call or an answer.
func (o *outbox) call(kind int64, id uint64, body []byte) (overflow bool, err error) {
	if len(body) > MaxCallBytes {
		return false, ErrTooLarge
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false, ErrNotConnected
	}
	return o.add(0, func(e *encoder) { e.call(kind, id, body) })
}

// add encodes an entry with n bytes of Data; under mu.
func (o *outbox) add(n int64, encode func(*encoder)) (overflow bool, err error) {
	if o.enc.count > 0 && int64(len(o.enc.buf))+n > targetFrame {
		o.seal()
	}
	before := len(o.enc.buf)
	if need := before + int(n) + entryRoom; need > cap(o.enc.buf) && need > smallFrame {
		small := o.enc.buf
		o.enc.buf = append(o.queue.frame(need), small...)
		if cap(small) <= smallFrame {
			o.spare = small
		}
	}
	encode(o.enc)
	size := int64(len(o.enc.buf) - before)
	if len(o.enc.buf)+tagBytes > maxFrame {
		o.enc.buf = o.enc.buf[:before]
		o.enc.count--
		return false, ErrTooLarge
	}
	o.credit.Sent(n)
	o.control += size - n
	o.pending += size
	o.queue.bytes.Add(size)
	o.notify()
	return o.control > maxControl, nil
}

// seal ends the open frame and begins another; under mu.
func (o *outbox) seal() {
	o.full = append(o.full, o.enc.end())
	o.enc.begin(o.spare)
	o.spare = nil
}

// takes tells whether n bytes of Data may be sent; under mu.
func (o *outbox) takes(n int64) bool { return o.credit.Takes(n) && o.queue.fits(n) }

// room is Transport.Credit.
func (o *outbox) room() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.over || o.side != Leader:
		return 0
	case !o.takes(1):
		o.credit.WantSome()
		return 0
	}
	return int(min(o.credit.Room(), MaxDataBytes))
}

// acknowledge notes what the peer released in all. It tells whether a CreditBack is due.
func (o *outbox) acknowledge(released int64) (due bool, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.credit.GivenBack(released); err != nil {
		return false, fmt.Errorf("peer: %w", err)
	}
	return o.credit.Due(o.queue.fits), nil
}

// recheck tells whether a CreditBack is due, after other links gave way.
func (o *outbox) recheck() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.over && o.credit.Due(o.queue.fits)
}

// receive notes bytes of Data that came, and makes sure that the peer had credit for them.
func (o *outbox) receive(n int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.grant.Receive(int64(n)); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	return nil
}

// release notes that the host is done with n bytes. The peer is told with the next frame; one is
// sent for it when much is released, or all.
func (o *outbox) release(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over && o.grant.Release(int64(n)) {
		o.notify()
	}
}

// take gives the frames that are to be written now, heartbeat saying that there has to be one, and
// how much less waits in the queue once they are.
func (o *outbox) take(heartbeat bool) (frames [][]byte, waited int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return nil, 0
	}
	if released, news := o.grant.Tell(); news {
		o.enc.credit(released)
	}
	if o.enc.count > 0 || heartbeat && len(o.full) == 0 {
		o.seal()
	}
	frames, waited = o.full, o.pending
	o.full, o.pending, o.control = nil, 0, 0
	return frames, waited
}

// written takes a frame's memory back for another.
func (o *outbox) written(frame []byte) {
	if cap(frame) == fullFrame {
		o.queue.frames.Put(&frame)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over && cap(frame) <= smallFrame {
		o.spare = frame
	}
}

// held is how many bytes of Data came and are not released.
func (o *outbox) held() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.grant.Held()
}

// close drops what is queued. Nothing is taken any more.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.bytes.Add(-o.pending) // twice is fine: pending is 0 then
	o.over, o.pending = true, 0
	o.full, o.spare, o.enc = nil, nil, nil
}
