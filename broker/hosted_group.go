package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// hostedGroup is one group that this broker runs. Requests change it in memory, at once and in their order; one write
// at a time brings the changes of all of them to the metadata store, and what arrives meanwhile rides on the next. An
// answer is sent when the changes up to it are durable.
//
// If a write is refused, another broker is the coordinator; if its outcome is unknown, only the store knows. In both
// cases the hostedGroup is lost: nothing of it was promised to anybody, and the next request reads the group anew.
type hostedGroup struct {
	c  *coordinator
	id string

	mu    sync.Mutex // guards what follows. No I/O and no waiting under it.
	state *group.Group
	// classic is the group as Kafka's classic protocol has it. Invariant: state has no members, or classic is vacant.
	classic *group.Classic
	seen    view            // that the state was given last. Invariant: its number only rises
	book    *group.Book     // what is durable
	lost    error           // why the group is to be read anew; nil: it is not. Never reset.
	saved   int32           // version of the group's node. Of the writer while flying is set.
	known   map[string]bool // the nodes below the group's that are there, by suffix. Of the writer while flying is set.

	next   *groupWrite // gathers what the next write carries; nil: nothing
	flying *groupWrite // being written; nil: nothing is

	held    map[string]*holding           // of members whose answer is held back
	waiting map[group.Ticket]*classicWait // joins and syncs
	tickets group.Ticket                  // the last one given out

	// recheck says that a topic went while commits for it may have been on their way to the book.
	recheck   bool
	scheduled time.Time // when the coordinator's loop looks at it next; zero: it does not
}

// groupWrite is one write, and what waits for it.
type groupWrite struct {
	fold *group.Fold
	done chan struct{} // closed when the outcome is known
	err  error         // the outcome; to be read after done
	// check says that somebody wants to know that this broker is the coordinator, even if nothing is to be written.
	check bool
}

func newHostedGroup(c *coordinator, id string, seen view, state *group.Group, book *group.Book) *hostedGroup {
	return &hostedGroup{c: c, id: id, seen: seen, state: state, classic: group.NewClassic(id, c.opts), book: book,
		known: make(map[string]bool), held: make(map[string]*holding), waiting: make(map[group.Ticket]*classicWait)}
}

// leave ends a look at the group, during which it may have changed: members that there are news for are woken, what
// changed is written, the next deadline is noted, and mu is unlocked.
func (h *hostedGroup) leave() {
	defer h.mu.Unlock()
	if h.lost != nil {
		return
	}
	h.wakeMembers()
	h.answerWaiting()
	h.c.schedule(h)
	if h.flying != nil || h.next == nil && !h.dirty() {
		return
	}
	if !h.c.beginWrite() {
		h.lose(wire.Errorf(wire.CodeShuttingDown, "the broker is stopping"))
		return
	}
	h.flying, h.next = h.gathered(), nil
	go h.write()
}

// wakeMembers answers the members for whom there are news. Called with mu held.
func (h *hostedGroup) wakeMembers() {
	for _, member := range h.state.Woken() {
		if hold := h.held[member]; hold != nil {
			close(hold.over)
			delete(h.held, member)
		}
	}
}

// gathered is the write that the changes from now on ride on. Called with mu held.
func (h *hostedGroup) gathered() *groupWrite {
	if h.next == nil {
		h.next = &groupWrite{fold: group.NewFold(), done: make(chan struct{})}
	}
	return h.next
}

// dirty tells whether the group differs from what the last write took. Called with mu held.
func (h *hostedGroup) dirty() bool { return h.state.Dirty() || h.classic.Dirty() }

// size is the number of members, of whichever kind. Called with mu held.
func (h *hostedGroup) size() int { return h.state.Size() + h.classic.Size() }

// doing is the state of the group, of whichever kind it is. Called with mu held.
func (h *hostedGroup) doing() group.State {
	if !h.classic.Vacant() {
		return h.classic.State()
	}
	return h.state.State()
}

// settled is the write after which all changes so far are durable; nil: they are. Called with mu held.
func (h *hostedGroup) settled() *groupWrite {
	if h.dirty() {
		return h.gathered()
	}
	if h.next != nil {
		return h.next
	}
	return h.flying
}

// write brings what changed to the store, and begins the next write if more has changed meanwhile.
func (h *hostedGroup) write() {
	defer h.c.writes.Done()
	h.mu.Lock()
	w := h.flying
	m := h.multis(w)
	h.mu.Unlock()
	err := h.put(m)
	h.mu.Lock()
	h.flying = nil
	w.err = err
	close(w.done)
	if err != nil && h.lost == nil {
		h.lose(err)
	}
	if h.lost != nil { // maybe while it was written: then this was its last word
		h.mu.Unlock()
		return
	}
	h.book.Apply(w.fold)
	h.saved = m.version
	if h.recheck && !m.last {
		h.recheck = h.next != nil
		h.forgetDeleted()
	}
	if m.last {
		h.lose(wire.Errorf(wire.CodeUnknownGroup, "group %q was deleted", h.id))
	}
	h.leave()
}

// lose ends the group: who waits for it is told, and the next request reads it anew. Who waits for a write that is
// under way is told by its own outcome: the store may have taken it. Called with mu held.
func (h *hostedGroup) lose(err error) {
	h.lost = err
	if w := h.next; w != nil {
		w.err = err
		close(w.done)
		h.next = nil
	}
	for _, hold := range h.held {
		close(hold.over)
	}
	clear(h.held)
	for _, w := range h.waiting {
		w.answer.Err = err
		close(w.over)
	}
	clear(h.waiting)
	h.c.drop(h)
}

// multis are the requests to the metadata store that one write is.
type multis struct {
	runs    [][]metadata.Op
	version int32 // of the group's node after them
	last    bool  // they delete the group
}

