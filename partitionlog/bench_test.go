package partitionlog

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// benchLogs opens logs on the disk, with the options of a broker.
func benchLogs(b *testing.B, opts Options) *Logs {
	b.Helper()
	s, err := kv.Open(kv.Options{Dir: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return New(s, opts)
}

// noise is a batch of one record of n incompressible bytes.
func noise(b *testing.B, n int, p seq) record.Batch {
	b.Helper()
	rng := rand.NewChaCha8([32]byte{1})
	value := make([]byte, n)
	_, _ = rng.Read(value)
	builder := record.NewBuilder(record.None)
	builder.Append(record.Record{Timestamp: 1, Value: value})
	builder.SetProducer(p.id, p.epoch, p.first)
	sealed, err := builder.Seal(nil)
	require.NoError(b, err)
	return sealed
}

// BenchmarkAppend has 64 appenders that each wait for the fsync, over 1,000
// partitions.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			ls := benchLogs(b, Options{})
			batch := noise(b, size-record.HeaderSize, noSeq)
			b.SetBytes(int64(len(batch)))
			b.SetParallelism(32)
			b.ReportAllocs()
			var n atomic.Int64
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					l, err := ls.Log(kv.Partition{Topic: 1, Index: int32(i % 1000)})
					if err != nil {
						panic(err)
					}
					r, err := l.Append(batch, AppendOptions{Now: i})
					if err != nil {
						panic(err)
					}
					<-r.Done()
				}
			})
		})
	}
}

// BenchmarkAppendIdempotent is one producer that does not wait but for each
// 1,000th batch.
func BenchmarkAppendIdempotent(b *testing.B) {
	ls := benchLogs(b, Options{})
	l := mustLog(b, ls, 1, 0)
	b.ReportAllocs()
	batches := make([]record.Batch, 1000)
	for i := range batches {
		batches[i] = noise(b, 100, seq{id: 1, first: int32(i)})
	}
	b.ResetTimer()
	for i := range b.N {
		batch := batches[i%1000]
		if i%1000 == 0 && i > 0 { // the next epoch begins
			l.mu.Lock()
			l.producers.get(1).newest().first = 1<<31 - 1
			l.mu.Unlock()
		}
		r, err := l.Append(batch, AppendOptions{Now: int64(i)})
		if err != nil || r.Duplicate {
			b.Fatal(r, err)
		}
		if i%1000 == 999 {
			<-r.Done()
		}
	}
}

// BenchmarkRead reads 64 KiB from memory and from the store.
func BenchmarkRead(b *testing.B) {
	for name, recent := range map[string]int64{"recent": 0, "store": -1} {
		b.Run(name, func(b *testing.B) {
			ls := benchLogs(b, Options{RecentBytes: recent})
			l := mustLog(b, ls, 1, 0)
			batch := noise(b, 16<<10-record.HeaderSize, noSeq)
			var r Receipt
			for i := range 500 {
				var err error
				r, err = l.Append(batch, AppendOptions{Now: int64(i)})
				require.NoError(b, err)
			}
			<-r.Done()
			var dst []byte
			b.SetBytes(64 << 10)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				got, err := l.Read(dst[:0], int64(i%496), 66<<10)
				if err != nil {
					b.Fatal(err)
				}
				dst = got.Data
			}
		})
	}
}

// BenchmarkOpen opens logs that have data, each for the first time in a process,
// and tells the memory that an idle one holds.
func BenchmarkOpen(b *testing.B) {
	const logs = 10_000
	ls := benchLogs(b, Options{RecentBytes: -1})
	batch := noise(b, 100, noSeq)
	var last Receipt
	for i := range int32(logs) {
		r, err := mustLog(b, ls, 1, i).Append(batch, AppendOptions{Now: 1})
		require.NoError(b, err)
		last = r
	}
	<-last.Done()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		fresh := New(ls.store, Options{RecentBytes: -1})
		before := heap()
		b.StartTimer()
		for i := range int32(logs) {
			if _, err := fresh.Log(kv.Partition{Topic: 1, Index: i}); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/logs, "bytes/log")
		runtime.KeepAlive(fresh)
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/logs, "ns/log")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
