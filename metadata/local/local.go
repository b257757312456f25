package local

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
)

// Store is a metadata.Store on a kv store, and its only session. Its methods are safe for concurrent use.
type Store struct {
	kv *kv.Store

	// mu guards what follows. Multis are applied to the tree and enqueued under it, so
	// that the order of the two is the same. No I/O and no waiting under it.
	mu   sync.Mutex
	tree *tree
	// last is the newest commit; commits end in order, so when it is durable all of
	// the tree is. Nil: nothing was written yet.
	last *kv.Commit
	// dead is why the store takes nothing any more; nil: it does. Never reset.
	dead error
	// over is closed when dead is set.
	over    chan struct{}
	watches watches
}

// New reads all nodes of the kv store, which stays its caller's to close. The error
// wraps metadata.ErrCorrupt if a row cannot be read or its parent is missing, and
// metadata.ErrNewerFormat if a newer version wrote it.
func New(store *kv.Store) (*Store, error) {
	t := newTree()
	var rowErr error
	err := store.Nodes(root, func(path string, row []byte) bool {
		rowErr = loadRow(t, path, row)
		return rowErr == nil
	})
	if err == nil {
		err = rowErr
	}
	if err != nil {
		return nil, fmt.Errorf("load metadata: %w", err)
	}
	t.keep()
	return &Store{kv: store, tree: t, over: make(chan struct{}), watches: make(watches)}, nil
}

// loadRow puts one row into the tree; parents come before their children.
func loadRow(t *tree, path string, row []byte) error {
	if err := metadata.CheckPath(path); err != nil {
		return fmt.Errorf("%w: %w", metadata.ErrCorrupt, err)
	}
	version, data, err := decodeRow(row)
	if err != nil {
		return fmt.Errorf("node %q: %w", path, err)
	}
	if err := t.create(path, node{data: bytes.Clone(data), version: version}); err != nil {
		return fmt.Errorf("node %q: %w: %w", path, metadata.ErrCorrupt, err)
	}
	return nil
}

// Get returns the node at path, or an error that wraps metadata.ErrNoNode.
func (s *Store) Get(ctx context.Context, path string) (metadata.Node, error) {
	return s.get(ctx, path, nil)
}

// get returns the node; changes, if there are, get to know when it is another.
func (s *Store) get(ctx context.Context, path string, changes *metadata.Changes) (metadata.Node, error) {
	var found metadata.Node
	err := s.read(ctx, path, func(n *node) {
		s.watches.add(watch{path, onNode}, changes)
		if n != nil {
			found = metadata.Node{Path: path, Data: bytes.Clone(n.data), Version: n.version, Session: n.session}
		}
	})
	return found, err
}

// Children returns the names of the node's children, sorted, or an error that wraps metadata.ErrNoNode.
func (s *Store) Children(ctx context.Context, path string) ([]string, error) {
	return s.list(ctx, path, nil)
}

func (s *Store) list(ctx context.Context, path string, changes *metadata.Changes) ([]string, error) {
	var names []string
	err := s.read(ctx, path, func(n *node) {
		if n == nil {
			s.watches.add(watch{path, onNode}, changes) // it may come
			return
		}
		s.watches.add(watch{path, onChildren}, changes)
		names = slices.Clone(n.children)
	})
	return names, err
}

// read shows the node, nil if there is none, to look, under the mutex, and returns when
// all that it saw is durable.
func (s *Store) read(ctx context.Context, path string, look func(*node)) error {
	if path != root {
		if err := metadata.CheckPath(path); err != nil {
			return err
		}
	}
	s.mu.Lock()
	last, err := s.last, s.aliveLocked()
	if err == nil {
		n := s.tree.nodes[path]
		look(n)
		if n == nil {
			err = fmt.Errorf("%q: %w", path, metadata.ErrNoNode)
		}
	}
	s.mu.Unlock()
	if durableErr := s.awaitSeen(ctx, last); durableErr != nil {
		return durableErr
	}
	return err
}

// Multi applies the operations, as metadata.Store says. It returns an error that
// wraps metadata.ErrUnknown, and ctx's, if ctx ends before the write is durable: the
// write goes on. It reads the operations' data only until it returns.
func (s *Store) Multi(ctx context.Context, ops ...metadata.Op) error {
	if err := metadata.CheckOps(ops); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("nothing was written: %w", err)
	}
	seen, mine, err := s.submit(ops)
	if mine == nil {
		if durableErr := s.awaitSeen(ctx, seen); durableErr != nil {
			return durableErr
		}
		return err
	}
	select {
	case <-mine.Done():
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", metadata.ErrUnknown, ctx.Err())
	}
	if err := mine.Err(); err != nil {
		s.die(err)
		return fmt.Errorf("%w: %w", metadata.ErrUnknown, err)
	}
	return nil
}

