package broker

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// coordinator runs the consumer groups of this broker. It is the shell around package group: it has the clock, the
// requests and the metadata store, and decides nothing. Safe for concurrent use.
type coordinator struct {
	b    *Broker
	opts group.Options

	topics topicView

	loads singleflight.Group // one load of a group at a time, by its id

	mu     sync.Mutex // guards what follows; nothing but memory is touched under it. Taken after hostedGroup.mu.
	groups map[string]*hostedGroup
	// retired counts the rebalances, by reason, of groups that are no longer loaded, so that sums never go back.
	retired [group.NumReasons]uint64
	due     deadlines
	rearm   chan struct{} // holds a token when due has a new first entry
	moved   chan struct{} // holds a token when groups may have other coordinators
	// stopped says that no write begins any more; writes are those under way.
	stopped bool
	writes  sync.WaitGroup
}

func newCoordinator(b *Broker) *coordinator {
	c := &coordinator{
		b: b, opts: b.cfg.Groups.Options, topics: topicView{b: b, changed: make(chan struct{}, 1)},
		rearm: make(chan struct{}, 1), moved: make(chan struct{}, 1), groups: make(map[string]*hostedGroup),
	}
	c.topics.note()
	return c
}

// beginWrite tells whether a write may begin; the caller ends it with writes.Done. Called with a hostedGroup.mu held.
func (c *coordinator) beginWrite() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return false
	}
	c.writes.Add(1)
	return true
}

// stop lets no write begin any more, and returns when none is under way.
func (c *coordinator) stop() {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	c.writes.Wait()
}

// whenMissing tells what is done about a group that does not exist.
type whenMissing int8

const (
	refuseMissing whenMissing = iota // the answer is E135
	createMissing
)

// enter finds a group, or loads or creates it, and returns it locked. The caller unlocks it with leave.
func (c *coordinator) enter(ctx context.Context, id string, missing whenMissing) (*hostedGroup, error) {
	if err := group.ValidateID(id); err != nil {
		return nil, err
	}
	if err := c.mine(id); err != nil {
		return nil, err
	}
	for range 3 {
		h := c.loaded(id)
		if h == nil {
			var err error
			if h, err = c.load(ctx, id, missing); err != nil {
				return nil, err
			}
		}
		topics := c.topics.now()
		h.mu.Lock()
		if h.lost == nil {
			h.topicsChanged(time.Now(), topics)
			return h, nil
		}
		h.mu.Unlock()
	}
	return nil, wire.Errorf(wire.CodeGroupUnavailable, "group %q is being taken over; try again", id)
}

func (c *coordinator) loaded(id string) *hostedGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.groups[id]
}

// count is the number of groups that are loaded.
func (c *coordinator) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.groups)
}

// all lists the groups that are loaded, in no order.
func (c *coordinator) all() []*hostedGroup {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*hostedGroup, 0, len(c.groups))
	for _, h := range c.groups {
		list = append(list, h)
	}
	return list
}

// storeTimeout bounds one read or write of the metadata store.
const storeTimeout = 10 * time.Second

// load reads a group from the metadata store, or creates it. Concurrent callers share one load, for each raises the
// version of the group's node.
func (c *coordinator) load(ctx context.Context, id string, missing whenMissing) (*hostedGroup, error) {
	for {
		h, shared, err := c.loadOnce(ctx, id, missing)
		if err != nil && shared && missing == createMissing && wireError(err).Code == wire.CodeUnknownGroup {
			continue // it was another one's load, who would not create it
		}
		return h, err
	}
}

func (c *coordinator) loadOnce(
	ctx context.Context, id string, missing whenMissing,
) (_ *hostedGroup, shared bool, _ error) {
	found := c.loads.DoChan(id, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		defer cancel()
		if h := c.loaded(id); h != nil {
			return h, nil
		}
		h, err := c.read(ctx, id)
		if errors.Is(err, metadata.ErrNoNode) && missing == createMissing {
			h, err = c.create(ctx, id)
		}
		if err != nil {
			return nil, c.loadError(id, err)
		}
		c.adopt(h)
		return h, nil
	})
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case r := <-found:
		if r.Err != nil {
			return nil, r.Shared, r.Err
		}
		return r.Val.(*hostedGroup), r.Shared, nil
	}
}

// loadError is what a client is told: nothing was changed that it could rely on.
func (c *coordinator) loadError(id string, err error) error {
	switch {
	case errors.Is(err, metadata.ErrNoNode):
		return wire.Errorf(wire.CodeUnknownGroup, "no group %q", id)
	case errors.Is(err, metadata.ErrLimit):
		return err
	case errors.Is(err, group.ErrCorrupt), errors.Is(err, group.ErrNewerFormat):
		c.b.log.Error("a consumer group cannot be read", "group", id, "error", err)
		return wire.Errorf(wire.CodeDamaged, "group %q: %v", id, err)
	case errors.Is(err, metadata.ErrClosed):
		return wire.Errorf(wire.CodeShuttingDown, "group %q: %v", id, err)
	}
	c.b.log.Warn("a consumer group could not be read; it is tried again when it is asked for", "group", id, "error", err)
	return wire.Errorf(wire.CodeGroupUnavailable, "group %q cannot be read now: %v", id, err)
}

