package client

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/wire"
)

// GroupConsumer is a member of a consumer group: it reads the partitions that the group's coordinator gives it, each
// until it is revoked, and commits how far the program has come. Where every member is of one group, the topics are
// a queue; each further group gets all records, too.
//
// Delivery is at least once: a record is passed for good only when the program has marked it (Mark), or one behind
// it, and that was committed. Safe for concurrent use; records that several goroutines are at when a partition is
// revoked are for OnRevoked to wait for.
type GroupConsumer struct {
	c        *Client
	opts     GroupOptions
	topics   []string
	member   string // the id under which the group has it, for as long as the GroupConsumer is
	consumer *Consumer
	coord    *coordinator // of commits and look-ups; a heartbeat may be held back, and has a link of its own
	beats    *coordinator

	ctx    context.Context // ends with the membership
	cancel context.CancelFunc
	tasks  sync.WaitGroup
	once   sync.Once
	closed error // of the first Close or Leave

	turns      chan struct{} // holds a token: who has it carries out turns
	committing chan struct{} // holds a token: one commit at a time, for an older one must not come last
	beatNow    chan struct{} // holds a token when the heartbeat's time may have changed
	lookNow    chan struct{} // holds a token when partitions may have been given
	watchNow   chan struct{} // holds a token when the time of an alarm may have changed
	admitted   chan struct{} // closed when the first request to join was taken, or refused
	left       chan struct{} // closed when no request is sent any more

	inside atomic.Int32  // calls of Poll and Records that wait for records or carry out turns
	steps  atomic.Uint64 // grows with each Poll and each record of Records

	mu        sync.Mutex // guards all below; nothing but Consumer.mu is taken under it
	m         *membership
	claims    map[partitionID]*claim // one for each partition that is owned
	byPlace   map[place]*claim       // those that are started
	gone      map[partitionID]*claim // lost: the program has not been told
	last      *claim                 // of the last Mark
	hook      context.CancelFunc     // ends the context of the OnRevoked under way; nil: there is none
	hooked    []*claim               // what it is about
	telling   bool                   // a turn is being carried out
	closing   bool
	interrupt context.CancelFunc // of the heartbeat that is on its way, or was last
	fatal     *Error             // the group refused the member for good
	refused   *Error             // the last refusal to let it join, while it tries again
	stats     GroupStats
}

// JoinGroup makes the program a member of a consumer group, of topics and those that o.Regex matches. It returns once
// the group has taken it; partitions come with Poll. While a static member's place is taken by one that has neither
// left nor timed out, it waits.
func JoinGroup(ctx context.Context, c *Client, group string, topics []string, o GroupOptions) (*GroupConsumer, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	if len(topics) == 0 && o.Regex == "" {
		return nil, newError(wire.CodeInvalidArgument, nowhere(""),
			"joining group %q: neither topics nor GroupOptions.Regex say what to read", group)
	}
	g := newGroupConsumer(c, group, topics, o)
	if err := c.add(g); err != nil {
		g.cancel()
		return nil, err
	}
	g.tasks.Go(g.beat)
	g.tasks.Go(g.look)
	g.tasks.Go(g.watch)
	if o.Commit == CommitMarked {
		g.tasks.Go(g.commitMarks)
	}
	g.consumer.tasks.Go(g.consumer.keep)
	select {
	case <-g.admitted:
	case <-ctx.Done():
	}
	g.mu.Lock()
	why, refused := g.fatal, g.refused
	g.mu.Unlock()
	if why == nil && ctx.Err() != nil {
		why = timedOut(ctx, nowhere(c.Address()), "joining group "+group, OutcomeFailed)
		if refused != nil {
			why.Message, why.Err = why.Message+": "+refused.Error(), errors.Join(ctx.Err(), refused)
		}
	}
	if why == nil {
		return g, nil
	}
	c.tasks.Go(func() { // what was asked for may have been done: it is taken back, and nobody waits for that
		bye, cancel := context.WithTimeout(c.ctx, c.opts.RequestTimeout)
		defer cancel()
		_ = g.Leave(bye)
	})
	return nil, why
}

func newGroupConsumer(c *Client, group string, topics []string, o GroupOptions) *GroupConsumer {
	token := func() chan struct{} { return make(chan struct{}, 1) }
	g := &GroupConsumer{c: c, opts: o, topics: slices.Clone(topics), member: newMemberID(),
		consumer: newConsumer(c, o.Consumer, byGroup),
		coord:    newCoordinator(c, c.links, group), beats: newCoordinator(c, newLinks(c), group),
		turns: token(), committing: token(), beatNow: token(), lookNow: token(), watchNow: token(),
		admitted: make(chan struct{}), left: make(chan struct{}),
		m:      newMembership(time.Now(), o.RebalanceTimeout),
		claims: map[partitionID]*claim{}, gone: map[partitionID]*claim{},
		byPlace: map[place]*claim{}}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Poll returns the next records, as Consumer.Poll does, and carries out what the group wants: hooks are called
// before it returns, and take their time beyond ctx.
func (g *GroupConsumer) Poll(ctx context.Context) ([]Record, error) {
	defer g.enter()()
	for {
		records, err := g.consumer.Poll(ctx)
		if !held(err) {
			return records, g.closedAs(err)
		}
		if err := g.settle(ctx); err != nil {
			return nil, err
		}
	}
}

// Records returns what Poll returns, one by one, as Consumer.Records does. Between two records the hooks may be
// called: a record counts as processed when the loop asks for the next one.
func (g *GroupConsumer) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			run, err := g.take(ctx)
			if err != nil {
				g.steps.Add(1)
				if !yield(Record{}, err) || ctx.Err() != nil || g.over() {
					return
				}
				continue
			}
			if !g.hand(&run, yield) {
				return
			}
		}
	}
}

