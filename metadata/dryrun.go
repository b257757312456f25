package metadata

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// DryRun returns a view of s whose Multi applies nothing, and answers whether s would
// have applied it now. Operations run on it report what they would do ("validate
// only"); the ids in their results are not given out.
func DryRun(s Store) Store { return dryRun{s} }

type dryRun struct{ Store }

// Multi evaluates each operation against what the store holds and those before it.
func (d dryRun) Multi(ctx context.Context, ops ...Op) error {
	if err := CheckOps(ops); err != nil {
		return err
	}
	o := overlay{store: d.Store, nodes: make(map[string]*Node)}
	for i, op := range ops {
		refused, err := o.apply(ctx, op)
		if err != nil {
			return fmt.Errorf("dry run: %w", err)
		}
		if refused != nil {
			return &MultiError{Index: i, Op: op, Err: refused}
		}
	}
	return nil
}

// overlay is a store as the operations so far would leave it.
type overlay struct {
	store Store
	nodes map[string]*Node // those changed; nil: absent
}

// apply returns why the operation is refused, or why that cannot be told.
func (o overlay) apply(ctx context.Context, op Op) (refused, err error) {
	n, err := o.get(ctx, op.Path)
	if err != nil {
		return nil, err
	}
	if op.Kind.Creates() {
		parent, err := o.get(ctx, op.Path[:strings.LastIndexByte(op.Path, '/')])
		switch {
		case err != nil:
			return nil, err
		case parent == nil:
			return ErrNoNode, nil
		case n != nil:
			return ErrNodeExists, nil
		case parent.Session != 0:
			return ErrNoChildrenForEphemerals, nil
		}
		made := &Node{Path: op.Path}
		if op.Kind == OpCreateEphemeral {
			made.Session = anySession
		}
		o.nodes[op.Path] = made
		return nil, nil
	}
	switch {
	case n == nil:
		return ErrNoNode, nil
	case op.Version != AnyVersion && op.Version != n.Version:
		return ErrBadVersion, nil
	case op.Kind == OpSet:
		o.nodes[op.Path] = &Node{Path: op.Path, Version: n.Version + 1, Session: n.Session}
	case op.Kind == OpDelete:
		has, err := o.hasChildren(ctx, op.Path)
		if err != nil {
			return nil, err
		}
		if has {
			return ErrNotEmpty, nil
		}
		o.nodes[op.Path] = nil
	}
	return nil, nil
}

// anySession stands for the session that would have made an ephemeral node.
const anySession = -1

// get returns nil for an absent node; the root, as "", is there.
func (o overlay) get(ctx context.Context, path string) (*Node, error) {
	if path == "" {
		return &Node{}, nil
	}
	if n, changed := o.nodes[path]; changed {
		return n, nil
	}
	n, err := o.store.Get(ctx, path)
	if errors.Is(err, ErrNoNode) {
		return nil, nil
	}
	return &n, err
}

func (o overlay) hasChildren(ctx context.Context, path string) (bool, error) {
	names, err := o.store.Children(ctx, path)
	if err != nil && !errors.Is(err, ErrNoNode) {
		return false, err
	}
	gone := func(name string) bool {
		n, changed := o.nodes[path+"/"+name]
		return changed && n == nil
	}
	if len(slices.DeleteFunc(names, gone)) > 0 {
		return true, nil
	}
	for p, n := range o.nodes {
		if n != nil && strings.HasPrefix(p, path+"/") {
			return true, nil
		}
	}
	return false, nil
}
