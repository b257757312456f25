package kv

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkAppend measures appends that wait for their fsync, from several
// goroutines over 1,000 partitions: by the committer, and, to compare, each
// as a Pebble batch of its own, applied under its partition's lock. It writes
// to the directory KV_BENCH_DIR, or a temporary one. A run says something from
// 10 s on: go test -run '^$' -bench Append -benchtime 200000x ./kv
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 10} {
		for _, workers := range []int{64, 256} {
			for _, by := range []string{"committer", "locks"} {
				b.Run(fmt.Sprintf("%s/%dB/%d", by, size, workers), func(b *testing.B) {
					benchAppend(b, by, size, workers)
				})
			}
		}
	}
}

const benchPartitions = 1000

type benchPartition struct {
	mu   sync.Mutex
	next int64
}

// benchItem is an append that is done when its commit is.
type benchItem struct {
	p     Partition
	last  int64
	value []byte
}

func (i *benchItem) Rows(w *Rows) { w.PutBatch(i.p, i.last, i.value) }
func (i *benchItem) Size() int    { return len(i.value) }
func (i *benchItem) Durable()     {}

func benchAppend(b *testing.B, by string, size, workers int) {
	dir := os.Getenv("KV_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	dir = filepath.Join(dir, "store")
	require.NoError(b, os.RemoveAll(dir))
	o := Options{Dir: dir, Logger: quiet}
	o.testing.pipeline, _ = strconv.Atoi(os.Getenv("KV_BENCH_PIPELINE"))
	s := mustOpen(b, o)
	parts := make([]benchPartition, benchPartitions)
	appendOne := func(index int, v []byte) error {
		p, part := Partition{Topic: 1, Index: int32(index)}, &parts[index]
		part.mu.Lock()
		last := part.next
		part.next++
		if by == "committer" {
			c := s.Enqueue(&benchItem{p: p, last: last, value: v})
			part.mu.Unlock()
			<-c.Done()
			return c.Err()
		}
		batch := s.db.NewBatchWithSize(size + 64)
		w := Rows{batch: batch}
		w.PutBatch(p, last, v)
		w.flush()
		err := applyQueued(s.db, batch)
		part.mu.Unlock()
		if err == nil {
			err = syncWait(batch)
		}
		_ = batch.Close()
		return err
	}
	wrote, used := diskWrites(b), cpuTime(b)
	b.SetBytes(int64(size))
	b.ResetTimer()
	latencies := benchWorkers(b, size, workers, appendOne)
	b.StopTimer()
	closeStore(b, s)
	slices.Sort(latencies)
	ms := func(q float64) float64 {
		return float64(latencies[int(q*float64(len(latencies)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
	b.ReportMetric((cpuTime(b)-used).Seconds()/float64(b.N*size)*1e9, "cpu-s/GB")
	b.ReportMetric(float64(diskWrites(b)-wrote)/float64(b.N*size), "written/byte")
	require.NoError(b, os.RemoveAll(dir))
}

// benchWorkers has workers append b.N values, and answers how long each took.
func benchWorkers(b *testing.B, size, workers int, appendOne func(int, []byte) error) []time.Duration {
	latencies := make([]time.Duration, b.N)
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			v := make([]byte, size)
			for i := range v {
				v[i] = byte(rng.Uint32())
			}
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				start := time.Now()
				v[int(i)%size]++
				if err := appendOne(rng.IntN(benchPartitions), v); err != nil {
					b.Error(err)
					return
				}
				latencies[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	return latencies
}

// diskWrites is how many bytes the process has had written to disks.
func diskWrites(b *testing.B) int64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			bytes, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			require.NoError(b, err)
			return bytes
		}
	}
	return 0
}

// cpuTime is the processor time that the process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEnqueue measures the way from Enqueue to Durable without a disk's
// part in it, as allocations an item.
func BenchmarkEnqueue(b *testing.B) {
	o := Options{Dir: filepath.Join(b.TempDir(), "store"), Logger: quiet, Fsync: FsyncOS}
	s := mustOpen(b, o)
	it := &benchItem{value: make([]byte, 100)}
	b.ReportAllocs()
	var c *Commit
	for range b.N {
		c = s.Enqueue(it)
	}
	<-c.Done()
	b.StopTimer()
	closeStore(b, s)
}
