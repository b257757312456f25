package sim

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/skidway/skidway/replication"
)

// image is what a store holds of one partition.
type image struct {
	promised int32
	start    int64
	data     int64
	history  replication.History
	batches  []replication.Batch
	before   map[uint32]sent // by producer, what batches below data did; never changed
	void     bool
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
	if n == 0 && to < im.start { // empty at its start, and without what would say that it shares records up to there
		im.data, im.history = im.start, nil
	}
	im.start = min(im.start, im.end())
	im.history.Truncate(im.end())
}

// retain lets the log begin at start, or where it ends, and removes the batches below.
func (im *image) retain(start int64) {
	im.start = max(im.start, min(start, im.end()))
	n := 0
	for n < len(im.batches) && im.batches[n].End <= im.start {
		n++
	}
	if n == 0 {
		return
	}
	im.before = newView(im.before, im.batches[:n]).last
	im.data = im.batches[n-1].End
	im.batches = slices.Clone(im.batches[n:])
}

// raiseStart is an item by which retention raises a log's start.
type raiseStart struct{ start int64 }

// markVoid is an item that says that a log is damaged.
type markVoid struct{}

// item is one entry of a store's committer, and of its write-ahead log.
type item struct {
	part       int
	generation uint64
	effect     any // a replication.Effect, a raiseStart or a markVoid
	raises     bool

	// Of one that raises the generation: the log once it is done, certain when it is queued.
	end     int64
	history replication.History

	came arrival // what is to be released when it is durable
}

// late tells whether an item is left out where the log has that generation: of appends only.
func (it item) late(generation uint64) bool {
	_, isAppend := it.effect.(replication.Append)
	return isAppend && it.generation != generation
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

// enqueue queues an item. One that raises the generation finds out at once how the log will stand: what is queued and
// not applied of an older one is dropped.
func (d *disk) enqueue(it item) {
	if it.raises {
		d.generation[it.part] = it.generation
		im := d.applied[it.part].clone()
		for _, before := range d.queue {
			if before.part == it.part && !before.late(it.generation) {
				apply(&im, before.effect)
			}
		}
		apply(&im, it.effect)
		it.end, it.history = im.end(), im.history
	}
	d.queue = append(d.queue, it)
}

// commit applies what is queued, but for appends of an older generation.
func (d *disk) commit() (done, dropped []item) {
	for _, it := range d.queue {
		if it.late(d.generation[it.part]) && d.bug != GenerationIgnored {
			dropped = append(dropped, it)
			continue
		}
		apply(&d.applied[it.part], it.effect)
		d.unsynced = append(d.unsynced, it)
		done = append(done, it)
	}
	d.queue = d.queue[:0]
	return done, dropped
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
	apply(im, it.effect)
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

func apply(im *image, e any) {
	switch e := e.(type) {
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
	case replication.Erase:
		*im = image{promised: replication.NoEpoch}
	case replication.Reset:
		*im = image{
			promised: im.promised, data: e.DataStart, start: e.LogStart, history: slices.Clone(e.History),
			before: producersOf(e.Producers),
		}
	case raiseStart:
		im.retain(e.start)
	case markVoid:
		im.void = true
	}
}

// producersOf reads what an OutOfRange says of producers, and rowsOf writes it.
func producersOf(rows []replication.Producer) map[uint32]sent {
	out := make(map[uint32]sent, len(rows))
	for _, r := range rows {
		out[uint32(r.ID)] = sent{binary.BigEndian.Uint32(r.State), int64(binary.BigEndian.Uint64(r.State[4:]))}
	}
	return out
}

func rowsOf(producers map[uint32]sent) (rows []replication.Producer) {
	for _, id := range slices.Sorted(maps.Keys(producers)) {
		s := producers[id]
		state := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, s.seq), uint64(s.end))
		rows = append(rows, replication.Producer{ID: int64(id), State: state})
	}
	return rows
}

// value is what one batch says: a producer, its sequence number, and which attempt at it this is.
type value struct {
	producer, seq, try uint32
}

func (v value) bytes() []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 12), v.producer)
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, v.seq), v.try)
}

func valueOf(b replication.Batch) value {
	return value{
		binary.BigEndian.Uint32(b.Bytes), binary.BigEndian.Uint32(b.Bytes[4:]), binary.BigEndian.Uint32(b.Bytes[8:]),
	}
}
