package partitionlog

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// The bytes of the rows are on disks: testdata/rows.golden changes only with a version.
func TestRowBytes(t *testing.T) {
	var text strings.Builder
	show := func(name string, v []byte) { fmt.Fprintf(&text, "%s %s\n", name, hex.EncodeToString(v)) }
	show("m standalone", metaRow{start: 258, startBytes: 3, oldest: 4, promised: NoEpoch, dataStart: 257}.append(nil))
	show("m replica", metaRow{
		start: 258, startBytes: 3, oldest: 4, promised: 5, dataStart: 6, hw: 300, void: true, replica: true,
	}.append(nil))
	var p producerState
	p.epoch = 258
	p.add(sequenced{first: 1, span: 2, base: 300, appended: 1000})
	show("p", p.append(nil))
	show("t", (&timeRow{
		last: 9, base: 7, prev: 3, max: 1000, segmentMax: 990, appended: 2000, gap: 5, bytes: 4096, size: 512,
	}).append(nil))
	show("shipped head", Shipped{Appended: 1000, Gap: -1}.Append(nil))
	show("shipped head with a row", Shipped{Appended: 1000, Gap: 300}.Append(nil))
	golden, err := os.ReadFile("testdata/rows.golden")
	require.NoError(t, err)
	require.Equal(t, string(golden), text.String())
}

// oldMeta is a state row as the first version wrote it.
func oldMeta(start, startBytes, oldest int64) []byte {
	v := metaRow{start: start, startBytes: startBytes, oldest: oldest}.append(nil)[:metaSize1]
	v[0], v[1] = 1, 0
	return v
}

func TestOldMetaRow(t *testing.T) {
	m, err := decodeMeta(oldMeta(7, 8, 9))
	require.NoError(t, err)
	require.Equal(t, metaRow{start: 7, startBytes: 8, oldest: 9, promised: NoEpoch, dataStart: 7}, m)
	for name, v := range map[string][]byte{
		"version 0":              append([]byte{0}, oldMeta(7, 8, 9)[1:]...),
		"version 1, short":       oldMeta(7, 8, 9)[:metaSize1-1],
		"version 2, short":       metaRow{}.append(nil)[:metaSize-1],
		"data start above start": metaRow{start: 1, dataStart: 2}.append(nil),
		"high watermark below 0": metaRow{hw: -1}.append(nil),
		"promise below none":     metaRow{promised: -2}.append(nil),
	} {
		_, err := decodeMeta(v)
		require.ErrorIs(t, err, errRow, name)
	}
}

// A store of the version before opens as it did: with batches, and where retention has
// taken all of them, so that the end is the log start.
func TestOldStoreOpens(t *testing.T) {
	d := disk{fs: vfs.NewMem()}
	store, ls := d.open(t)
	full, emptied := mustLog(t, ls, 1, 0), mustLog(t, ls, 1, 1)
	for _, l := range []*Log{full, emptied} {
		appendWait(t, l, batchOf(t, noSeq, 1, "a", "b", "c"), 1)
	}
	waitFor(t, Receipt{commit: store.Enqueue(rowsItem(func(w *kv.Rows) {
		w.PutMeta(full.part, oldMeta(1, 0, 1))
		w.DeleteBefore(emptied.part, 3)
		w.PutMeta(emptied.part, oldMeta(3, 70, 0))
	}))})
	require.NoError(t, store.Close())
	store, ls = d.open(t)
	full, emptied = mustLog(t, ls, 1, 0), mustLog(t, ls, 1, 1)
	start, end := full.Bounds()
	require.Equal(t, [2]int64{1, 3}, [2]int64{start, end})
	start, end = emptied.Bounds()
	require.Equal(t, [2]int64{3, 3}, [2]int64{start, end})
	r := appendWait(t, emptied, batchOf(t, noSeq, 1, "d"), 2)
	require.EqualValues(t, 3, r.Base)
	for l, want := range map[*Log]Stored{
		full:    {Promised: NoEpoch, LogStart: 1, DataStart: 0, End: 3, HighWatermark: 3},
		emptied: {Promised: NoEpoch, LogStart: 3, DataStart: 3, End: 4, HighWatermark: 4},
	} {
		got, err := l.Replicate(NewMoves())
		require.NoError(t, err)
		got.History = nil
		require.Equal(t, want, got)
	}
	require.NoError(t, store.Close())
}

// What a decoder of shipped batches takes is encoded again the same, up to the numbers'
// shortest form; what it does not take is an error of its class, never a panic, and a
// log refuses what is malformed otherwise.
func FuzzShipped(f *testing.F) {
	b := batchOf(f, noSeq, 1, "a", "b")
	b.Stamp(0, 0)
	f.Add(Shipped{Batch: b, Appended: 1000, Gap: -1}.Append(nil))
	f.Add(Shipped{Batch: b, Appended: 1000, Gap: 7}.Append([]byte{})[:20])
	d := disk{fs: vfs.NewMem()}
	store, ls := d.open(f)
	f.Cleanup(func() { require.NoError(f, store.Close()) })
	l := mustLog(f, ls, 1, 0)
	replicate(f, l)
	promise(f, l, 1, 3, false)
	f.Fuzz(func(t *testing.T, v []byte) {
		s, rest, err := DecodeShipped(v)
		if err != nil {
			require.ErrorIs(t, err, ErrDiscontinuous)
			return
		}
		again, none, err := DecodeShipped(s.Append(nil))
		require.NoError(t, err)
		require.Empty(t, none)
		require.Equal(t, s, again)
		require.Less(t, len(rest), len(v))
		s.Batch = append(record.Batch(nil), s.Batch...)
		if s.Batch.LastOffsetDelta() > 1<<20 {
			return // a valid one would end the log
		}
		if _, err := l.AppendShipped(1, []Shipped{s}); err != nil {
			require.ErrorIs(t, err, ErrDiscontinuous)
		}
	})
}
