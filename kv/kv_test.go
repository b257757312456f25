package kv

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// noLeaks asserts at the end of a test that it left no goroutine behind,
// Pebble's included. Tests in which a store dies do not ask for it: in
// production the process ends with the store.
func noLeaks(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// testItem is an item made of a function; it tells when it became durable.
type testItem struct {
	rows    func(w *Rows)
	size    int
	durable func()
}

func (i *testItem) Rows(w *Rows) { i.rows(w) }
func (i *testItem) Size() int    { return i.size }
func (i *testItem) Durable() {
	if i.durable != nil {
		i.durable()
	}
}

func put(rows func(w *Rows)) *testItem { return &testItem{rows: rows, size: 1024} }

// memOptions are options of a small store in memory.
func memOptions(fs FS) Options {
	return Options{
		Dir:           "store",
		FS:            fs,
		MemTableBytes: minMemTableBytes,
		CacheBytes:    1 << 20,
		Logger:        quiet,
		Events:        Events{Fatal: func(err error) { panic(fmt.Sprintf("unexpected: %v", err)) }},
	}
}

func diskOptions(dir string) Options {
	o := memOptions(nil)
	o.Dir = dir
	return o
}

func mustOpen(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	require.NoError(t, err)
	return s
}

func newMemStore(t *testing.T) *Store {
	t.Helper()
	noLeaks(t)
	s := mustOpen(t, memOptions(vfs.NewMem()))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// do enqueues rows and waits until they are durable.
func do(t testing.TB, s *Store, rows func(w *Rows)) {
	t.Helper()
	c := s.Enqueue(put(rows))
	<-c.Done()
	require.NoError(t, c.Err())
}

func value(n, size int) []byte {
	v := make([]byte, size)
	for i := 0; i+8 <= size; i += 8 {
		binary.BigEndian.PutUint64(v[i:], uint64(n)*0x9E3779B97F4A7C15+uint64(i))
	}
	return v
}

// batches reads all of p's batches.
func batches(t testing.TB, s *Store, p Partition, from int64) (lasts []int64, values [][]byte) {
	t.Helper()
	require.NoError(t, s.Batches(p, from, func(last int64, b []byte) bool {
		lasts = append(lasts, last)
		values = append(values, clone(b))
		return true
	}))
	return lasts, values
}

func TestRowsAndReaders(t *testing.T) {
	s := newMemStore(t)
	p, q := Partition{Topic: 7, Index: 1}, Partition{Topic: 7, Index: 2}
	do(t, s, func(w *Rows) {
		for i := int64(1); i <= 5; i++ {
			w.PutBatch(p, i*10-1, value(int(i), 700))
			w.PutTime(p, i*10-1, []byte{byte(i)})
		}
		w.PutBatch(q, 3, []byte("other"))
		w.PutEpoch(p, 0, 0)
		w.PutEpoch(p, 4, 25)
		w.PutMeta(p, []byte("meta"))
		w.PutProducer(p, 9, []byte("nine"))
		w.PutProducer(p, 1000, []byte("thousand"))
		w.PutNode("/a/b", []byte("ab"))
		w.PutNode("/a/c", []byte("ac"))
		w.PutNode("/b", []byte("b"))
	})
	lasts, values := batches(t, s, p, 20)
	require.Equal(t, []int64{29, 39, 49}, lasts)
	require.Equal(t, value(3, 700), values[0])
	lasts, _ = batches(t, s, p, 29)
	require.Equal(t, []int64{29, 39, 49}, lasts)

	last, ok, err := s.LastBatch(p)
	require.NoError(t, err)
	require.True(t, ok)
	require.EqualValues(t, 49, last)
	_, ok, err = s.LastBatch(Partition{Topic: 7, Index: 3})
	require.NoError(t, err)
	require.False(t, ok)
	ok, err = s.FirstBatch(p, func(last int64, b []byte) { require.EqualValues(t, 9, last) })
	require.NoError(t, err)
	require.True(t, ok)

	var got []string
	require.NoError(t, s.Epochs(p, func(e int32, start int64) bool {
		got = append(got, fmt.Sprint(e, "@", start))
		return true
	}))
	require.NoError(t, s.Producers(p, func(id int64, v []byte) bool {
		got = append(got, fmt.Sprint(id, "=", string(v)))
		return true
	}))
	require.NoError(t, s.Nodes("/a/", func(path string, v []byte) bool {
		got = append(got, path+"="+string(v))
		return true
	}))
	require.NoError(t, s.TimeRows(p, 30, func(last int64, v []byte) bool {
		got = append(got, fmt.Sprint("t", last, v))
		return true
	}))
	ok, err = s.TimeBefore(p, 29, func(last int64, v []byte) { got = append(got, fmt.Sprint("before", last, v)) })
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []string{"0@0", "4@25", "9=nine", "1000=thousand", "/a/b=ab", "/a/c=ac",
		"t39 [4]", "t49 [5]", "before19 [2]"}, got)
	ok, err = s.TimeBefore(p, 9, func(int64, []byte) { t.Error("there is none") })
	require.NoError(t, err)
	require.False(t, ok)

	for _, get := range []func(func([]byte)) (bool, error){
		func(f func([]byte)) (bool, error) { return s.Meta(p, f) },
		func(f func([]byte)) (bool, error) { return s.Producer(p, 9, f) },
		func(f func([]byte)) (bool, error) { return s.Node("/b", f) },
	} {
		called := false
		ok, err := get(func(v []byte) { called = len(v) > 0 })
		require.NoError(t, err)
		require.True(t, ok && called)
	}
	ok, err = s.Meta(q, func([]byte) { t.Error("there is none") })
	require.NoError(t, err)
	require.False(t, ok)
}

// Commits fold, and Durable comes in the order of Enqueue, before Done.
func TestCommitOrder(t *testing.T) {
	s := newMemStore(t)
	p := Partition{Topic: 1}
	const n = 5000
	var mu sync.Mutex // Enqueue under it gives each item its place
	var durable []int
	var applied []int
	next := 0
	commits := map[*Commit]bool{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range n / 50 {
				mu.Lock()
				i := next
				next++
				done := make(chan struct{})
				c := s.Enqueue(&testItem{
					rows:    func(w *Rows) { applied = append(applied, i); w.PutBatch(p, int64(i), value(i, 100)) },
					size:    100,
					durable: func() { durable = append(durable, i); close(done) },
				})
				commits[c] = true
				mu.Unlock()
				if i%100 == 0 {
					<-c.Done()
					select {
					case <-done:
					default:
						t.Errorf("item %d: Done before Durable", i)
					}
				}
			}
		})
	}
	wg.Wait()
	do(t, s, func(w *Rows) {})
	require.Len(t, durable, n)
	for i := range n {
		require.Equal(t, i, durable[i])
		require.Equal(t, i, applied[i])
	}
	require.Less(t, len(commits), n, "nothing was folded")
	lasts, _ := batches(t, s, p, 0)
	require.Len(t, lasts, n)
}
