package sim

import (
	"encoding/binary"
	"slices"

	"github.com/skidway/skidway/replication"
)

// image is what a store holds of one partition.
type image struct {
	promised int32
	void     bool // damaged, and marked so
	start    int64
	data     int64
	history  replication.History
	batches  []replication.Batch
}

func (im *image) end() int64 {
	if n := len(im.batches); n > 0 {
		return im.batches[n-1].End
	}
	return im.data
}

func (im *image) clone() image {
	c := *im
	c.history, c.batches = slices.Clone(im.history), slices.Clone(im.batches)
	return c
}

func (im *image) truncate(to int64) {
	n := len(im.batches)
	for n > 0 && im.batches[n-1].End > to {
		n--
	}
	im.batches = slices.Clip(im.batches[:n])
	im.history.Truncate(im.end())
}

// item is one entry of a store's committer, and of its write-ahead log.
type item struct {
	part       int
	generation uint64
	effect     replication.Effect
	raises     bool
	void       bool // marks the log as damaged; no effect
}

// disk is one store: a queue, and one log over all partitions, of which a prefix is synced.
type disk struct {
	generation []uint64 // raised when an item is queued
	queue      []item
	applied    []image
	synced     []image
	unsynced   []item // applied, in order
	bug        Bug
}

func newDisk(parts int, bug Bug) *disk {
	d := &disk{generation: make([]uint64, parts), bug: bug}
	for range parts {
		d.applied = append(d.applied, image{promised: replication.NoEpoch})
		d.synced = append(d.synced, image{promised: replication.NoEpoch})
	}
	return d
}

func (d *disk) enqueue(it item) {
	if it.raises {
		d.generation[it.part] = it.generation
	}
	d.queue = append(d.queue, it)
}

// commit applies what is queued, but for appends of an older generation.
func (d *disk) commit() (done []item) {
	for _, it := range d.queue {
		if !it.raises && !it.void && it.generation != d.generation[it.part] {
			continue
		}
		apply(&d.applied[it.part], it)
		d.unsynced = append(d.unsynced, it)
		done = append(done, it)
	}
	d.queue = d.queue[:0]
	return done
}

// sync makes the first n applied items durable.
func (d *disk) sync(n int) []item {
	done := slices.Clone(d.unsynced[:n])
	for _, it := range done {
		d.persist(it)
	}
	d.unsynced = slices.Clone(d.unsynced[n:])
	return done
}

func (d *disk) persist(it item) {
	im := &d.synced[it.part]
	promised := im.promised
	apply(im, it)
	if d.bug == M5PromiseNotPersisted {
		im.promised = promised
	}
}

// crash loses all but a prefix of what was not synced.
func (d *disk) crash(keep int) {
	d.sync(keep)
	d.unsynced, d.queue = nil, nil
	for i := range d.synced {
		d.applied[i] = d.synced[i].clone()
		d.generation[i] = 0
	}
}

func apply(im *image, it item) {
	im.void = im.void || it.void
	switch e := it.effect.(type) {
	case replication.Promise:
		im.promised = max(im.promised, e.Epoch)
		if e.Lead {
			im.history.Add(e.Epoch, im.end())
		}
	case replication.Append:
		for _, b := range e.Batches {
			im.history.Add(b.Epoch, b.Base)
			im.batches = append(im.batches, b)
		}
	case replication.Truncate:
		im.truncate(e.To)
	case replication.Remove:
		*im = image{promised: im.promised}
	case replication.Reset:
		im.void = false
		im.data, im.start, im.batches, im.history = e.DataStart, e.LogStart, nil, slices.Clone(e.History)
	}
}

// value is what one batch says: a producer and its sequence number.
type value struct {
	producer, seq uint32
}

func (v value) bytes() []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, v.producer), v.seq)
}

func valueOf(b replication.Batch) value {
	return value{binary.BigEndian.Uint32(b.Bytes), binary.BigEndian.Uint32(b.Bytes[4:])}
}
