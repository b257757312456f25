package kv

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Rows takes the rows of one commit. It is handed to Item.Rows and is good
// only within that call; what is passed to it is copied, but for the batches of
// PutBatch. A negative number where the layout has none panics. Not safe for
// concurrent use.
type Rows struct {
	batch *pebble.Batch
	key   []byte
	end   []byte
	// pending are rows that are not in the batch yet: they go there in the order
	// of their keys, which is the order that Pebble's memtable takes at the least
	// cost, and each key once, as it was put or deleted last.
	pending []pendingRow
	// mem holds the keys and the small values of pending.
	mem []byte
	// deleted are the ranges that this commit deletes, for Reclaim.
	deleted []keyRange
	err     error
}

// pendingRow is a row that is put, or deleted.
type pendingRow struct {
	key, value []byte
	change     rowChange
}

type rowChange int8

const (
	rowPut rowChange = iota
	rowDelete
)

// keyRange is the keys from start up to, not including, end.
type keyRange struct{ start, end []byte }

// PutBatch puts one record batch of p whose last offset is last. b is not copied
// before the commit is written: it must not change until the item is durable.
func (w *Rows) PutBatch(p Partition, last int64, b []byte) {
	w.key = appendNumbered(w.key[:0], tagBatch, p, last)
	w.pending = append(w.pending, pendingRow{key: w.keep(w.key), value: b})
}

// PutEpoch says that leader epoch epoch of p begins at offset start.
func (w *Rows) PutEpoch(p Partition, epoch int32, start int64) {
	var v [8]byte
	binary.BigEndian.PutUint64(v[:], uint64(start))
	w.put(appendEpochKey(w.key[:0], p, epoch), v[:])
}

// PutMeta puts the state row of p.
func (w *Rows) PutMeta(p Partition, v []byte) { w.put(appendPartition(w.key[:0], tagMeta, p), v) }

// PutProducer puts the row of producer id of p.
func (w *Rows) PutProducer(p Partition, id int64, v []byte) {
	w.put(appendNumbered(w.key[:0], tagProducer, p, id), v)
}

// DeleteProducer deletes the row of producer id of p.
func (w *Rows) DeleteProducer(p Partition, id int64) {
	w.remove(appendNumbered(w.key[:0], tagProducer, p, id))
}

// PutTime puts the time row of p that stands at the batch whose last offset
// is last.
func (w *Rows) PutTime(p Partition, last int64, v []byte) {
	w.put(appendNumbered(w.key[:0], tagTime, p, last), v)
}

// PutNode puts a node of the embedded metadata store.
func (w *Rows) PutNode(path string, v []byte) { w.put(appendNamed(w.key[:0], tagNode, path), v) }

// DeleteNode deletes a node of the embedded metadata store.
func (w *Rows) DeleteNode(path string) { w.remove(appendNamed(w.key[:0], tagNode, path)) }

// DeleteBefore deletes the batches and time rows of p whose last offset is
// below offset.
func (w *Rows) DeleteBefore(p Partition, offset int64) {
	if offset <= 0 {
		return
	}
	for _, tag := range [...]byte{tagBatch, tagTime} {
		w.removeRange(appendPartition(w.key[:0], tag, p), appendNumbered(w.end[:0], tag, p, offset))
	}
}

// DeleteFrom deletes the batches and time rows of p whose last offset is
// offset or above.
func (w *Rows) DeleteFrom(p Partition, offset int64) {
	for _, tag := range [...]byte{tagBatch, tagTime} {
		start := appendNumbered(w.key[:0], tag, p, max(offset, 0))
		w.removeRange(start, append(w.end[:0], prefixEnd(start[:partitionKeySize])...))
	}
}

// DeleteEpoch deletes the row of a leader epoch of p.
func (w *Rows) DeleteEpoch(p Partition, epoch int32) { w.remove(appendEpochKey(w.key[:0], p, epoch)) }

// DeletePartition deletes every row of p.
func (w *Rows) DeletePartition(p Partition) {
	for _, tag := range partitionTags {
		w.removePrefix(appendPartition(w.key[:0], tag, p))
	}
}

// DeleteTopic deletes every row of every partition of a topic.
func (w *Rows) DeleteTopic(id uint64) {
	for _, tag := range partitionTags {
		w.removePrefix(appendTopic(w.key[:0], tag, id))
	}
}

func (w *Rows) put(key, value []byte) {
	w.key = key
	w.pending = append(w.pending, pendingRow{key: w.keep(key), value: w.keep(value)})
}

func (w *Rows) remove(key []byte) {
	w.key = key
	w.pending = append(w.pending, pendingRow{key: w.keep(key), change: rowDelete})
}

// keep copies b into mem.
func (w *Rows) keep(b []byte) []byte {
	from := len(w.mem)
	w.mem = append(w.mem, b...)
	return w.mem[from:len(w.mem):len(w.mem)]
}

// reset makes w ready for the rows of another commit.
func (w *Rows) reset(b *pebble.Batch) {
	clear(w.pending)
	w.batch, w.pending, w.mem, w.deleted, w.err = b, w.pending[:0], w.mem[:0], w.deleted[:0], nil
}

// flush moves what is pending into the batch.
func (w *Rows) flush() {
	slices.SortStableFunc(w.pending, func(a, b pendingRow) int { return bytes.Compare(a.key, b.key) })
	for i := range w.pending {
		r := &w.pending[i]
		if i+1 < len(w.pending) && bytes.Equal(r.key, w.pending[i+1].key) {
			continue // replaced within the commit
		}
		if r.change == rowDelete {
			w.note(w.batch.Delete(r.key, nil))
			continue
		}
		op := w.batch.SetDeferred(len(r.key), len(r.value))
		copy(op.Key, r.key)
		copy(op.Value, r.value)
		w.note(op.Finish())
	}
	clear(w.pending)
	w.pending, w.mem = w.pending[:0], w.mem[:0]
}

func (w *Rows) removePrefix(prefix []byte) {
	w.removeRange(prefix, append(w.end[:0], prefixEnd(prefix)...))
}

// removeRange deletes what was put before it and not what comes after.
func (w *Rows) removeRange(start, end []byte) {
	w.flush()
	w.key, w.end = start, end
	w.note(w.batch.DeleteRange(start, end, nil))
	w.deleted = append(w.deleted, keyRange{start: clone(start), end: clone(end)})
}

// note remembers the first error. A batch that cannot be built is a failed
// commit.
func (w *Rows) note(err error) {
	if w.err == nil {
		w.err = err
	}
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }
