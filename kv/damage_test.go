package kv

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

// files lists the files of a directory whose name matches.
func files(t *testing.T, fs vfs.FS, dir string, match func(name string) bool) (paths []string) {
	t.Helper()
	names, err := fs.List(dir)
	require.NoError(t, err)
	slices.Sort(names)
	for _, name := range names {
		if match(name) {
			paths = append(paths, fs.PathJoin(dir, name))
		}
	}
	return paths
}

func suffix(s string) func(string) bool {
	return func(n string) bool { return strings.HasSuffix(n, s) }
}
func prefix(s string) func(string) bool {
	return func(n string) bool { return strings.HasPrefix(n, s) }
}

// crashed writes n records, each with its own fsync, and answers the file
// system as a power cut leaves it.
func crashed(t *testing.T, n, size int) *vfs.MemFS {
	t.Helper()
	mem := vfs.NewCrashableMem()
	o := memOptions(mem)
	o.MemTableBytes = 8 << 20 // all of it stays in one file of the log
	s := mustOpen(t, o)
	for i := range n {
		do(t, s, func(w *Rows) { w.PutBatch(Partition{Topic: 1}, int64(i), value(i, size)) })
	}
	clone := mem.CrashClone(vfs.CrashCloneCfg{})
	closeStore(t, s)
	return clone
}

// liveWAL is the log's file that holds data, and how much of it is in use.
func liveWAL(t *testing.T, fs *vfs.MemFS) (path string, data []byte) {
	t.Helper()
	for _, p := range files(t, fs, "store", suffix(walSuffix)) {
		b, err := fs.UnsafeGetFileDataBuffer(p)
		require.NoError(t, err)
		if len(b) > len(data) {
			path, data = p, b
		}
	}
	require.NotEmpty(t, path)
	return path, data
}

// C7: one bit is flipped in the middle of the live log. Open refuses the
// store and names the file: what was synced after the flip is not dropped
// silently. The flips go through the fields of a chunk and through the log,
// for commits smaller and larger than a block of it.
func TestC7BitFlipInTheLog(t *testing.T) {
	for _, size := range []int{400, 50_000} {
		flips := int(fewer(64))
		fs := crashed(t, 100, size)
		path, data := liveWAL(t, fs)
		first := 100 + bytes.Index(data[100:], []byte("d\x00\x00")) // in the second record
		require.Positive(t, first)
		var at []int
		for i := range flips {
			at = append(at, first-40+i*64/flips, i*len(data)*4/5/flips)
		}
		for k, at := range at {
			data[at] ^= 1 << (k / 2 % 8)
			_, err := Open(memOptions(fs))
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt, "size %d, flip at %d of %d", size, at, len(data))
			require.ErrorIs(t, err, ErrCorrupt)
			require.Equal(t, path, corrupt.File)
			require.ErrorContains(t, err, "restore the data directory from a replica or a backup")
			data[at] ^= 1 << (k / 2 % 8)
		}
		s := mustOpen(t, memOptions(fs)) // it was the flips
		lasts, _ := batches(t, s, Partition{Topic: 1}, 0)
		require.Len(t, lasts, 100)
		closeStore(t, s)
	}
}

// The same flips under Pebble's default format: it opens, without an error
// and without the records behind the flip. This is why the store never opens
// a database in another format than the newest.
func TestC7PebbleDefaultFormatLosesData(t *testing.T) {
	const n = 300
	lost := 0
	for k := range 8 {
		mem := vfs.NewCrashableMem()
		open := func(fs vfs.FS) (*pebble.DB, error) {
			return pebble.Open("store", &pebble.Options{FS: fs, Logger: &observer{log: quiet}, MemTableSize: 8 << 20})
		}
		db, err := open(mem)
		require.NoError(t, err)
		for i := range n {
			require.NoError(t, db.Set(appendNumbered(nil, tagBatch, Partition{}, int64(i)), value(i, 400), pebble.Sync))
		}
		fs := mem.CrashClone(vfs.CrashCloneCfg{})
		require.NoError(t, db.Close())
		_, data := liveWAL(t, fs)
		data[len(data)/10+k*len(data)/11] ^= 1 << (k % 8)
		db, err = open(fs)
		if err != nil {
			continue
		}
		it, err := db.NewIter(nil)
		require.NoError(t, err)
		found := 0
		for ok := it.First(); ok; ok = it.Next() {
			found++
		}
		require.NoError(t, it.Close())
		require.NoError(t, db.Close())
		if found < n {
			lost++
		}
	}
	require.Positive(t, lost, "Pebble's default format now detects this: FormatNewest may no longer be needed")
}

