package group

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// MaxOffsetMetadataBytes bounds the text that is committed with an offset, so that a block of offsets stays far
// below what a node may hold.
const MaxOffsetMetadataBytes = 512

// Offset is what was committed for one partition.
type Offset struct {
	Offset      int64  // of the next record to be consumed; at least 0
	LeaderEpoch int32  // of the last record consumed; -1: not known
	Metadata    string // the consumer's own; at most MaxOffsetMetadataBytes of UTF-8
	Time        int64  // of the commit, ms since 1970
}

// Book holds the committed offsets of one group, as they are durable.
//
// Commits are gathered in a Fold while the one before is being written. A fold is
// written as the Book's Changes for it, and when that is durable Apply makes it what
// Get returns. If the write is refused, the fold is dropped; if its outcome is unknown,
// the Book is made anew of what is stored. Only one fold is under way at a time.
type Book struct {
	gid    uint64
	blocks map[block]map[int32]Offset
}

// NewBook makes the empty book of the group of that gid.
func NewBook(gid uint64) *Book { return &Book{gid: gid, blocks: make(map[block]map[int32]Offset)} }

// Fold gathers commits: for each partition the one that came last counts, whatever its offset.
type Fold struct {
	blocks map[block]map[int32]*Offset // nil: the partition's offset is deleted
	count  int
}

// NewFold makes an empty fold.
func NewFold() *Fold { return &Fold{blocks: make(map[block]map[int32]*Offset)} }

// Commit adds a commit. The error wraps ErrInvalidOffset; the commit is then not in the fold.
func (f *Fold) Commit(at Partition, o Offset) error {
	bad := func(why string) error {
		return fmt.Errorf("partition %d of topic id %d: %w: %s", at.Index, at.Topic, ErrInvalidOffset, why)
	}
	switch {
	case at.Index < 0 || at.Index/blockPartitions >= maxBlocks:
		return bad("there is no such partition")
	case o.Offset < 0:
		return bad(fmt.Sprintf("offset %d is negative", o.Offset))
	case o.LeaderEpoch < -1:
		return bad(fmt.Sprintf("leader epoch %d", o.LeaderEpoch))
	case len(o.Metadata) > MaxOffsetMetadataBytes || strings.ToValidUTF8(o.Metadata, "") != o.Metadata:
		return bad(fmt.Sprintf("its metadata must be at most %d bytes of UTF-8", MaxOffsetMetadataBytes))
	}
	f.put(at, &o)
	return nil
}

// Delete adds the deletion of a partition's offset.
func (f *Fold) Delete(at Partition) { f.put(at, nil) }

// DeleteTopic adds the deletion of all offsets of a topic: those in the book, and those in this fold.
func (f *Fold) DeleteTopic(b *Book, topic uint64) {
	for blk, parts := range f.blocks {
		if blk.topic == topic {
			for index := range parts {
				f.Delete(Partition{topic, index})
			}
		}
	}
	for at := range b.All() {
		if at.Topic == topic {
			f.Delete(at)
		}
	}
}

func (f *Fold) put(at Partition, o *Offset) {
	b := blockOf(at)
	if f.blocks[b] == nil {
		f.blocks[b] = make(map[int32]*Offset)
	}
	before := len(f.blocks[b])
	f.blocks[b][at.Index] = o
	f.count += len(f.blocks[b]) - before
}

// Len is the number of partitions in the fold.
func (f *Fold) Len() int { return f.count }

// Get returns the offset committed for the partition.
func (b *Book) Get(at Partition) (Offset, bool) {
	o, found := b.blocks[blockOf(at)][at.Index]
	return o, found
}

// All yields the offsets, sorted by topic id and index.
func (b *Book) All() iter.Seq2[Partition, Offset] {
	return func(yield func(Partition, Offset) bool) {
		for _, blk := range slices.SortedFunc(maps.Keys(b.blocks), block.compare) {
			for _, index := range slices.Sorted(maps.Keys(b.blocks[blk])) {
				if !yield(Partition{blk.topic, index}, b.blocks[blk][index]) {
					return
				}
			}
		}
	}
}

