package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// enter admits a caller to the database, or says why not. The caller leaves
// by gate.leave.
func (s *Store) enter() error {
	if err := s.dying(); err != nil {
		return err
	}
	if !s.gate.enter() {
		return ErrClosed
	}
	return nil
}

// Batches yields the batches of p, ascending, from the first one whose last
// offset is from or above, until yield answers false. It sees what was applied
// before the call, durable or not. b is only good within yield.
func (s *Store) Batches(p Partition, from int64, yield func(last int64, b []byte) bool) error {
	return s.numbered(tagBatch, p, from, yield)
}

// FirstBatch calls f with the first batch of p, and answers whether there is
// one.
func (s *Store) FirstBatch(p Partition, f func(last int64, b []byte)) (ok bool, err error) {
	err = s.Batches(p, 0, func(last int64, b []byte) bool {
		ok = true
		f(last, b)
		return false
	})
	return ok, err
}

// LastBatch answers the last offset of p's last batch, and whether there is
// one. It does not read the batch.
func (s *Store) LastBatch(p Partition) (last int64, ok bool, err error) {
	prefix := appendPartition(nil, tagBatch, p)
	err = s.view(keyRange{prefix, prefixEnd(prefix)}, func(it *pebble.Iterator) error {
		if ok = it.Last(); ok {
			last, err = numberOf(it.Key())
		}
		return err
	})
	return last, ok && err == nil, err
}

// Meta calls f with the state row of p, and answers whether there is one.
func (s *Store) Meta(p Partition, f func(v []byte)) (ok bool, err error) {
	return s.get(appendPartition(nil, tagMeta, p), f)
}

// Producer calls f with the row of producer id of p, and answers whether
// there is one.
func (s *Store) Producer(p Partition, id int64, f func(v []byte)) (ok bool, err error) {
	return s.get(appendNumbered(nil, tagProducer, p, id), f)
}

// Producers yields the producer rows of p, ascending by id, until yield
// answers false.
func (s *Store) Producers(p Partition, yield func(id int64, v []byte) bool) error {
	return s.numbered(tagProducer, p, 0, yield)
}

// Epochs yields the leader epochs of p, ascending, with the offset at which
// each begins, until yield answers false.
func (s *Store) Epochs(p Partition, yield func(epoch int32, start int64) bool) error {
	prefix := appendPartition(nil, tagEpoch, p)
	return s.scan(keyRange{prefix, prefixEnd(prefix)}, func(k, v []byte) (bool, error) {
		epoch, err := numberOf(k)
		if err == nil && len(v) != 8 {
			err = fmt.Errorf("%w: %s has %d bytes, not 8", ErrCorrupt, describeKey(k), len(v))
		}
		if err != nil {
			return false, err
		}
		return yield(int32(epoch), int64(binary.BigEndian.Uint64(v))), nil
	})
}

// TimeRows yields the time rows of p, ascending, from the first one that
// stands at from or above, until yield answers false.
func (s *Store) TimeRows(p Partition, from int64, yield func(last int64, v []byte) bool) error {
	return s.numbered(tagTime, p, from, yield)
}

// TimeBefore calls f with the newest time row of p that stands below last,
// and answers whether there is one.
func (s *Store) TimeBefore(p Partition, last int64, f func(last int64, v []byte)) (ok bool, err error) {
	if last <= 0 {
		return false, nil
	}
	r := keyRange{appendPartition(nil, tagTime, p), appendNumbered(nil, tagTime, p, last)}
	err = s.view(r, func(it *pebble.Iterator) error {
		if !it.Last() {
			return nil
		}
		at, err := numberOf(it.Key())
		if err != nil {
			return err
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return s.readError(describeKey(it.Key()), err)
		}
		ok = true
		f(at, v)
		return nil
	})
	return ok, err
}

// Node calls f with one node of the embedded metadata store, and answers
// whether there is one.
func (s *Store) Node(path string, f func(v []byte)) (ok bool, err error) {
	return s.get(appendNamed(nil, tagNode, path), f)
}

// Nodes yields the nodes whose path begins with prefix, ascending by bytes,
// until yield answers false.
func (s *Store) Nodes(prefix string, yield func(path string, v []byte) bool) error {
	start := appendNamed(nil, tagNode, prefix)
	return s.scan(keyRange{start, prefixEnd(start)}, func(k, v []byte) (bool, error) {
		return yield(string(k[1:]), v), nil
	})
}

// numbered yields the rows of p under a tag whose key ends in a number.
func (s *Store) numbered(tag byte, p Partition, from int64, yield func(n int64, v []byte) bool) error {
	end := prefixEnd(appendPartition(nil, tag, p))
	r := keyRange{appendNumbered(nil, tag, p, max(from, 0)), end}
	return s.scan(r, func(k, v []byte) (bool, error) {
		n, err := numberOf(k)
		if err != nil {
			return false, err
		}
		return yield(n, v), nil
	})
}

// scan calls row for each row of r, in order, until it answers false.
func (s *Store) scan(r keyRange, row func(k, v []byte) (more bool, err error)) error {
	return s.view(r, func(it *pebble.Iterator) error {
		for ok := it.First(); ok; ok = it.Next() {
			v, err := it.ValueAndErr()
			if err != nil {
				return s.readError(describeKey(it.Key()), err)
			}
			if more, err := row(it.Key(), v); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// view runs read on an iterator over r. A new iterator a call is right: one
// that stays open pins files.
func (s *Store) view(r keyRange, read func(*pebble.Iterator) error) (err error) {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: r.start, UpperBound: r.end})
	if err != nil {
		return s.readError("rows from "+describeKey(r.start), err)
	}
	defer func() {
		// At a blob file whose end is damaged Pebble panics, without a lock
		// held, where it means to report the damage.
		if p := recover(); p != nil {
			if text, ok := p.(string); !ok || !strings.HasPrefix(text, "unknown metadata type") {
				panic(p)
			}
			err = s.readError(what(it, r), fmt.Errorf("%w: a blob file cannot be opened", pebble.ErrCorruption))
		}
		if cerr := it.Close(); cerr != nil && err == nil {
			err = s.readError("rows from "+describeKey(r.start), cerr)
		}
	}()
	return read(it)
}

// what names where an iterator stands.
func what(it *pebble.Iterator, r keyRange) string {
	if it.Valid() {
		return describeKey(it.Key())
	}
	return "rows from " + describeKey(r.start)
}

func (s *Store) get(key []byte, f func(v []byte)) (bool, error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.gate.leave()
	v, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, s.readError(describeKey(key), err)
	}
	f(v)
	return true, closer.Close()
}

// readError gives an error of Pebble its class, says what was read, and
// reports damage: Pebble reports that of tables only.
func (s *Store) readError(what string, err error) error {
	if pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: reading the %s: %w", ErrCorrupt, what, err)
		s.observer.corrupt(err)
		return err
	}
	return fmt.Errorf("kv: reading the %s: %w", what, err)
}

// numberOf is the number at the end of a key that stands among keys of its
// tag. Another shape means that the store was written by something else.
func numberOf(key []byte) (int64, error) {
	pk, err := parseKey(key)
	if err != nil {
		return 0, fmt.Errorf("%w: %w: %x", ErrCorrupt, err, key)
	}
	return pk.number, nil
}
