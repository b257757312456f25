package kv

import (
	"bytes"
	"context"
	"fmt"
	"sync"
)

// reclaimer remembers what was deleted since the last Reclaim, as one range a
// tag: what lies between two deleted ranges is compacted with them, which
// costs little, because compactions move keys and leave values where they are.
type reclaimer struct {
	mu sync.Mutex
	// pending is, by tag, the smallest range that holds all deleted ones.
	pending map[byte]keyRange
	// running lets one Reclaim work at a time.
	running sync.Mutex
}

func newReclaimer() *reclaimer { return &reclaimer{pending: map[byte]keyRange{}} }

// add remembers ranges that were deleted. The ranges' bytes are kept.
func (r *reclaimer) add(deleted []keyRange) {
	if len(deleted) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range deleted {
		r.addLocked(d)
	}
}

func (r *reclaimer) addLocked(d keyRange) {
	tag := d.start[0]
	have, ok := r.pending[tag]
	if !ok {
		r.pending[tag] = d
		return
	}
	if bytes.Compare(d.start, have.start) < 0 {
		have.start = d.start
	}
	if bytes.Compare(d.end, have.end) > 0 {
		have.end = d.end
	}
	r.pending[tag] = have
}

// take hands out what is pending, in key order.
func (r *reclaimer) take() []keyRange {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []keyRange
	for _, tag := range partitionTags {
		if d, ok := r.pending[tag]; ok {
			out = append(out, d)
		}
	}
	clear(r.pending)
	return out
}

// Reclaim gives the space of what was deleted since the last call back to the
// disk: deleting alone does not. It writes out the memtable, which may hold
// younger rows, and compacts the deleted ranges: the keys, not the values of
// what is kept. Without anything to do it does no I/O. On an error, ctx's too,
// what was not done is left for the next call. Ranges deleted before a restart
// are not known after it; later compactions reach them.
func (s *Store) Reclaim(ctx context.Context) error {
	s.reclaimer.running.Lock()
	defer s.reclaimer.running.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	todo := s.reclaimer.take()
	if len(todo) == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	if err := s.db.Flush(); err != nil {
		s.reclaimer.add(todo)
		return fmt.Errorf("kv: reclaiming space: %w", err)
	}
	for i, r := range todo {
		if err := s.db.Compact(ctx, r.start, r.end, false); err != nil {
			s.reclaimer.add(todo[i:])
			return fmt.Errorf("kv: reclaiming space: %w", err)
		}
	}
	return nil
}