// submit applies the operations to the tree and enqueues their rows. Mine is nil if
// there is nothing to write; the answer err is then good once seen is durable.
func (s *Store) submit(ops []metadata.Op) (seen, mine *kv.Commit, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.aliveLocked(); err != nil {
		return nil, nil, err
	}
	if err := s.tree.apply(ops); err != nil {
		return s.last, nil, err
	}
	s.tree.keep()
	s.watches.fire(ops)
	it := s.itemLocked(ops)
	if len(it.rows) == 0 {
		return s.last, nil, nil
	}
	s.last = s.kv.Enqueue(it)
	return nil, s.last, nil
}

// itemLocked makes the rows of the nodes that the operations changed, as they now are.
func (s *Store) itemLocked(ops []metadata.Op) *item {
	it := &item{rows: make([]row, 0, len(ops))}
	written := make(map[string]bool, len(ops))
	for _, op := range ops {
		if op.Kind == metadata.OpCheck || written[op.Path] {
			continue
		}
		written[op.Path] = true
		r := row{path: op.Path}
		// An ephemeral node has no row: after a crash it is gone, as it must be.
		if n := s.tree.nodes[op.Path]; n != nil && n.session == 0 {
			r.value = encodeRow(n.version, n.data)
		}
		it.rows = append(it.rows, r)
		it.size += len(r.path) + len(r.value)
	}
	return it
}

// awaitSeen returns nil once the commit is durable. Its errors say that nothing was changed.
func (s *Store) awaitSeen(ctx context.Context, c *kv.Commit) error {
	if c == nil {
		return nil
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		return fmt.Errorf("nothing was changed: %w", ctx.Err())
	}
	if err := c.Err(); err != nil {
		return s.die(err)
	}
	return nil
}

// die makes the store dead, if it is not, and returns what all requests are answered with.
func (s *Store) die(cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dieLocked(cause)
}

func (s *Store) dieLocked(cause error) error {
	if s.dead == nil {
		s.dead = fmt.Errorf("%w: an earlier write failed: %w", metadata.ErrClosed, cause)
		close(s.over)
		s.watches.fireAll()
	}
	return s.dead
}

// aliveLocked returns why the store is dead. It looks at the newest commit too, which
// nobody may have waited for.
func (s *Store) aliveLocked() error {
	if s.dead != nil || s.last == nil {
		return s.dead
	}
	select {
	case <-s.last.Done():
		if err := s.last.Err(); err != nil {
			return s.dieLocked(err)
		}
	default:
	}
	return nil
}

// item is one multi on its way to the disk.
type item struct {
	rows []row
	size int
}

// row is a node as it is to be stored; a nil value removes it.
type row struct {
	path  string
	value []byte
}

// Rows puts the rows of the multi.
func (it *item) Rows(w *kv.Rows) {
	for _, r := range it.rows {
		if r.value == nil {
			w.DeleteNode(r.path)
		} else {
			w.PutNode(r.path, r.value)
		}
	}
}

// Size is the size of all rows.
func (it *item) Size() int { return it.size }

// Durable has nothing to do: who waits, waits for the commit.
func (it *item) Durable() {}

// Format of a row's value, stored:
//
//	format:1 (= 1)   version:4, big endian   data
const (
	rowFormat = 1
	rowHeader = 5
)

func encodeRow(version int32, data []byte) []byte {
	b := make([]byte, rowHeader, rowHeader+len(data))
	b[0] = rowFormat
	binary.BigEndian.PutUint32(b[1:], uint32(version))
	return append(b, data...)
}

// decodeRow returns data as a part of b.
func decodeRow(b []byte) (version int32, data []byte, err error) {
	if len(b) > 0 && b[0] > rowFormat {
		return 0, nil, fmt.Errorf("%w: row of format %d, this version reads %d", metadata.ErrNewerFormat, b[0], rowFormat)
	}
	if len(b) < rowHeader || b[0] == 0 {
		return 0, nil, fmt.Errorf("%w: row of %d bytes without a head", metadata.ErrCorrupt, len(b))
	}
	version = int32(binary.BigEndian.Uint32(b[1:]))
	if version < 0 {
		return 0, nil, fmt.Errorf("%w: row of version %d", metadata.ErrCorrupt, version)
	}
	return version, b[rowHeader:], nil
}
