package peer

import (
	"bytes"
	"container/list"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/time/rate"

	"github.com/skidway/skidway/replication"
)

// What sending may be refused with. Nothing of the message was sent.
var (
	// ErrNoCredit: the peer has not yet released enough of the Data sent before, or
	// Options.QueueBytes wait already. CreditBack follows; until then the link takes no Data at
	// all, so that a large one is not starved by small ones.
	ErrNoCredit = errors.New("peer: no credit for more data")
	// ErrNotConnected: the link is over. Its Disconnected is among the events, or was.
	ErrNotConnected = errors.New("peer: the link is over")
	// ErrTooLarge: no frame takes a message of this size.
	ErrTooLarge = errors.New("peer: message too large")
	// ErrClosed: the Transport is closed.
	ErrClosed = errors.New("peer: closed")
)

// Limits of what can be sent.
const (
	// MaxDataBytes is the most bytes of batches in one Data.
	MaxDataBytes = 32 << 20
	// MaxCallBytes is the most bytes of a call or its answer.
	MaxCallBytes = 64 << 10
)

// maxHeld is how many bytes of frames may wait for Events before links are read no further.
const maxHeld = 16 << 20

// Why a link ends.
var (
	errPeerClosed   = errors.New("peer: the peer closed the connection")
	errReplaced     = errors.New("peer: the peer has dialled anew")
	errRenewed      = errors.New("peer: this broker's registration has changed")
	errDisconnected = errors.New("peer: this broker follows the peer no more, or at another address")
	errOverflow     = errors.New("peer: the peer leaves too much unread")
)

// Transport is one broker's links with all others. All methods are safe for concurrent use,
// and none but Start and Close waits for the network.
type Transport struct {
	opts     Options // but for Self.Epoch, which is epoch
	listener net.Listener
	ready    chan struct{}
	closing  chan struct{}
	queue    queue
	warnings *rate.Limiter
	stats    counters
	running  sync.WaitGroup // every goroutine

	mu   sync.RWMutex // guards the fields below; nothing that blocks is done under it
	room *sync.Cond   // of mu: held has shrunk, or a session is over
	// epoch is that of this broker's registration or Unregistered, newest the highest so far.
	epoch, newest int32
	renewals      uint64        // of epoch
	changed       chan struct{} // closed when epoch changes
	closed        bool
	pending       list.List // of net.Conn: accepted and in their handshake, oldest first
	targets       map[int32]target
	sessions      map[uint64]*session // those that are up, by Link.Session
	current       map[slot]*session   // the same
	sessionNumber uint64              // the last one given
	accepted      int                 // of sessions, those that peers dialled
	events        []Event
	held          int // bytes of the frames of events
}

// target is what Connect asked for.
type target struct {
	address string
	dialers [Bulk]*dialer
}

// slot is what there is one link of at a time.
type slot struct {
	peer  int32
	side  Side
	class Class
}

// Start listens, and returns with the Transport running. With a Self that is Unregistered it
// makes no link before Renew. The error names every option that is wrong, or why the address
// cannot be listened on.
func Start(o Options) (*Transport, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("peer: cannot listen for other brokers on %q: %w", o.Listen, err)
	}
	o.Secret = bytes.Clone(o.Secret)
	t := &Transport{
		opts: o, listener: l, ready: make(chan struct{}, 1), closing: make(chan struct{}),
		warnings: rate.NewLimiter(1, 20), epoch: o.Self.Epoch, newest: o.Self.Epoch, changed: make(chan struct{}),
		targets: map[int32]target{}, sessions: map[uint64]*session{}, current: map[slot]*session{},
	}
	t.queue.limit = int64(o.QueueBytes)
	t.room = sync.NewCond(&t.mu)
	t.running.Go(t.accept)
	return t, nil
}

// Addr is the address that the Transport listens on.
func (t *Transport) Addr() net.Addr { return t.listener.Addr() }

// Connect dials the broker at the address, one link a class, and again whenever one breaks,
// until Disconnect. Calling it again with the same address does nothing; with another one
// the former links are cut. Dialling oneself is refused.
func (t *Transport) Connect(broker int32, address string) error {
	if broker == t.opts.Self.Broker || broker < 0 {
		return fmt.Errorf("peer: broker %d cannot connect with broker %d", t.opts.Self.Broker, broker)
	}
	t.mu.RLock()
	same := t.targets[broker].address == address && address != ""
	t.mu.RUnlock()
	if same {
		return nil
	}
	t.Disconnect(broker)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return ErrClosed
	}
	if t.targets[broker].address != "" {
		return nil // another call was first
	}
	to := target{address: address}
	for i := range to.dialers {
		to.dialers[i] = newDialer(t, broker, Live+Class(i), address)
		t.running.Go(to.dialers[i].run)
	}
	t.targets[broker] = to
	return nil
}

