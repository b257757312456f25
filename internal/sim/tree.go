package sim

import (
	"time"

	"github.com/skidway/skidway/metadata"
)

// tree is a small model of the metadata store: versioned nodes, sessions whose nodes
// go with them, and multis that apply whole or not at all.
type tree struct {
	nodes map[string]*treeNode
	past  map[string][]pastNode
	now   func() time.Duration
	// moved is told of each path that changed.
	moved func(path string)
}

// pastNode is what a path held from a time on.
type pastNode struct {
	at   time.Duration
	node treeNode
}

// asOf gives what a server that is behind holds of a path.
func (t *tree) asOf(path string, at time.Duration) (any, int32, bool) {
	list := t.past[path]
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].at <= at {
			return list[i].node.value, list[i].node.version, true
		}
	}
	return nil, 0, false
}

func newTree(now func() time.Duration, moved func(path string)) *tree {
	return &tree{nodes: make(map[string]*treeNode), past: make(map[string][]pastNode), now: now, moved: moved}
}

type treeNode struct {
	value   any
	version int32
	session int64 // whose end removes the node; 0: none
}

// treeOp is one operation of a multi.
type treeOp struct {
	kind    metadata.OpKind
	path    string
	value   any
	version int32
	session int64
}

func (t *tree) get(path string) (any, int32, bool) {
	n, ok := t.nodes[path]
	if !ok {
		return nil, 0, false
	}
	return n.value, n.version, true
}

// multi applies the operations, each on what the ones before it leave, or none. It returns
// the index of the first that cannot be applied, or -1.
func (t *tree) multi(ops ...treeOp) int {
	next := make(map[string]*treeNode, len(ops)) // nil: deleted
	for i, op := range ops {
		n, ok := next[op.path]
		if !ok {
			n = t.nodes[op.path]
		}
		switch {
		case op.kind == metadata.OpCreate && n != nil, op.kind != metadata.OpCreate && (n == nil || n.version != op.version):
			return i
		case op.kind == metadata.OpCreate:
			next[op.path] = &treeNode{value: op.value, session: op.session}
		case op.kind == metadata.OpSet:
			next[op.path] = &treeNode{value: op.value, version: n.version + 1, session: n.session}
		case op.kind == metadata.OpDelete:
			next[op.path] = nil
		}
	}
	for _, op := range ops {
		n, changed := next[op.path]
		if !changed {
			continue
		}
		delete(next, op.path)
		if n == nil {
			delete(t.nodes, op.path)
		} else {
			t.nodes[op.path] = n
			t.past[op.path] = append(t.past[op.path], pastNode{t.now(), *n})
		}
		t.moved(op.path)
	}
	return -1
}

// expire ends a session.
func (t *tree) expire(session int64, paths []string) {
	for _, path := range paths {
		if n, ok := t.nodes[path]; ok && n.session == session {
			delete(t.nodes, path)
			t.moved(path)
		}
	}
}