// adopt makes a group one that this broker runs. Only a load does, one at a time for each id.
func (c *coordinator) adopt(h *hostedGroup) {
	h.mu.Lock()
	c.mu.Lock()
	c.groups[h.id] = h
	c.mu.Unlock()
	h.forgetDeleted()
	h.leave()
}

// drop forgets a group that is lost or deleted. Called with h.mu held.
func (c *coordinator) drop(h *hostedGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups[h.id] != h {
		return
	}
	delete(c.groups, h.id)
	for reason, n := range h.rebalances() {
		c.retired[reason] += n
	}
}

// maxGroups bounds the groups of one broker.
const maxGroups = 100_000

// create makes a group that does not exist.
func (c *coordinator) create(ctx context.Context, id string) (*hostedGroup, error) {
	if c.count() >= maxGroups {
		return nil, fmt.Errorf("%w: there are %d groups", metadata.ErrLimit, maxGroups)
	}
	gid, err := metadata.AllocateGroupID(ctx, c.b.meta)
	if err != nil {
		return nil, err
	}
	identity := group.Identity{ID: id, GID: gid, Coordinator: c.identity(), Created: time.UnixMilli(c.b.clock.now())}
	topics := c.topics.now()
	state, err := group.New(identity, c.opts, topics.topics)
	if err != nil {
		return nil, err
	}
	ops := make([]metadata.Op, 0, 5)
	for _, change := range state.Changes() {
		ops = append(ops, metadata.Create(change.Path(id), change.Data))
	}
	for _, dir := range group.Directories(gid) {
		ops = append(ops, metadata.Create(group.Path(id)+"/"+dir, nil))
	}
	if err := c.b.meta.Multi(ctx, ops...); err != nil {
		if errors.Is(err, metadata.ErrNodeExists) {
			return c.read(ctx, id)
		}
		return nil, err
	}
	return newHostedGroup(c, id, topics, state, group.NewBook(gid)), nil
}

// read makes this broker the group's coordinator and reads all of the group.
func (c *coordinator) read(ctx context.Context, id string) (*hostedGroup, error) {
	node, err := c.b.meta.Get(ctx, group.Path(id))
	if err != nil {
		return nil, err
	}
	n, err := group.DecodeNode(node.Data)
	if err != nil {
		return nil, err
	}
	// The version rises even if this broker was the coordinator before: a write of its former life, whose outcome
	// nobody knows, cannot land any more.
	n.Coordinator = c.identity()
	data := n.Encode()
	if err := c.b.meta.Multi(ctx, metadata.Set(node.Path, data, node.Version)); err != nil {
		return nil, err
	}
	topics := c.topics.now() // after the write: not older than the stored target
	stored := group.Stored{ID: id, Node: data}
	if stored.Below, err = c.readBelow(ctx, id, "members", "target"); err != nil {
		return nil, err
	}
	state, err := group.Restore(time.Now(), stored, c.opts, topics.topics)
	if err != nil {
		return nil, err
	}
	offsets, err := c.readBelow(ctx, id, group.OffsetsDirectory(n.GID))
	if err != nil {
		return nil, err
	}
	book := group.NewBook(n.GID)
	for _, change := range offsets {
		if err := book.Load(change.Suffix, change.Data); err != nil {
			return nil, err
		}
	}
	h := newHostedGroup(c, id, topics, state, book)
	h.saved = node.Version + 1
	for _, change := range append(stored.Below, offsets...) {
		h.known[change.Suffix] = true
	}
	return h, h.readClassic(ctx)
}

// readBelow reads all nodes of some directories of a group.
func (c *coordinator) readBelow(ctx context.Context, id string, dirs ...string) (list []group.Change, err error) {
	for _, dir := range dirs {
		names, err := c.b.meta.Children(ctx, group.Path(id)+"/"+dir)
		if err != nil {
			return nil, fmt.Errorf("%w: %s/%s: %w", group.ErrCorrupt, group.Path(id), dir, err)
		}
		for _, name := range names {
			node, err := c.b.meta.Get(ctx, group.Path(id)+"/"+dir+"/"+name)
			if err != nil {
				return nil, err
			}
			list = append(list, group.Change{Suffix: dir + "/" + name, Data: node.Data})
		}
	}
	return list, nil
}