// Disconnect cuts the links that Connect made and dials no more. Links that the peer dialled
// stay.
func (t *Transport) Disconnect(broker int32) {
	t.mu.Lock()
	to, found := t.targets[broker]
	delete(t.targets, broker)
	t.mu.Unlock()
	if found {
		to.cancel()
		t.dropAll(errDisconnected, func(s *session) bool { return s.dialler != nil && s.link.Peer == broker })
	}
}

func (to target) cancel() {
	for _, d := range to.dialers {
		d.cancel()
	}
}

// Renew takes up a new registration: all links are cut, and those of Connect made anew with
// the epoch, which has to be higher than all before. Unregistered says that the registration is
// over: no link is made until the next one.
func (t *Transport) Renew(epoch int32) error {
	t.mu.Lock()
	switch {
	case epoch == t.epoch:
		t.mu.Unlock()
		return nil
	case epoch < Unregistered || epoch != Unregistered && epoch <= t.newest:
		defer t.mu.Unlock()
		return fmt.Errorf("peer: broker epoch %d after %d: each registration has a higher one", epoch, t.newest)
	}
	t.epoch, t.newest = epoch, max(t.newest, epoch)
	t.renewals++
	close(t.changed)
	t.changed = make(chan struct{})
	t.mu.Unlock()
	t.dropAll(errRenewed, func(*session) bool { return true })
	return nil
}

// Send puts a message in the link's queue. It never waits, and keeps nothing of the message:
// its batches are copied. Messages arrive in order and without a gap, or the link ends. The
// errors are ErrNoCredit, for a Data with batches only; ErrNotConnected; ErrTooLarge; and one for
// a message that is not for this side of a link.
//
// A Data of more bytes than the window is taken when nothing else is unreleased (G23). A caller
// that notes what waits for credit does so before it handles the CreditBack, which may be there
// when Send returns.
func (t *Transport) Send(link Link, p Partition, m replication.Message) error {
	s := t.session(link)
	if s == nil {
		return ErrNotConnected
	}
	overflow, err := s.out.send(p, m)
	return t.queued(s, overflow, err)
}

// Credit tells how many bytes of batches a Data on the link may have now; at most
// MaxDataBytes. 0 is followed by a CreditBack once there is some again, on a link that this
// broker leads and that is up.
func (t *Transport) Credit(link Link) int {
	if s := t.session(link); s != nil {
		return s.out.room()
	}
	return 0
}

// Release gives back the credit of n bytes of Data that were received on the link and are
// appended or dropped. On a link that is over it does nothing. To release more than was
// received is a bug of the caller, and panics.
func (t *Transport) Release(link Link, n int) {
	if s := t.session(link); s != nil {
		s.out.release(n)
	}
}

// Call sends the peer a request of at most MaxCallBytes; an Answered with the same id follows
// if the peer's host answers, or the link's Disconnected. Ids are the caller's own. The errors
// are those of Send.
func (t *Transport) Call(link Link, id uint64, body []byte) error {
	s := t.session(link)
	if s == nil {
		return ErrNotConnected
	}
	overflow, err := s.out.call(kindCall, id, body)
	return t.queued(s, overflow, err)
}

// Answer answers a Called, with at most MaxCallBytes. The errors are those of Send.
func (t *Transport) Answer(link Link, id uint64, body []byte) error {
	s := t.session(link)
	if s == nil {
		return ErrNotConnected
	}
	overflow, err := s.out.call(kindAnswer, id, body)
	return t.queued(s, overflow, err)
}

// Ready receives a value when there are events. One value may stand for many events.
func (t *Transport) Ready() <-chan struct{} { return t.ready }

// Events takes the events since the last call, in order, and never waits. It has to be called
// soon after Ready: while more than 16 MiB of messages wait, links are not read.
func (t *Transport) Events() []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	events := t.events
	t.events, t.held = nil, 0
	t.room.Broadcast()
	return events
}

// Close ends all links and waits for every goroutine of the Transport. What is queued may be
// lost. There are no events after it. More than once is fine.
func (t *Transport) Close() error {
	t.mu.Lock()
	var err error
	if !t.closed {
		t.closed = true
		close(t.closing)
		err = t.listener.Close()
		for e := t.pending.Front(); e != nil; e = e.Next() {
			_ = e.Value.(net.Conn).Close()
		}
		for _, to := range t.targets {
			to.cancel()
		}
	}
	t.mu.Unlock()
	t.dropAll(ErrClosed, func(*session) bool { return true })
	t.running.Wait()
	t.mu.Lock()
	t.events = nil
	t.mu.Unlock()
	return err
}