// hand gives a run of records to the loop. False: the loop has ended.
func (g *GroupConsumer) hand(run *taken, yield func(Record, error) bool) bool {
	c := g.consumer
	for i := range run.records {
		if c.held.Load() { // what is taken is not yet passed
			c.putBack(run, i)
			return true
		}
		if !c.passed(run, i) {
			return true
		}
		g.steps.Add(1)
		if !yield(run.records[i], nil) {
			c.putBack(run, i+1)
			return false
		}
	}
	return true
}

// take returns a run of records, and carries out turns before.
func (g *GroupConsumer) take(ctx context.Context) (taken, error) {
	defer g.enter()()
	for {
		run, err := g.consumer.take(ctx, g.opts.Consumer.MaxPollRecords)
		if !held(err) {
			return run, g.closedAs(err)
		}
		if err := g.settle(ctx); err != nil {
			return taken{}, err
		}
	}
}

// enter tells that the program waits for records, and returns what tells that it does no more.
func (g *GroupConsumer) enter() func() {
	g.inside.Add(1)
	return func() {
		g.steps.Add(1)
		g.inside.Add(-1)
	}
}

func held(err error) bool { return err == error(errHeld) }

// closedAs names the thing that was closed: the program knows of no Consumer.
func (g *GroupConsumer) closedAs(err error) error {
	if errors.Is(err, ErrClosed) {
		return errClosed("group consumer")
	}
	return err
}

// over tells whether there will be no more records.
func (g *GroupConsumer) over() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closing || g.fatal != nil
}

// Close commits what is marked (CommitMarked), calls OnRevoked, and leaves the group; a static member's place is kept
// for the session timeout. A Poll under way returns ErrClosed. ctx bounds the wait for a hook under way, the commit
// and the leave; the error tells what of it is not known to have been done. It may be called more than once.
func (g *GroupConsumer) Close(ctx context.Context) error {
	if g.opts.InstanceID != "" {
		return g.end(ctx, epochLeaveStatic)
	}
	return g.end(ctx, epochLeave)
}

// Leave is Close, and gives a static member's place up, too.
func (g *GroupConsumer) Leave(ctx context.Context) error { return g.end(ctx, epochLeave) }

func (g *GroupConsumer) end(ctx context.Context, farewell int32) error {
	g.once.Do(func() { g.closed = g.goodbye(ctx, farewell) })
	return g.closed
}

func (g *GroupConsumer) goodbye(ctx context.Context, farewell int32) error {
	g.mu.Lock()
	g.closing = true
	g.changed()
	g.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, g.c.opts.RequestTimeout+g.opts.RebalanceTimeout)
	defer cancel()
	err := g.lastTurns(ctx)
	g.mu.Lock()
	interrupt := func() {}
	if g.m.sending { // maybe for news, wherever it is on its way: to leave does not wait for that
		interrupt = g.interrupt
	}
	g.m.leave(time.Now(), farewell, ended, errClosed("group consumer"))
	g.changed()
	g.mu.Unlock()
	interrupt()
	leave, stop := context.WithTimeout(ctx, g.c.opts.RequestTimeout)
	defer stop()
	select {
	case <-g.left:
	case <-leave.Done():
		err = errors.Join(err, timedOut(leave, nowhere(g.c.Address()),
			"leaving the group, whose session with this member ends by itself", OutcomeUnknown))
	}
	g.cancel()
	g.tasks.Wait()
	g.beats.links.close()
	_ = g.consumer.Close(ctx)
	g.c.remove(g)
	return err
}

// lastTurns has the program let go of everything.
func (g *GroupConsumer) lastTurns(ctx context.Context) error {
	select {
	case g.turns <- struct{}{}:
		defer func() { <-g.turns }()
	case <-ctx.Done(): // a hook is still at it: it is told by its context
		return timedOut(ctx, nowhere(""), "waiting for a hook", OutcomeFailed)
	}
	g.mu.Lock()
	lost := announcement{}
	if len(g.m.lost) > 0 {
		lost = g.announce(ctx, g.m.turn())
	}
	all := g.announce(ctx, turn{kind: letGo, parts: g.m.revokeAll(time.Now())})
	g.changed()
	g.mu.Unlock()
	_ = g.carryOut(lost)
	return g.carryOut(all)
}

func errNoOffset(at place, group string) *Error {
	e := newError(wire.CodeInvalidArgument, where{topic: at.topic, partition: at.partition},
		"group %q has committed no offset: Seek to where to begin", group)
	e.Err = ErrNoOffset
	return e
}
