package local

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/skidway/skidway/metadata"
)

// node is one node of the tree.
type node struct {
	data     []byte // never changed in place
	version  int32
	session  int64    // as in metadata.Node
	children []string // last parts of their paths, sorted; none if session is not 0
}

// tree holds all nodes by path. Invariant: the root is there, and each other node's
// parent is there and lists it. Not safe for concurrent use.
type tree struct {
	nodes map[string]*node
	// undo holds what reverts the operations applied since the last keep or revert.
	undo []func()
}

const root = "/"

func newTree() *tree { return &tree{nodes: map[string]*node{root: {}}} }

// split returns the path of the node's parent and the last part of its own.
func split(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '/')
	if i == 0 {
		return root, path[1:]
	}
	return path[:i], path[i+1:]
}

// apply runs the operations in order. If one cannot be applied it returns which and
// why, and the tree is as before; else the caller calls keep or revert.
func (t *tree) apply(ops []metadata.Op) error {
	for i, op := range ops {
		if err := t.applyOne(op); err != nil {
			t.revert()
			return &metadata.MultiError{Index: i, Op: op, Err: err}
		}
	}
	return nil
}

// keep makes what was applied final.
func (t *tree) keep() { clear(t.undo); t.undo = t.undo[:0] }

// revert takes back what was applied, last first.
func (t *tree) revert() {
	for _, f := range slices.Backward(t.undo) {
		f()
	}
	t.keep()
}

func (t *tree) applyOne(op metadata.Op) error {
	n := t.nodes[op.Path]
	switch op.Kind {
	case metadata.OpCreate:
		return t.create(op.Path, node{data: bytes.Clone(op.Data)})
	case metadata.OpCreateEphemeral:
		return t.create(op.Path, node{data: bytes.Clone(op.Data), session: sessionID})
	}
	if n == nil {
		return metadata.ErrNoNode
	}
	if op.Version != metadata.AnyVersion && op.Version != n.version {
		return fmt.Errorf("%w: %d, not %d", metadata.ErrBadVersion, n.version, op.Version)
	}
	switch op.Kind {
	case metadata.OpCheck:
	case metadata.OpSet:
		before := *n
		t.undo = append(t.undo, func() { n.data, n.version = before.data, before.version })
		n.data, n.version = bytes.Clone(op.Data), nextVersion(n.version)
	case metadata.OpDelete:
		if len(n.children) > 0 {
			return metadata.ErrNotEmpty
		}
		t.unlink(op.Path)
		t.undo = append(t.undo, func() { t.link(op.Path, n) })
	default:
		panic(fmt.Sprintf("local: operation of kind %s was not refused", op.Kind))
	}
	return nil
}

func (t *tree) create(path string, n node) error {
	parent, _ := split(path)
	if t.nodes[parent] == nil {
		return fmt.Errorf("parent %q: %w", parent, metadata.ErrNoNode)
	}
	if t.nodes[path] != nil {
		return metadata.ErrNodeExists
	}
	if t.nodes[parent].session != 0 {
		return fmt.Errorf("parent %q: %w", parent, metadata.ErrNoChildrenForEphemerals)
	}
	t.link(path, &n)
	t.undo = append(t.undo, func() { t.unlink(path) })
	return nil
}

// link puts the node into the tree; its parent is there.
func (t *tree) link(path string, n *node) {
	parent, name := split(path)
	p := t.nodes[parent]
	i, found := slices.BinarySearch(p.children, name)
	if found {
		panic(fmt.Sprintf("local: node %q is listed before it is there", path))
	}
	p.children = slices.Insert(p.children, i, name)
	t.nodes[path] = n
}

// unlink takes the childless node out of the tree.
func (t *tree) unlink(path string) {
	parent, name := split(path)
	p := t.nodes[parent]
	i, found := slices.BinarySearch(p.children, name)
	if !found {
		panic(fmt.Sprintf("local: node %q is not listed by its parent", path))
	}
	p.children = slices.Delete(p.children, i, i+1)
	delete(t.nodes, path)
}

// nextVersion follows v and is never AnyVersion: after the largest it starts again at 0.
func nextVersion(v int32) int32 {
	if v == 1<<31-1 {
		return 0
	}
	return v + 1
}
