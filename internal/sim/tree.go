package sim

import "github.com/skidway/skidway/metadata"

// tree is a small model of the metadata store: versioned nodes, sessions whose nodes
// go with them, and multis that apply whole or not at all.
type tree struct {
	nodes map[string]*treeNode
	// moved is told of each path that changed.
	moved func(path string)
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

// multi returns the index of the first operation that cannot be applied, or -1.
func (t *tree) multi(ops ...treeOp) int {
	for i, op := range ops {
		n, ok := t.nodes[op.path]
		if op.kind == metadata.OpCreate && ok || op.kind != metadata.OpCreate && (!ok || n.version != op.version) {
			return i
		}
	}
	for _, op := range ops {
		switch op.kind {
		case metadata.OpCreate:
			t.nodes[op.path] = &treeNode{value: op.value, session: op.session}
		case metadata.OpSet:
			t.nodes[op.path].value = op.value
			t.nodes[op.path].version++
		case metadata.OpDelete:
			delete(t.nodes, op.path)
		default:
			continue
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
