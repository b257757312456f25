package group

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/metadata"
)

// TestBookModel holds a book, written to a store and read again, to a map: what came last counts, whatever its offset.
func TestBookModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook(9)
		model := make(map[Partition]Offset)
		store := make(map[string][]byte)
		for range rapid.IntRange(1, 12).Draw(t, "folds") {
			f := NewFold()
			next := maps.Clone(model)
			for range rapid.IntRange(0, 12).Draw(t, "commits") {
				at := Partition{rapid.Uint64Range(1, 3).Draw(t, "topic"), rapid.Int32Range(250, 260).Draw(t, "index")}
				switch rapid.IntRange(0, 9).Draw(t, "kind") {
				case 0:
					f.Delete(at)
					delete(next, at)
				case 1:
					f.DeleteTopic(b, at.Topic)
					maps.DeleteFunc(next, func(p Partition, _ Offset) bool { return p.Topic == at.Topic })
				default:
					o := Offset{
						rapid.Int64Range(0, 1<<60).Draw(t, "offset"), rapid.Int32Range(-1, 5).Draw(t, "epoch"),
						rapid.StringN(-1, -1, 40).Draw(t, "metadata"), rapid.Int64Range(0, 1<<40).Draw(t, "time"),
					}
					if err := f.Commit(at, o); err != nil {
						t.Fatal(err)
					}
					next[at] = o
				}
			}
			list := b.Changes(f)
			if diff := cmp.Diff(model, maps.Collect(b.All())); diff != "" {
				t.Fatalf("the book changed before the fold was durable: %s", diff)
			}
			if rapid.Bool().Draw(t, "refused") {
				continue
			}
			for _, c := range list {
				if _, there := store[c.Suffix]; c.Data == nil && !there {
					t.Fatalf("%q is deleted and was not there", c.Suffix)
				}
				store[c.Suffix] = c.Data
				if c.Data == nil {
					delete(store, c.Suffix)
				}
			}
			b.Apply(f)
			model = next
		}
		again := NewBook(9)
		for suffix, data := range store {
			if err := again.Load(suffix, data); err != nil {
				t.Fatal(err)
			}
		}
		for _, book := range []*Book{b, again} {
			if diff := cmp.Diff(model, maps.Collect(book.All())); diff != "" || book.Len() != len(model) {
				t.Fatalf("the book is not what was committed: %s", diff)
			}
		}
	})
}

// TestCommitLimits: what a fold does not take, and that the largest block of offsets fits a node.
func TestCommitLimits(t *testing.T) {
	f := NewFold()
	longest := strings.Repeat("x", MaxOffsetMetadataBytes)
	for what, bad := range map[string]Offset{
		"a negative offset": {Offset: -1}, "leader epoch -2": {LeaderEpoch: -2},
		"long metadata": {Metadata: longest + "x"}, "no UTF-8": {Metadata: "\xff"},
	} {
		if err := f.Commit(Partition{1, 0}, bad); !errors.Is(err, ErrInvalidOffset) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := f.Commit(Partition{1, -1}, Offset{}); !errors.Is(err, ErrInvalidOffset) || f.Len() != 0 {
		t.Errorf("partition -1: %v, %d in the fold", err, f.Len())
	}
	const far = 1<<63 - 1
	for i := range int32(2 * blockPartitions) {
		if err := f.Commit(Partition{far, i}, Offset{far, 1<<31 - 1, longest, far}); err != nil {
			t.Fatal(err)
		}
	}
	list := NewBook(far).Changes(f)
	if len(list) != 2 || len(list[0].Data) > metadata.MaxNodeBytes-splitReserveBytes {
		t.Errorf("%d nodes, the first of %d bytes", len(list), len(list[0].Data))
	}
	if runs := Split("g", list); len(runs) != 2 {
		t.Errorf("%d bytes in %d multis", 2*len(list[0].Data), len(runs))
	}
}

func TestExpired(t *testing.T) {
	b, f := NewBook(1), NewFold()
	now := time.UnixMilli(100_000)
	for i, ms := range []int64{99_000, 89_999, 90_000, 1} {
		if err := f.Commit(Partition{1, int32(i)}, Offset{Time: ms}); err != nil {
			t.Fatal(err)
		}
	}
	b.Apply(f)
	want := []Partition{{1, 1}, {1, 3}}
	if diff := cmp.Diff(want, b.Expired(now, 10*time.Second)); diff != "" {
		t.Error(diff)
	}
	if got := b.Expired(now, 0); got != nil {
		t.Errorf("expiry is off, and %v expired", got)
	}
}

// TestLoadRefuses: blocks of other groups, of other partitions, of newer formats.
func TestLoadRefuses(t *testing.T) {
	good := encodeOffsets(map[int32]Offset{3: {Offset: 5}})
	newer := append([]byte(nil), good...)
	newer[1] = formatVersion + 1
	for _, tc := range []struct {
		suffix string
		data   []byte
		want   error
	}{
		{"1/offsets/1-0", good, nil},
		{"2/offsets/1-0", good, ErrCorrupt},
		{"1/offsets/1-1", good, ErrCorrupt},
		{"1/offsets/01-0", good, ErrCorrupt},
		{"1/offsets/1--1", good, ErrCorrupt},
		{"1/offsets/1-0", newer, ErrNewerFormat},
		{"1/offsets/1-0", good[:len(good)-1], ErrCorrupt},
		{"1/offsets/1-0", append(good[:len(good):len(good)], 0), ErrCorrupt},
	} {
		if err := NewBook(1).Load(tc.suffix, tc.data); !errors.Is(err, tc.want) {
			t.Errorf("%s %x: %v, want %v", tc.suffix, tc.data, err, tc.want)
		}
	}
}
