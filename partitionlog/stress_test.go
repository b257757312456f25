package partitionlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// G10 and I2: many appenders, readers and waiters on a few logs while the front is
// cut: each reader sees each offset once, in order, with one value for ever.
func TestG10ReadersAndAppendersAtOnce(t *testing.T) {
	const logs, appenders, each = 3, 4, 150
	ls := newLogs(t, disk{recent: 64 << 10, rowBytes: 2 << 10, memTable: 256 << 10})
	var appending, others sync.WaitGroup
	var stop atomic.Bool
	for i := range int32(logs) {
		l := mustLog(t, ls, 1, i)
		var seen sync.Map // offset -> value
		for a := range appenders {
			appending.Go(func() { stressAppend(t, l, a, each) })
		}
		for range 2 {
			others.Go(func() { stressRead(t, l, &seen, &stop) })
		}
		others.Go(func() { stressCut(t, l, &stop) })
	}
	appending.Wait()
	stop.Store(true)
	for l := range ls.Opened() {
		l.mu.Lock()
		l.wakeAll()
		l.mu.Unlock()
	}
	others.Wait()
	for l := range ls.Opened() {
		require.EqualValues(t, appenders*each, l.Stats().End)
		require.Empty(t, l.waiters)
	}
}

func stressAppend(t *testing.T, l *Log, a, n int) {
	p := seq{id: int64(a)}
	var r Receipt
	for i := range n {
		b := batchOf(t, p, int64(i), fmt.Sprintf("%d/%d", a, i))
		var err error
		r, err = l.Append(b, AppendOptions{Now: int64(i)})
		if err != nil {
			t.Error(err)
			return
		}
		if i%5 == 0 {
			again, err := l.Append(b, AppendOptions{Now: int64(i)})
			if err != nil || !again.Duplicate || again.Base != r.Base {
				t.Errorf("duplicate %v at %d, not %d: %v", again.Duplicate, again.Base, r.Base, err)
			}
		}
		if i%3 == 0 {
			<-r.Done()
			if _, end := l.Bounds(); r.Err() != nil || end <= r.Last {
				t.Errorf("done, but the end is %d and not beyond %d: %v", end, r.Last, r.Err())
			}
		}
		p.first++
	}
	<-r.Done() // all is durable when all appenders are done
}

func stressRead(t *testing.T, l *Log, seen *sync.Map, stop *atomic.Bool) {
	w := NewWaiter()
	l.Watch(w)
	defer l.Unwatch(w)
	var next int64
	var buf []byte
	for {
		r, err := l.Read(buf[:0], next, 2000)
		var out *OffsetRangeError
		if errors.As(err, &out) && out.Start > next {
			next = out.Start
			continue
		}
		if err != nil {
			t.Error(err)
			return
		}
		buf = r.Data
		records, err := recordsOf(r.Data)
		if err != nil {
			t.Error(err)
			return
		}
		for _, rec := range records {
			if rec.Offset != next {
				t.Errorf("offset %d, not %d", rec.Offset, next)
			}
			if was, loaded := seen.LoadOrStore(rec.Offset, string(rec.Value)); loaded && was != string(rec.Value) {
				t.Errorf("offset %d was %v, is %s", rec.Offset, was, rec.Value)
			}
			next = rec.Offset + 1
		}
		if len(records) == 0 {
			if stop.Load() && next == r.End {
				return
			}
			<-w.C()
		}
	}
}

// stressCut raises the start, by all ways, and asks the index.
func stressCut(t *testing.T, l *Log, stop *atomic.Bool) {
	rng := rand.New(rand.NewPCG(1, uint64(l.part.Index)))
	for !stop.Load() {
		start, end := l.Bounds()
		if end-start < 50 {
			continue
		}
		var err error
		switch rng.IntN(5) {
		case 0:
			var r Receipt
			if r, err = l.TruncatePrefix(start + rng.Int64N(5)); err == nil {
				<-r.Done()
				err = r.Err()
			}
		case 1:
			l.RaiseStart(start + rng.Int64N(10))
			l.logs.FlushStarts()
		case 2:
			_, _, err = l.OffsetForTime(rng.Int64N(150))
		case 3:
			_, err = l.StartForAge(rng.Int64N(30))
		case 4:
			_, err = l.StartForBytes(1 << 20)
		}
		if err != nil {
			t.Error(err)
			return
		}
	}
}

// B7 without the crash: the end is cut again and again under appenders and
// readers. What a receipt has promised is there, at its offset, until it is cut.
func TestTruncateSuffixUnderLoad(t *testing.T) {
	ls := newLogs(t, disk{recent: 64 << 10, rowBytes: 2 << 10})
	l := mustLog(t, ls, 1, 0)
	var stop atomic.Bool
	var wg sync.WaitGroup
	for a := range 3 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				r, err := l.Append(batchOf(t, noSeq, 1, fmt.Sprintf("%d/%d", a, i), "second"), AppendOptions{Now: int64(i)})
				if errors.Is(err, ErrTruncating) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				<-r.Done()
			}
		})
		wg.Go(func() {
			for !stop.Load() {
				_, end := l.Bounds()
				r, err := l.Read(nil, max(0, end-6), 4000)
				if err != nil && !errors.Is(err, ErrOffsetOutOfRange) {
					t.Error(err)
					return
				}
				if _, err := recordsOf(r.Data); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 60 {
		_, end := l.Bounds()
		_, err := l.TruncateSuffix(max(0, end-3))
		require.NoError(t, err)
	}
	stop.Store(true)
	wg.Wait()
	got, err := readAll(l, 0, 10_000)
	require.NoError(t, err)
	_, end := l.Bounds()
	require.Len(t, got, int(end))
}
