package local

import "github.com/skidway/skidway/metadata"

// watched is what of a node is watched.
type watched int8

const (
	onNode     watched = iota // its data, and whether it is there
	onChildren                // which children it has
)

// watch is a thing that can be watched.
type watch struct {
	path string
	of   watched
}

// watches holds who is to be told when something changes, once. Not safe for concurrent use.
type watches map[watch]map[*metadata.Changes]struct{}

// add registers changes, unless they are nil.
func (w watches) add(on watch, changes *metadata.Changes) {
	if changes == nil {
		return
	}
	if w[on] == nil {
		w[on] = make(map[*metadata.Changes]struct{})
	}
	w[on][changes] = struct{}{}
}

// fire tells of what the operations changed.
func (w watches) fire(ops []metadata.Op) {
	for _, op := range ops {
		if op.Kind == metadata.OpCheck {
			continue
		}
		w.tell(watch{op.Path, onNode})
		if op.Kind == metadata.OpSet {
			continue
		}
		parent, _ := split(op.Path)
		w.tell(watch{parent, onChildren})
		if op.Kind == metadata.OpDelete {
			w.tell(watch{op.Path, onChildren})
		}
	}
}

// fireAll tells of everything.
func (w watches) fireAll() {
	for on := range w {
		w.tell(on)
	}
}

func (w watches) tell(on watch) {
	for changes := range w[on] {
		changes.Add(on.path)
	}
	delete(w, on)
}
