package partitionlog

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
)

// flip inverts one byte of a file, as a bad disk would, at share of its length.
func flip(t *testing.T, fs vfs.FS, name string, at func(size int64) int64) {
	t.Helper()
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	require.NoError(t, err)
	st, err := f.Stat()
	require.NoError(t, err)
	var b [1]byte
	offset := at(st.Size())
	_, err = f.ReadAt(b[:], offset)
	require.True(t, err == nil || errors.Is(err, io.EOF), err)
	_, err = f.WriteAt([]byte{^b[0]}, offset)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// filesOf lists the data directory's files whose names end so.
func filesOf(t *testing.T, fs vfs.FS, suffix string) (names []string) {
	t.Helper()
	all, err := fs.List("data")
	require.NoError(t, err)
	for _, name := range all {
		if strings.HasSuffix(name, suffix) {
			names = append(names, fs.PathJoin("data", name))
		}
	}
	return names
}

// fillForDamage writes two partitions of 40 batches each, of 20 KB, and gives the
// disk as it is after a clean stop.
func fillForDamage(t *testing.T) *vfs.MemFS {
	mem := vfs.NewMem()
	s, ls := disk{fs: mem, memTable: 256 << 10}.open(t)
	for i := range 40 {
		for index := range int32(2) {
			b := batchOf(t, noSeq, 1, strings.Repeat(string(rune('a'+i%26)), 20_000))
			appendWait(t, mustLog(t, ls, 1, index), b, int64(i))
		}
	}
	require.NoError(t, s.Close())
	return mem
}

// C6: a byte of a file of batches flips. What was damaged is reported with topic
// id, partition and offset, and never served; all else is read as it was.
func TestC6FlippedByteInStoredBatches(t *testing.T) {
	suffix := ".blob"
	if len(filesOf(t, fillForDamage(t), suffix)) == 0 {
		suffix = ".sst"
	}
	reported := 0
	for _, share := range []int64{3, 6} { // each costs Pebble a second of looking for the bit
		mem := fillForDamage(t)
		names := filesOf(t, mem, suffix)
		flip(t, mem, names[int(share)%len(names)], func(size int64) int64 { return size * share / 10 })
		s, err := disk{fs: mem, memTable: 256 << 10}.openStore()
		if err != nil {
			require.ErrorIs(t, err, kv.ErrCorrupt)
			reported++
			continue
		}
		ls := disk{recent: -1}.logs(s)
		for index := range int32(2) {
			reported += readAround(t, ls, index)
		}
		require.NoError(t, s.Close())
	}
	require.NotZero(t, reported)
}

// readAround reads each offset of a partition of fillForDamage by itself and gives
// the number of those that are damaged.
func readAround(t *testing.T, ls *Logs, index int32) (damaged int) {
	l, err := ls.Log(kv.Partition{Topic: 1, Index: index})
	if err != nil {
		require.ErrorIs(t, err, ErrCorrupt)
		return 1
	}
	_, end := l.Bounds()
	require.EqualValues(t, 40, end)
	for offset := range end {
		r, err := l.Read(nil, offset, 1)
		if err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, "topic id 1 partition")
			damaged++
			continue
		}
		got, err := recordsOf(r.Data)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat(string(rune('a'+offset%26)), 20_000), string(got[0].Value))
	}
	require.Less(t, damaged, 40, "the rest is served")
	return damaged
}

// C7: a byte flips in the middle of the live write-ahead log. The store refuses to
// open: what follows the damage is not dropped in silence.
func TestC7FlippedByteInTheWriteAheadLog(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s, ls := disk{fs: mem}.open(t)
	l := mustLog(t, ls, 1, 0)
	for i := range 100 {
		appendWait(t, l, batchOf(t, noSeq, 1, strings.Repeat("x", 1000)), int64(i))
	}
	clone := mem.CrashClone(vfs.CrashCloneCfg{})
	require.NoError(t, s.Close())
	var live string
	var most int64
	for _, name := range filesOf(t, clone, ".log") {
		st, err := clone.Stat(name)
		require.NoError(t, err)
		if st.Size() > most {
			live, most = name, st.Size()
		}
	}
	require.Greater(t, most, int64(100_000))
	flip(t, clone, live, func(size int64) int64 { return size / 2 })
	_, err := disk{fs: clone}.openStore()
	var damaged *kv.CorruptError
	require.ErrorAs(t, err, &damaged)
}

// rowsItem puts and deletes rows behind a log's back, as damage would.
type rowsItem func(w *kv.Rows)

func (f rowsItem) Rows(w *kv.Rows) { f(w) }
func (f rowsItem) Size() int       { return 1 << 10 }
func (f rowsItem) Durable()        {}

// C17: bytes that the store gives back as whole, and that are not those that were
// produced, are not served.
func TestC17StoredBytesAreVerified(t *testing.T) {
	good := batchOf(t, noSeq, 1, "good")
	tests := map[string]func(w *kv.Rows, p kv.Partition){
		"flipped": func(w *kv.Rows, p kv.Partition) {
			b := batchOf(t, noSeq, 1, "good")
			b.Stamp(2, 0)
			b[len(b)-2] ^= 1
			w.PutBatch(p, 2, b)
		},
		"elsewhere": func(w *kv.Rows, p kv.Partition) {
			b := batchOf(t, noSeq, 1, "good")
			b.Stamp(7, 0)
			w.PutBatch(p, 2, b)
		},
		"missing": func(w *kv.Rows, p kv.Partition) {
			w.DeleteFrom(p, 2)
			for at := int64(3); at < 6; at++ {
				b := batchOf(t, noSeq, 1, "good")
				b.Stamp(at, 0)
				w.PutBatch(p, at, b)
			}
		},
		"empty": func(w *kv.Rows, p kv.Partition) { w.PutBatch(p, 2, nil) },
		"longer": func(w *kv.Rows, p kv.Partition) {
			b := batchOf(t, noSeq, 1, "good")
			b.Stamp(2, 0)
			w.PutBatch(p, 2, append(b, 0))
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			ls := newLogs(t, disk{recent: -1})
			l, other := mustLog(t, ls, 1, 0), mustLog(t, ls, 1, 1)
			for range 6 {
				appendWait(t, l, good, 1)
				appendWait(t, other, good, 1)
			}
			waitFor(t, Receipt{commit: ls.store.Enqueue(rowsItem(func(w *kv.Rows) { damage(w, l.part) }))})
			r, err := l.Read(nil, 0, 1<<20)
			require.NoError(t, err)
			require.Len(t, r.Data, 2*len(good), "what lies before the damage")
			_, err = l.Read(nil, 2, 1<<20)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, "topic id 1 partition 0 offset 2")
			_, err = l.Read(nil, 3, 1<<20)
			require.NoError(t, err)
			got, err := readAll(other, 0, 1)
			require.NoError(t, err)
			require.Len(t, got, 6)
			appendWait(t, l, good, 2)
		})
	}
}