// C8: the live log is cut short. What is left is a prefix, or is refused.
func TestC8TruncatedLog(t *testing.T) {
	const n = 200
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10 {
		fs := crashed(t, n, 400)
		path, data := liveWAL(t, fs)
		cut := clone(data[:rng.IntN(len(data))])
		f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		_, err = f.Write(cut)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		s, err := Open(memOptions(fs))
		if err != nil {
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt)
			continue
		}
		lasts, _ := batches(t, s, Partition{Topic: 1}, 0)
		for i, last := range lasts {
			require.EqualValues(t, i, last, "not a prefix")
		}
		closeStore(t, s)
	}
}

// A store whose files are damaged or gone is refused, and the error names one.
func TestOpenRefusesDamage(t *testing.T) {
	remove := func(t *testing.T, fs *vfs.MemFS, match func(string) bool) string {
		found := files(t, fs, "store", match)
		require.NotEmpty(t, found)
		for _, p := range found {
			require.NoError(t, fs.Remove(p))
		}
		return found[0]
	}
	for name, damage := range map[string]func(t *testing.T, fs *vfs.MemFS) string{
		"sstable removed":  func(t *testing.T, fs *vfs.MemFS) string { return remove(t, fs, suffix(".sst")) },
		"manifest removed": func(t *testing.T, fs *vfs.MemFS) string { return remove(t, fs, prefix("MANIFEST-")) },
		"markers removed":  func(t *testing.T, fs *vfs.MemFS) string { remove(t, fs, prefix("marker.")); return "store" },
		"log removed":      func(t *testing.T, fs *vfs.MemFS) string { remove(t, fs, suffix(walSuffix)); return "store" },
		"all removed but the marker": func(t *testing.T, fs *vfs.MemFS) string {
			remove(t, fs, func(n string) bool { return n != markerName })
			return "store"
		},
		"marker overwritten": func(t *testing.T, fs *vfs.MemFS) string {
			f, err := fs.Create("store/"+markerName, vfs.WriteCategoryUnspecified)
			require.NoError(t, err)
			_, err = f.Write([]byte("something else"))
			require.NoError(t, err)
			require.NoError(t, f.Close())
			return "store/" + markerName
		},
		"sstable cut short": func(t *testing.T, fs *vfs.MemFS) string {
			p := files(t, fs, "store", suffix(".sst"))[0]
			f, err := fs.Create(p, vfs.WriteCategoryUnspecified)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			fs := flushedStore(t)
			want := damage(t, fs)
			_, err := Open(memOptions(fs))
			var corrupt *CorruptError
			require.ErrorAs(t, err, &corrupt)
			require.Equal(t, want, corrupt.File)
			_, err = Open(memOptions(fs))
			require.ErrorAs(t, err, &corrupt, "the second try forgot it")
		})
	}
}

// A flip in the middle of the manifest is refused, and the store is whole
// once it is undone: nothing was deleted.
func TestC7BitFlipInTheManifest(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, memOptions(fs))
	const n = 20
	for i := range n {
		do(t, s, func(w *Rows) { w.PutBatch(Partition{Topic: 1}, int64(i), value(i, 2000)) })
		require.NoError(t, s.db.Flush())
	}
	closeStore(t, s)
	path := files(t, fs, "store", prefix("MANIFEST-"))[0]
	data, err := fs.UnsafeGetFileDataBuffer(path)
	require.NoError(t, err)
	flips := int(fewer(200))
	for k := range flips {
		at := k * len(data) * 4 / 5 / flips
		data[at] ^= 1 << (k % 8)
		_, err := Open(memOptions(fs))
		var corrupt *CorruptError
		require.ErrorAs(t, err, &corrupt, "flip at %d of %d", at, len(data))
		require.Equal(t, path, corrupt.File)
		data[at] ^= 1 << (k % 8)
	}
	s = mustOpen(t, memOptions(fs))
	lasts, _ := batches(t, s, Partition{Topic: 1}, 0)
	require.Len(t, lasts, n)
	closeStore(t, s)
}

