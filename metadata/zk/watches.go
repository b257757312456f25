package zk

import (
	"sync"

	zookeeper "github.com/go-zookeeper/zk"

	"github.com/skidway/skidway/metadata"
)

// watched is what of a node is watched.
type watched int8

const (
	onNode     watched = iota // its data, and whether it is there
	onChildren                // which children it has
)

// watch is a thing that can be watched; the path is the caller's, below the chroot.
type watch struct {
	path string
	of   watched
}

// watches holds who is to be told when something changes. It hears of events from the
// library's callback, which tells all, before the answers to later requests; the
// library's own channels are not listened to.
//
// Invariant: from the moment a watch is registered until it is told, either the server
// has a watch set, or a request that sets one is under way or has failed, which its
// caller then knows, or an event for it is about to come. So who is registered before
// its request is sent misses nothing. Safe for concurrent use.
type watches struct {
	mu      sync.Mutex
	entries map[watch]*entry
}

// entry is what is known of a watch since the last event for it.
type entry struct {
	set     bool // the server has it: another request need not set it again
	changes map[*metadata.Changes]struct{}
}

func newWatches() *watches { return &watches{entries: make(map[watch]*entry)} }

// add registers changes. Set says whether the server has the watch already.
func (w *watches) add(on watch, changes *metadata.Changes) (e *entry, set bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e = w.entries[on]
	if e == nil {
		e = &entry{changes: make(map[*metadata.Changes]struct{})}
		w.entries[on] = e
	}
	e.changes[changes] = struct{}{}
	return e, e.set
}

// wasSet takes the success of a request that set the watch. If an event has come since
// the entry was made, it is one that nobody finds any more, as it must be: the event may
// have been the watch's.
func (w *watches) wasSet(e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e.set = true
}

// remove takes a registration back.
func (w *watches) remove(on watch, changes *metadata.Changes) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.entries[on]
	if e == nil {
		return
	}
	delete(e.changes, changes)
	if len(e.changes) == 0 && !e.set {
		delete(w.entries, on)
	}
}

// event tells those whom it concerns.
func (w *watches) event(kind zookeeper.EventType, path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch kind {
	case zookeeper.EventNodeCreated, zookeeper.EventNodeDataChanged:
		w.tell(watch{path, onNode})
	case zookeeper.EventNodeChildrenChanged:
		w.tell(watch{path, onChildren})
	case zookeeper.EventNodeDeleted:
		w.tell(watch{path, onNode})
		w.tell(watch{path, onChildren})
	}
}

// all tells everybody.
func (w *watches) all() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for on := range w.entries {
		w.tell(on)
	}
}

func (w *watches) tell(on watch) {
	e := w.entries[on]
	if e == nil {
		return
	}
	delete(w.entries, on)
	for changes := range e.changes {
		changes.Add(on.path)
	}
}
