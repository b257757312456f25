package kv

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// diskUsage is what the files of a directory take, as du tells it.
func diskUsage(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		var st syscall.Stat_t
		if err := syscall.Stat(filepath.Join(dir, e.Name()), &st); err == nil && !isWAL(e.Name()) && e.Name() != ballastName {
			bytes += st.Blocks * 512
		}
	}
	return bytes
}

// Deleting half of the partitions and Reclaim give the disk its space back,
// without rewriting what is kept.
func TestReclaim(t *testing.T) {
	noLeaks(t)
	const partitions, records, size = 100, 40, 16 << 10
	const total = partitions * records * size
	dir := filepath.Join(t.TempDir(), "store")
	o := diskOptions(dir)
	o.MemTableBytes = 4 << 20
	s := mustOpen(t, o)
	for i := range int64(records) {
		var c *Commit
		for index := range int32(partitions) {
			c = s.Enqueue(&testItem{size: size, rows: func(w *Rows) {
				p := Partition{Topic: 1, Index: index}
				w.PutBatch(p, i, value(int(i)*1000+int(index), size))
				w.PutTime(p, i, []byte("t"))
			}})
		}
		<-c.Done()
		require.NoError(t, c.Err())
	}
	require.NoError(t, s.db.Flush())
	before := diskUsage(t, dir)
	require.Greater(t, before, int64(total*9/10))

	// The oldest three quarters of the time are deleted in one half, all of it
	// in a few.
	do(t, s, func(w *Rows) {
		for index := range int32(partitions) {
			w.DeleteBefore(Partition{Topic: 1, Index: index}, records/2)
		}
	})
	written := func() int64 { m := s.Metrics(); return m.FlushedBytes + m.CompactedBytes }
	start := written()
	require.NoError(t, s.Reclaim(t.Context()))
	cost := written() - start
	require.Eventually(t, func() bool { return diskUsage(t, dir) < before*6/10 }, 20*time.Second, 10*time.Millisecond,
		"%d of %d bytes are still taken", diskUsage(t, dir), before)
	require.Less(t, cost, int64(total/10), "what is kept was rewritten")
	t.Logf("half of %d bytes came back, %d bytes were written for it", before, cost)

	for _, index := range []int32{0, 57, 99} {
		p := Partition{Topic: 1, Index: index}
		lasts, values := batches(t, s, p, 0)
		require.Len(t, lasts, records/2)
		require.EqualValues(t, records/2, lasts[0])
		require.Equal(t, value(records/2*1000+int(index), size), values[0])
	}

	flushes := s.Metrics().Flushes
	require.NoError(t, s.Reclaim(t.Context()), "nothing to do")
	require.Equal(t, flushes, s.Metrics().Flushes, "Reclaim did I/O with nothing to do")

	do(t, s, func(w *Rows) { w.DeleteTopic(1) })
	require.NoError(t, s.Reclaim(t.Context()))
	require.Eventually(t, func() bool { return diskUsage(t, dir) < 2<<20 }, 20*time.Second, 10*time.Millisecond)
	closeStore(t, s)
}

// A Reclaim that was cut short is done by the next one.
func TestReclaimCanceled(t *testing.T) {
	s := newMemStore(t)
	do(t, s, func(w *Rows) { w.PutBatch(Partition{}, 5, value(1, 1000)) })
	do(t, s, func(w *Rows) { w.DeletePartition(Partition{}) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Reclaim(ctx), context.Canceled)
	require.Len(t, s.reclaimer.take(), 5, "every kind of row of the partition")
}
