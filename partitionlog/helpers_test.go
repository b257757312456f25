package partitionlog

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// disk opens stores of one directory of a file system.
type disk struct {
	fs        vfs.FS
	memTable  int64
	fatal     func(error)
	recent    int64
	rowBytes  int64
	producers int
	events    Events
}

func (d disk) openStore() (*kv.Store, error) {
	fatal := d.fatal
	if fatal == nil {
		fatal = func(err error) { panic(err) }
	}
	memTable := d.memTable
	if memTable == 0 {
		memTable = 1 << 20
	}
	return kv.Open(kv.Options{
		Dir: "data", FS: d.fs, MemTableBytes: memTable, CacheBytes: 1 << 20,
		Events: kv.Events{Fatal: fatal, Corruption: func(error) {}},
	})
}

func (d disk) open(t testing.TB) (*kv.Store, *Logs) {
	t.Helper()
	s, err := d.openStore()
	require.NoError(t, err)
	return s, d.logs(s)
}

func (d disk) logs(s *kv.Store) *Logs {
	return New(s, Options{
		RecentBytes: d.recent, TimeRowBytes: d.rowBytes, MaxProducers: d.producers,
		LeaderEpoch: s.Identity().LeaderEpoch, Events: d.events,
	})
}

// newLogs opens logs in memory, closed at the end of the test.
func newLogs(t testing.TB, d disk) *Logs {
	t.Helper()
	if d.fs == nil {
		d.fs = vfs.NewMem()
	}
	ignore := goleak.IgnoreCurrent()
	s, ls := d.open(t)
	t.Cleanup(func() {
		require.NoError(t, s.Close())
		goleak.VerifyNone(t, ignore)
	})
	return ls
}

func mustLog(t testing.TB, ls *Logs, topic uint64, index int32) *Log {
	t.Helper()
	l, err := ls.Log(kv.Partition{Topic: topic, Index: index})
	require.NoError(t, err)
	return l
}

// seq is a producer's place: its id, epoch and the next batch's sequence.
type seq struct {
	id    int64
	epoch int16
	first int32
}

var noSeq = seq{id: -1, epoch: -1, first: -1}

// batchOf seals a batch of values with one timestamp.
func batchOf(t testing.TB, p seq, ts int64, values ...string) record.Batch {
	t.Helper()
	b := record.NewBuilder(record.None)
	for _, v := range values {
		b.Append(record.Record{Timestamp: ts, Value: []byte(v)})
	}
	b.SetProducer(p.id, p.epoch, p.first)
	sealed, err := b.Seal(nil)
	require.NoError(t, err)
	return sealed
}

// numbered gives n values that begin with name.
func numbered(name string, n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%s-%d", name, i)
	}
	return values
}

// appendWait appends and waits until it is durable.
func appendWait(t testing.TB, l *Log, b record.Batch, now int64) Receipt {
	t.Helper()
	r, err := l.Append(b, AppendOptions{Now: now})
	require.NoError(t, err)
	waitFor(t, r)
	return r
}

func waitFor(t testing.TB, r Receipt) {
	t.Helper()
	<-r.Done()
	require.NoError(t, r.Err())
}

// recordsOf decodes whole batches.
func recordsOf(data []byte) (records []record.Record, err error) {
	for len(data) > 0 {
		b, rest, err := record.Split(data)
		if err != nil {
			return records, err
		}
		if err := b.VerifyCRC(); err != nil {
			return records, err
		}
		for r, err := range b.Records(record.Limits{}) {
			if err != nil {
				return records, err
			}
			records = append(records, r)
		}
		data = rest
	}
	return records, nil
}

// readAll reads from offset to the end, in reads of maxBytes.
func readAll(l *Log, offset int64, maxBytes int) (records []record.Record, err error) {
	for {
		r, err := l.Read(nil, offset, maxBytes)
		if err != nil {
			return records, err
		}
		got, err := recordsOf(r.Data)
		if err != nil {
			return records, err
		}
		if len(got) == 0 {
			if offset != r.End {
				return records, errors.New("no data below the end")
			}
			return records, nil
		}
		for _, rec := range got {
			if rec.Offset >= offset {
				records = append(records, rec)
			}
		}
		offset = got[len(got)-1].Offset + 1
	}
}
