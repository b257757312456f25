package kv

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// modelRow is a row as the naive model names it.
type modelRow struct {
	tag byte
	p   Partition
	n   int64
}

// model is the store as a map.
type model map[modelRow]string

// drop deletes the rows that match.
func (m model) drop(match func(modelRow) bool) {
	for r := range m {
		if match(r) {
			delete(m, r)
		}
	}
}

func isLog(r modelRow) bool { return r.tag == tagBatch || r.tag == tagTime }

// operation draws one change, and does it to the model and, later, to rows.
func (m model) operation(t *rapid.T) func(w *Rows) {
	p := Partition{Topic: rapid.Uint64Range(1, 2).Draw(t, "topic"), Index: rapid.Int32Range(0, 2).Draw(t, "index")}
	n := rapid.Int64Range(0, 12).Draw(t, "n")
	v := rapid.SampledFrom([]string{"", "a", string(value(int(n), 600))}).Draw(t, "v")
	switch rapid.IntRange(0, 10).Draw(t, "operation") {
	case 0, 1, 2:
		m[modelRow{tagBatch, p, n}] = v
		return func(w *Rows) { w.PutBatch(p, n, []byte(v)) }
	case 3:
		m[modelRow{tagTime, p, n}] = v
		return func(w *Rows) { w.PutTime(p, n, []byte(v)) }
	case 4:
		m[modelRow{tagProducer, p, n}] = v
		return func(w *Rows) { w.PutProducer(p, n, []byte(v)) }
	case 5:
		delete(m, modelRow{tagProducer, p, n})
		return func(w *Rows) { w.DeleteProducer(p, n) }
	case 6:
		m.drop(func(r modelRow) bool { return isLog(r) && r.p == p && r.n < n })
		return func(w *Rows) { w.DeleteBefore(p, n) }
	case 7:
		m.drop(func(r modelRow) bool { return isLog(r) && r.p == p && r.n >= n })
		return func(w *Rows) { w.DeleteFrom(p, n) }
	case 8:
		m.drop(func(r modelRow) bool { return r.p == p })
		return func(w *Rows) { w.DeletePartition(p) }
	case 9:
		m.drop(func(r modelRow) bool { return r.p.Topic == p.Topic })
		return func(w *Rows) { w.DeleteTopic(p.Topic) }
	default:
		m[modelRow{tagMeta, p, 0}] = v
		return func(w *Rows) { w.PutMeta(p, []byte(v)) }
	}
}

// rows lists the model's rows of one kind and partition from a number on.
func (m model) rows(tag byte, p Partition, from int64) (numbers []int64, values []string) {
	for r := range m {
		if r.tag == tag && r.p == p && r.n >= from {
			numbers = append(numbers, r.n)
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		values = append(values, m[modelRow{tag, p, n}])
	}
	return numbers, values
}

// check reads all of the store's rows of p and holds them to the model.
func (m model) check(t *rapid.T, s *Store, p Partition) {
	from := rapid.Int64Range(-1, 13).Draw(t, "from")
	for tag, read := range map[byte]func(yield func(int64, []byte) bool) error{
		tagBatch:    func(y func(int64, []byte) bool) error { return s.Batches(p, from, y) },
		tagTime:     func(y func(int64, []byte) bool) error { return s.TimeRows(p, from, y) },
		tagProducer: func(y func(int64, []byte) bool) error { return s.Producers(p, y) },
	} {
		start := from
		if tag == tagProducer {
			start = 0
		}
		wantNumbers, wantValues := m.rows(tag, p, start)
		var numbers []int64
		var values []string
		require.NoError(t, read(func(n int64, v []byte) bool {
			numbers, values = append(numbers, n), append(values, string(v))
			return true
		}))
		require.Equal(t, wantNumbers, numbers)
		require.Equal(t, wantValues, values)
	}
	numbers, _ := m.rows(tagBatch, p, 0)
	last, ok, err := s.LastBatch(p)
	require.NoError(t, err)
	require.Equal(t, len(numbers) > 0, ok)
	if ok {
		require.Equal(t, slices.Max(numbers), last)
	}
	numbers, _ = m.rows(tagTime, p, 0)
	numbers = slices.DeleteFunc(numbers, func(n int64) bool { return n >= from })
	found, err := s.TimeBefore(p, from, func(last int64, _ []byte) { require.Equal(t, slices.Max(numbers), last) })
	require.NoError(t, err)
	require.Equal(t, len(numbers) > 0, found)
	want, ok := m[modelRow{tagMeta, p, 0}]
	found, err = s.Meta(p, func(v []byte) { require.Equal(t, want, string(v)) })
	require.NoError(t, err)
	require.Equal(t, ok, found)
}

// The store does what a map would, over flushes, compactions and restarts.
func TestStoreAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewMem()
		open := func() *Store {
			s, err := Open(memOptions(fs))
			require.NoError(t, err)
			return s
		}
		s := open()
		m := model{}
		for range rapid.IntRange(1, 12).Draw(t, "commits") {
			for range rapid.IntRange(1, 4).Draw(t, "items") {
				var changes []func(*Rows)
				for range rapid.IntRange(1, 4).Draw(t, "operations") {
					changes = append(changes, m.operation(t))
				}
				s.Enqueue(put(func(w *Rows) {
					for _, change := range changes {
						change(w)
					}
				}))
			}
			c := s.Enqueue(put(func(*Rows) {}))
			<-c.Done()
			require.NoError(t, c.Err())
			switch rapid.IntRange(0, 8).Draw(t, "then") {
			case 0:
				require.NoError(t, s.Reclaim(t.Context()))
			case 1:
				require.NoError(t, s.Close())
				s = open()
			}
			for index := range int32(3) {
				m.check(t, s, Partition{Topic: 1, Index: index})
				m.check(t, s, Partition{Topic: 2, Index: index})
			}
		}
		require.NoError(t, s.Close())
	})
}

func FuzzScan(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add(make([]byte, 100), false)
	f.Add([]byte{0, 0, 0, 0, 3, 0, 1, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 2, 9}, false)
	f.Fuzz(func(t *testing.T, data []byte, log bool) {
		c := chunkScan{isLog: log, log: 7}
		c.block(data[:min(len(data), chunkBlock)])
		require.LessOrEqual(t, c.after*chunkHeader, len(data))
	})
}