// Len is the number of partitions with an offset.
func (b *Book) Len() (n int) {
	for _, parts := range b.blocks {
		n += len(parts)
	}
	return n
}

// Changes returns the nodes that the fold changes, each with all of its block's offsets; one without any is
// deleted.. The book stays as it is.
func (b *Book) Changes(f *Fold) (list []Change) {
	for _, blk := range slices.SortedFunc(maps.Keys(f.blocks), block.compare) {
		merged := merge(b.blocks[blk], f.blocks[blk])
		switch {
		case len(merged) > 0:
			list = append(list, Change{offsetsSuffix(b.gid, blk), encodeOffsets(merged)})
		case len(b.blocks[blk]) > 0:
			list = append(list, Change{offsetsSuffix(b.gid, blk), nil})
		}
	}
	return list
}

// Apply makes the fold, whose Changes are durable, part of the book.
func (b *Book) Apply(f *Fold) {
	for blk, parts := range f.blocks {
		merged := merge(b.blocks[blk], parts)
		if len(merged) == 0 {
			delete(b.blocks, blk)
			continue
		}
		b.blocks[blk] = merged
	}
}

// merge returns a new map: the block with the fold's part of it.
func merge(stored map[int32]Offset, fold map[int32]*Offset) map[int32]Offset {
	merged := maps.Clone(stored)
	if merged == nil {
		merged = make(map[int32]Offset, len(fold))
	}
	for index, o := range fold {
		if o == nil {
			delete(merged, index)
		} else {
			merged[index] = *o
		}
	}
	return merged
}

// Expired returns the partitions whose offset was committed longer than retention before now, sorted; none if
// retention is 0. The caller deletes them with a fold, and only while the group is empty.
func (b *Book) Expired(now time.Time, retention time.Duration) (list []Partition) {
	if retention <= 0 {
		return nil
	}
	for at, o := range b.All() {
		if now.Sub(time.UnixMilli(o.Time)) > retention {
			list = append(list, at)
		}
	}
	return list
}

// Load takes over one stored block; suffix is the node's, as in Change. The error wraps ErrCorrupt or
// ErrNewerFormat.
func (b *Book) Load(suffix string, data []byte) error {
	blk, ok := parseOffsets(b.gid, suffix)
	if !ok {
		return fmt.Errorf("%w: %q is no block of offsets of gid %d", ErrCorrupt, clip(suffix), b.gid)
	}
	parts, err := decodeOffsets(blk, data)
	if err != nil {
		return fmt.Errorf("%s: %w", suffix, err)
	}
	delete(b.blocks, blk)
	if len(parts) > 0 {
		b.blocks[blk] = parts
	}
	return nil
}

// encodeOffsets returns the data of a block of offsets, partitions in order.
func encodeOffsets(parts map[int32]Offset) []byte {
	e := newEncoder(2)
	e.mapLen(len(parts))
	for _, index := range slices.Sorted(maps.Keys(parts)) {
		o := parts[index]
		e.int(int64(index))
		e.array(4)
		e.int(o.Offset)
		e.int(int64(o.LeaderEpoch))
		e.text(o.Metadata)
		e.int(o.Time)
	}
	return e.buf.Bytes()
}

func decodeOffsets(b block, data []byte) (map[int32]Offset, error) {
	d, more := newDecoder(data, 2)
	n := d.Map(blockPartitions)
	parts := make(map[int32]Offset, n)
	first := int64(b.index) * blockPartitions
	for range n {
		index := int32(d.Int(first, first+blockPartitions-1))
		d.ArrayOf(4)
		o := Offset{Offset: d.Int(0, math.MaxInt64), LeaderEpoch: d.int32(-1)}
		o.Metadata = d.Text(MaxOffsetMetadataBytes)
		o.Time = d.Int(math.MinInt64, math.MaxInt64)
		if _, twice := parts[index]; twice {
			d.Fail(fmt.Errorf("partition %d twice", index))
		}
		if d.Err() != nil {
			break
		}
		parts[index] = o
	}
	if _, err := d.tail(more); err != nil {
		return nil, fmt.Errorf("offsets of a group: %w", err)
	}
	return parts, nil
}
