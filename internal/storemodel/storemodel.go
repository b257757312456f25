// Package storemodel says what a metadata store does, as simply as it can be said: a map of nodes that is copied for
// each multi, and what is watched as a set. Tests hold the stores to it, on disk and in ZooKeeper. It may import
// metadata.
package storemodel

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/skidway/skidway/metadata"
)

// Tree is all nodes by path, but for the root, which is always there. It is never changed once it is made.
type Tree map[string]metadata.Node

// Multi returns the tree after the operations, run in the session. If one cannot be applied it returns t, its index
// and the metadata error that says why.
func (t Tree) Multi(session int64, ops []metadata.Op) (next Tree, index int, err error) {
	next = maps.Clone(t)
	if next == nil {
		next = make(Tree)
	}
	for i, op := range ops {
		if err := next.apply(session, op); err != nil {
			return t, i, err
		}
	}
	return next, 0, nil
}

// apply carries one operation out.
func (t Tree) apply(session int64, op metadata.Op) error {
	n, exists := t[op.Path]
	if op.Kind.Creates() {
		up, parentExists := t[Parent(op.Path)]
		switch {
		case Parent(op.Path) != "/" && !parentExists:
			return metadata.ErrNoNode
		case exists:
			return metadata.ErrNodeExists
		case up.Session != 0:
			return metadata.ErrNoChildrenForEphemerals
		}
		if op.Kind == metadata.OpCreate {
			session = 0
		}
		t[op.Path] = metadata.Node{Path: op.Path, Data: bytes.Clone(op.Data), Session: session}
		return nil
	}
	switch {
	case !exists:
		return metadata.ErrNoNode
	case op.Version != metadata.AnyVersion && op.Version != n.Version:
		return metadata.ErrBadVersion
	case op.Kind == metadata.OpSet:
		n.Data, n.Version = bytes.Clone(op.Data), n.Version+1
		t[op.Path] = n
	case op.Kind == metadata.OpDelete && len(t.Children(op.Path)) > 0:
		return metadata.ErrNotEmpty
	case op.Kind == metadata.OpDelete:
		delete(t, op.Path)
	}
	return nil
}

// End returns the tree after the end of the session, and the operations that this amounts to.
func (t Tree) End(session int64) (next Tree, ops []metadata.Op) {
	for path, n := range t {
		if n.Session == session {
			ops = append(ops, metadata.Delete(path, metadata.AnyVersion))
		}
	}
	next, _, err := t.Multi(0, ops)
	if err != nil {
		panic(err) // an ephemeral node has no children
	}
	return next, ops
}

// Children returns the names of the node's children, sorted.
func (t Tree) Children(path string) []string {
	var names []string
	for p := range t {
		if Parent(p) == path {
			names = append(names, p[strings.LastIndexByte(p, '/')+1:])
		}
	}
	slices.Sort(names)
	return names
}

// Parent returns the path of the node's parent.
func Parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

// Watched is what is watched, each until it is told.
type Watched struct{ nodes, children map[string]bool }

// NewWatched returns a Watched of nothing.
func NewWatched() *Watched {
	return &Watched{nodes: make(map[string]bool), children: make(map[string]bool)}
}

// Watch takes that the node at path, or that it is absent, was read with Watch.
func (w *Watched) Watch(path string) { w.nodes[path] = true }

// WatchChildren takes that the children of the node, which is there or not, were read with WatchChildren.
func (w *Watched) WatchChildren(path string, exists bool) {
	if exists {
		w.children[path] = true
	} else {
		w.nodes[path] = true
	}
}

// Told returns the paths that are told when the operations have been applied, sorted.
func (w *Watched) Told(ops []metadata.Op) []string {
	told := make(map[string]bool)
	tell := func(watched map[string]bool, path string) {
		if watched[path] {
			told[path] = true
			delete(watched, path)
		}
	}
	for _, op := range ops {
		if op.Kind != metadata.OpCheck {
			tell(w.nodes, op.Path)
		}
		if op.Kind == metadata.OpDelete {
			tell(w.children, op.Path)
		}
		if op.Kind == metadata.OpDelete || op.Kind.Creates() {
			tell(w.children, Parent(op.Path))
		}
	}
	return slices.Sorted(maps.Keys(told))
}