// names lists the ids of all groups that exist, loaded or not.
func (c *coordinator) names(ctx context.Context) ([]string, error) {
	children, err := c.b.meta.Children(ctx, group.Root)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(children))
	for _, child := range children {
		id, err := group.ParsePath(child)
		if err != nil {
			c.b.log.Warn("a node below the groups is none", "node", strings.ToValidUTF8(child, "?"), "error", err)
			continue
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// topicView is what groups see of the topics. It is made anew when somebody looks at it after a change, so that who
// was told that a topic is there, and then joins, is given its partitions at once. Safe for concurrent use.
type topicView struct {
	b       *Broker
	noted   atomic.Uint64 // counts the changes
	changed chan struct{} // holds a token when groups that nobody asks for are to be given a newer view

	mu     sync.Mutex // guards what follows
	made   uint64     // the count that latest was made after
	latest *group.Topics
}

// view is the topics at one moment. Of two views the one with the higher number is the newer.
type view struct {
	topics *group.Topics
	number uint64
}

// note says that topics, or their partitions, are others than before.
func (v *topicView) note() {
	v.noted.Add(1)
	select {
	case v.changed <- struct{}{}:
	default:
	}
}

// now is the view of all changes so far.
func (v *topicView) now() view {
	v.mu.Lock()
	defer v.mu.Unlock()
	noted := v.noted.Load() // before the look: a change meanwhile calls for another
	if v.made != noted {
		all := v.b.topics.all()
		list := make([]group.Topic, len(all))
		for i, t := range all {
			list[i] = group.Topic{Name: t.name, ID: t.id, Partitions: int32(len(t.partitions()))}
		}
		v.latest, v.made = group.NewTopics(list), noted
	}
	return view{v.latest, v.made}
}

// expireEvery is how often offsets that nobody commits any more are looked for.
const expireEvery = time.Minute

// run does what groups need without being asked: it loads all, so that the sessions of members that are gone end, acts
// on deadlines, and gives them new topics.
func (c *coordinator) run(ctx context.Context) {
	c.loadAll(ctx)
	timer, expire := time.NewTimer(time.Hour), time.NewTicker(expireEvery)
	defer timer.Stop()
	defer expire.Stop()
	for {
		timer.Reset(c.tick(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.rearm:
		case <-c.moved:
			c.disown()
			c.loadAll(ctx)
		case <-c.topics.changed:
			topics := c.topics.now()
			for _, h := range c.all() {
				h.mu.Lock()
				h.topicsChanged(time.Now(), topics)
				h.leave()
			}
		case <-expire.C:
			for _, h := range c.all() {
				h.mu.Lock()
				h.expire(time.UnixMilli(c.b.clock.now()))
				h.leave()
			}
		}
	}
}

func (c *coordinator) loadAll(ctx context.Context) {
	ids, err := c.names(ctx)
	if err != nil {
		c.b.log.Warn("the consumer groups could not be listed; each is read when it is asked for", "error", err)
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		if c.mine(id) != nil || c.loaded(id) != nil {
			continue
		}
		_, _ = c.load(ctx, id, refuseMissing) // why not is logged there; who asks for the group is told
	}
}

// tick acts on the groups that are due and returns when the next one is.
func (c *coordinator) tick(now time.Time) time.Duration {
	for {
		c.mu.Lock()
		if len(c.due) == 0 {
			c.mu.Unlock()
			return time.Hour
		}
		if wait := c.due[0].at.Sub(now); wait > 0 {
			c.mu.Unlock()
			return wait
		}
		d := heap.Pop(&c.due).(deadline)
		c.mu.Unlock()
		d.h.mu.Lock()
		if !d.at.Equal(d.h.scheduled) { // an earlier one came before it
			d.h.mu.Unlock()
			continue
		}
		d.h.scheduled = time.Time{}
		if d.h.lost == nil {
			d.h.state.Tick(now)
			d.h.classic.Tick(now)
		}
		d.h.leave()
	}
}

// schedule makes sure that the group is ticked at its deadline. Called with h.mu held.
func (c *coordinator) schedule(h *hostedGroup) {
	at := h.state.Deadline()
	if other := h.classic.Deadline(); at.IsZero() || !other.IsZero() && other.Before(at) {
		at = other
	}
	if at.IsZero() || !h.scheduled.IsZero() && !at.Before(h.scheduled) {
		return
	}
	h.scheduled = at
	c.mu.Lock()
	heap.Push(&c.due, deadline{at, h})
	first := c.due[0].h == h
	c.mu.Unlock()
	if first {
		select {
		case c.rearm <- struct{}{}:
		default:
		}
	}
}

// deadline is a time at which a group is to be ticked. A group may have several: those that are no longer its own do
// no harm.
type deadline struct {
	at time.Time
	h  *hostedGroup
}

// deadlines is a heap of deadlines, the earliest first.
type deadlines []deadline

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d deadlines) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *deadlines) Push(x any)        { *d = append(*d, x.(deadline)) }
func (d *deadlines) Pop() any {
	old := *d
	last := old[len(old)-1]
	old[len(old)-1] = deadline{}
	*d = old[:len(old)-1]
	return last
}