// multis makes the requests of the changes so far. Each is guarded by the version of the group's node, so that a
// deposed coordinator can write nothing. Called with mu held.
func (h *hostedGroup) multis(w *groupWrite) multis {
	m := multis{version: h.saved}
	m.last = h.state.State() == group.Dead
	if m.last { // all that was committed goes with it, also what was being written when it was deleted
		w.fold = group.NewFold()
		for at := range h.book.All() {
			w.fold.Delete(at)
		}
	}
	list := h.state.Changes()
	offsets := h.book.Changes(w.fold)
	if m.last { // the parents go last
		list = slices.Concat(offsets, h.classic.Deletions(), list)
	} else {
		list = slices.Concat(list, h.classic.Changes(), offsets)
	}
	for _, run := range group.Split(h.id, list) {
		ops := make([]metadata.Op, 0, len(run)+1)
		guarded := false
		for _, change := range run {
			if change.Suffix == "" {
				guarded = true
			}
		}
		if !guarded {
			ops = append(ops, metadata.Check(group.Path(h.id), m.version))
		}
		for _, change := range run {
			ops = append(ops, h.op(change, &m.version))
		}
		m.runs = append(m.runs, ops)
	}
	if len(m.runs) == 0 && w.check {
		m.runs = append(m.runs, h.check())
	}
	return m
}

// op is one change as an operation on the store. The nodes below the group's need no version of their own: the
// group's guards them.
func (h *hostedGroup) op(change group.Change, version *int32) metadata.Op {
	path := change.Path(h.id)
	switch {
	case change.Suffix == "" && change.Data == nil:
		return metadata.Delete(path, *version)
	case change.Suffix == "":
		*version++
		return metadata.Set(path, change.Data, *version-1)
	case change.Data == nil:
		delete(h.known, change.Suffix)
		return metadata.Delete(path, metadata.AnyVersion)
	case h.known[change.Suffix]:
		return metadata.Set(path, change.Data, metadata.AnyVersion)
	}
	h.known[change.Suffix] = true
	return metadata.Create(path, change.Data)
}

// put carries the requests out, in order. The error is one that a client can be told.
func (h *hostedGroup) put(m multis) error {
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	for i, ops := range m.runs {
		err := h.c.b.meta.Multi(ctx, ops...)
		if err == nil {
			continue
		}
		h.c.b.log.Warn("writing a consumer group failed; it is read anew", "group", h.id, "error", err)
		switch {
		case errors.Is(err, metadata.ErrUnknown) || i > 0:
			return wire.Errorf(wire.CodeTimedOut, "group %q: whether this was written is unknown: %v", h.id, err)
		case errors.Is(err, metadata.ErrClosed):
			return wire.Errorf(wire.CodeShuttingDown, "group %q: %v", h.id, err)
		case errors.Is(err, metadata.ErrBadVersion), errors.Is(err, metadata.ErrNoNode),
			errors.Is(err, metadata.ErrNodeExists):
			return wire.Errorf(wire.CodeNotCoordinator, "group %q has another coordinator: %v", h.id, err)
		}
		return wire.Errorf(wire.CodeGroupUnavailable, "group %q cannot be written now: %v", h.id, err)
	}
	return nil
}

// await waits for a write; nil: there is nothing to wait for.
func await(ctx context.Context, w *groupWrite) error {
	if w == nil {
		return nil
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return fmt.Errorf("whether it was written is unknown: %w", context.DeadlineExceeded)
	}
}

// topicsChanged gives the group a newer view; an older one, which its caller took before it came to the lock, is passed
// over: a topic that it does not know yet is not one that was deleted. Called with mu held.
func (h *hostedGroup) topicsChanged(now time.Time, v view) {
	if h.lost != nil || v.number <= h.seen.number {
		return
	}
	h.seen = v
	h.state.TopicsChanged(now, v.topics)
	h.recheck = h.recheck || h.flying != nil || h.next != nil
	h.forgetDeleted()
}

// forgetDeleted forgets what was committed for topics that are gone: a topic's offsets go with it. It asks for them
// where commit does, for the view may not know a topic yet. Called with mu held.
func (h *hostedGroup) forgetDeleted() {
	gone := make(map[uint64]bool)
	for at := range h.book.All() {
		if h.c.gone(at.Topic) {
			gone[at.Topic] = true
		}
	}
	for id := range gone {
		h.gathered().fold.DeleteTopic(h.book, id)
	}
}

// expire forgets offsets that are older than the retention of offsets, while the group has no members. It waits for
// another time if a write is under way: there may be newer commits in it. Called with mu held.
func (h *hostedGroup) expire(now time.Time) {
	retention := h.c.b.cfg.Groups.OffsetRetention
	if h.lost != nil || retention == 0 || h.size() > 0 || h.flying != nil || h.next != nil {
		return
	}
	for _, at := range h.book.Expired(now, retention) {
		h.gathered().fold.Delete(at)
	}
}

// holding is an answer that is held back.
type holding struct {
	over     chan struct{} // closed when there are news, or another request of the member takes its place
	replaced bool          // the latter; to be read after over
}

// hold registers a member whose answer is held back. Called with mu held.
func (h *hostedGroup) hold(member string) *holding {
	if former := h.held[member]; former != nil {
		// Of a connection that is gone, or of a member that breaks the rule of one request at a time: it is answered,
		// for if it were held back again, the two would take turns for ever.
		former.replaced = true
		close(former.over)
	}
	mine := &holding{over: make(chan struct{})}
	h.held[member] = mine
	return mine
}

// letGo forgets a member whose answer is not held back any more.
func (h *hostedGroup) letGo(member string, mine *holding) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[member] == mine {
		delete(h.held, member)
	}
}