const (
	damagePartitions = 4
	damageRecords    = 20
)

// flushedStore is a store, cleanly closed, whose rows lie in files.
func flushedStore(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	s := mustOpen(t, memOptions(fs))
	do(t, s, func(w *Rows) {
		for index := range damagePartitions {
			for i := range damageRecords {
				w.PutBatch(Partition{Topic: 1, Index: int32(index)}, int64(i), value(index*1000+i, 8000))
			}
		}
	})
	closeStore(t, s)
	return fs
}

// C6: a flip in a blob file, where batches lie. The read that meets it gets an
// error that names the batch; other partitions and writes go on.
func TestC6BitFlipInABlobFile(t *testing.T) {
	noLeaks(t)
	fs := flushedStore(t)
	blobs := files(t, fs, "store", suffix(".blob"))
	require.Len(t, blobs, 1)
	data, err := fs.UnsafeGetFileDataBuffer(blobs[0])
	require.NoError(t, err)
	data[len(data)/2] ^= 4
	requireDamage(t, fs, true)
}

// C6: the end of a blob file is damaged, so that none of it can be read.
func TestC6BlobFileCannotBeOpened(t *testing.T) {
	noLeaks(t)
	fs := flushedStore(t)
	blobs := files(t, fs, "store", suffix(".blob"))
	data, err := fs.UnsafeGetFileDataBuffer(blobs[0])
	require.NoError(t, err)
	data[len(data)-3] ^= 4
	requireDamage(t, fs, false)
}

// C6: a flip in a table, where keys lie.
func TestC6BitFlipInATable(t *testing.T) {
	noLeaks(t)
	fs := flushedStore(t)
	for _, path := range files(t, fs, "store", suffix(".sst")) {
		data, err := fs.UnsafeGetFileDataBuffer(path)
		require.NoError(t, err)
		data[20] ^= 4
	}
	_, err := Open(memOptions(fs))
	var corrupt *CorruptError
	require.ErrorAs(t, err, &corrupt, "the rows of the identity lie in the same block")
	require.Contains(t, files(t, fs, "store", suffix(".sst")), corrupt.File, "the file is named")
	require.NotContains(t, err.Error(), "\n", "one sentence")
}

// C6: the blob file is gone altogether. Pebble would end the process at each
// read of it; here those reads fail.
func TestC6BlobFileRemoved(t *testing.T) {
	noLeaks(t)
	fs := flushedStore(t)
	blobs := files(t, fs, "store", suffix(".blob"))
	require.NoError(t, fs.Remove(blobs[0]))
	requireDamage(t, fs, false)
}

// requireDamage opens a store and asserts that damage is found at reads, that
// it is told, and that the store goes on.
func requireDamage(t *testing.T, fs *vfs.MemFS, someGood bool) {
	t.Helper()
	var mu sync.Mutex
	var told []error
	o := memOptions(fs)
	o.Events.Corruption = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	}
	s := mustOpen(t, o)
	good, bad := 0, 0
	for index := range damagePartitions {
		p := Partition{Topic: 1, Index: int32(index)}
		err := s.Batches(p, 0, func(int64, []byte) bool { return true })
		if err == nil {
			good++
			continue
		}
		bad++
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, fmt.Sprintf("batch of topic id 1, partition %d, last offset", index))
	}
	require.Positive(t, bad)
	require.Equal(t, someGood, good > 0)
	do(t, s, func(w *Rows) { w.PutBatch(Partition{Topic: 2}, 0, value(1, 1000)) })
	lasts, _ := batches(t, s, Partition{Topic: 2}, 0)
	require.Len(t, lasts, 1)
	require.Positive(t, s.Metrics().Corruptions)
	closeStore(t, s)
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, told)
	require.True(t, errors.Is(told[0], ErrCorrupt))
}
