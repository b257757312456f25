package partitionlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// TestLogAgainstModel does what can be done to a log, in any order, with crashes,
// to it and to the model, and compares what readers and retention see.
func TestLogAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRun(t)
		defer r.close()
		t.Repeat(map[string]func(*rapid.T){
			"append":         r.append,
			"append more":    r.append,
			"retry":          r.retry,
			"wrong sequence": r.wrongSequence,
			"raise start":    r.raiseStart,
			"flush starts":   func(*rapid.T) { r.flush() },
			"prefix":         r.truncatePrefix,
			"suffix":         r.truncateSuffix,
			"retain":         r.retain,
			"reopen":         func(*rapid.T) { r.reopen() },
			"crash":          r.crash,
			"read":           r.read,
			"time":           r.time,
			"":               func(*rapid.T) { r.compare() },
		})
	})
}

// run is one log and its model.
type run struct {
	t      *rapid.T
	disk   disk
	fs     *vfs.MemFS
	store  *kv.Store
	log    *Log
	model  *model
	now    int64
	serial int
	// durableStart is the newest start that was made durable.
	durableStart int64
}

func newRun(t *rapid.T) *run {
	r := &run{t: t, fs: vfs.NewCrashableMem(), model: newModel(), now: 1_000_000}
	r.disk = disk{
		rowBytes: rapid.SampledFrom([]int64{1 << 10, 64 << 10}).Draw(t, "row bytes"),
		recent:   rapid.SampledFrom([]int64{-1, 1, 64 << 10, 1 << 20}).Draw(t, "recent bytes"),
		memTable: 256 << 10,
	}
	r.open()
	return r
}

func (r *run) open() {
	r.disk.fs = r.fs
	s, err := r.disk.openStore()
	require.NoError(r.t, err)
	r.store = s
	r.log, err = r.disk.logs(s).Log(kv.Partition{Topic: 1})
	require.NoError(r.t, err)
}

func (r *run) close() {
	if r.store != nil {
		require.NoError(r.t, r.store.Close())
	}
}

func (r *run) reopen() {
	r.close()
	r.open()
	r.adoptStart()
}

// adoptStart takes over the start that a restart has found.
func (r *run) adoptStart() {
	start, _ := r.log.Bounds()
	require.GreaterOrEqual(r.t, start, r.durableStart)
	require.LessOrEqual(r.t, start, r.model.start)
	r.model.start = start
}

func (r *run) wait(rc Receipt) {
	<-rc.Done()
	require.NoError(r.t, rc.Err())
}

// draw makes a batch of producer p.
func (r *run) draw(t *rapid.T, p seq) modelBatch {
	n := rapid.IntRange(1, 6).Draw(t, "records")
	b := modelBatch{producer: p}
	size := rapid.SampledFrom([]int{1, 10, 300, 5000}).Draw(t, "bytes")
	for i := range n {
		r.serial++
		b.values = append(b.values, fmt.Sprintf("%0*d", size, r.serial))
		b.timestamps = append(b.timestamps, r.now+rapid.Int64Range(-3000, 3000).Draw(t, fmt.Sprint("ts", i)))
	}
	return b
}

func (b *modelBatch) encode() record.Batch {
	builder := record.NewBuilder(record.None)
	for i, v := range b.values {
		builder.Append(record.Record{Timestamp: b.timestamps[i], Value: []byte(v)})
	}
	builder.SetProducer(b.producer.id, b.producer.epoch, b.producer.first)
	sealed, err := builder.Seal(nil)
	if err != nil {
		panic(err)
	}
	return sealed
}

func (r *run) producer(t *rapid.T) seq {
	id := rapid.Int64Range(-1, 3).Draw(t, "producer")
	if id < 0 {
		return noSeq
	}
	p := r.model.nextSeq(id)
	if state := r.model.state[id]; state != nil && state.vague || rapid.IntRange(0, 9).Draw(t, "bump") == 0 {
		p.epoch++
		p.first = 0
	}
	return p
}

// start hands b to the log.
func (r *run) start(b *modelBatch) Receipt {
	encoded := b.encode()
	rc, err := r.log.Append(encoded, AppendOptions{Now: r.now})
	require.NoError(r.t, err)
	require.False(r.t, rc.Duplicate)
	b.base, b.last, b.appended, b.size = rc.Base, rc.Last, rc.AppendTime, int64(len(encoded))
	return rc
}

func (r *run) append(t *rapid.T) {
	r.now += rapid.SampledFrom([]int64{0, 1, 400, 700, 5000}).Draw(t, "later")
	b := r.draw(t, r.producer(t))
	rc := r.start(&b)
	require.Equal(t, r.model.next, b.base)
	r.wait(rc)
	r.model.append(b)
}

// retry sends one of a producer's last batches again.
func (r *run) retry(t *rapid.T) {
	id := rapid.Int64Range(0, 3).Draw(t, "producer")
	p := r.model.state[id]
	if p == nil || p.vague {
		return
	}
	back := rapid.IntRange(1, min(remembered, len(p.history))).Draw(t, "back")
	b := p.history[len(p.history)-back]
	rc, err := r.log.Append(b.encode(), AppendOptions{Now: r.now})
	require.NoError(t, err)
	require.True(t, rc.Duplicate)
	require.Equal(t, [2]int64{b.base, b.last}, [2]int64{rc.Base, rc.Last})
	r.wait(rc)
}

func (r *run) wrongSequence(t *rapid.T) {
	id := rapid.Int64Range(0, 3).Draw(t, "producer")
	p := r.model.nextSeq(id)
	p.first += rapid.Int32Range(1, 9).Draw(t, "gap")
	b := r.draw(t, p)
	_, err := r.log.Append(b.encode(), AppendOptions{Now: r.now})
	if state := r.model.state[id]; state != nil && state.vague {
		return
	}
	require.ErrorIs(t, err, ErrOutOfOrderSequence)
}

func (r *run) offset(t *rapid.T) int64 {
	return rapid.Int64Range(r.model.start, r.model.next).Draw(t, "offset")
}

func (r *run) raiseStart(t *rapid.T) {
	offset := r.offset(t)
	r.log.RaiseStart(offset)
	r.model.raiseStart(offset)
}

func (r *run) flush() {
	if rc, ok := r.log.logs.FlushStarts(); ok {
		r.wait(rc)
	}
	r.durableStart = r.model.start
}

func (r *run) truncatePrefix(t *rapid.T) {
	offset := r.offset(t)
	rc, err := r.log.TruncatePrefix(offset)
	require.NoError(t, err)
	r.wait(rc)
	r.model.raiseStart(offset)
	r.durableStart = max(r.durableStart, offset)
}

func (r *run) truncateSuffix(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "seldom") != 0 {
		return
	}
	offset := r.offset(t)
	rc, err := r.log.TruncateSuffix(offset)
	require.NoError(t, err)
	r.wait(rc)
	r.model.truncate(offset)
}

// retain cuts the front as retention does.
func (r *run) retain(t *rapid.T) {
	var offset int64
	var err error
	if rapid.Bool().Draw(t, "by age") {
		before := r.now - rapid.Int64Range(-100, 20_000).Draw(t, "age")
		offset, err = r.log.StartForAge(before)
		require.NoError(t, err)
		require.NoError(t, r.model.checkAge(before, offset, 2*rowGraceMs))
	} else {
		keep := rapid.Int64Range(0, 60_000).Draw(t, "keep")
		offset, err = r.log.StartForBytes(keep)
		require.NoError(t, err)
		require.Equal(t, r.model.startForBytes(keep), offset, "keep %d", keep)
	}
	r.log.RaiseStart(offset)
	r.model.raiseStart(offset)
}

// crash loses what was not synced, or a random part of it.
func (r *run) crash(t *rapid.T) {
	var flying []modelBatch
	for range rapid.IntRange(0, 5).Draw(t, "in flight") {
		b := r.draw(t, noSeq)
		r.start(&b)
		flying = append(flying, b)
	}
	percent := rapid.SampledFrom([]int{0, 0, 50, 100}).Draw(t, "unsynced %")
	seed := rapid.Uint64().Draw(t, "seed")
	after := r.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 1))})
	require.NoError(t, r.store.Close())
	r.fs = after
	r.open()
	_, end := r.log.Bounds()
	require.GreaterOrEqual(t, end, r.model.next, "what was acknowledged is there")
	for _, b := range flying {
		if b.base < end {
			require.LessOrEqual(t, b.last, end-1)
			r.model.append(b)
		}
	}
	require.Equal(t, r.model.next, end)
	r.adoptStart()
}

func (r *run) read(t *rapid.T) {
	offset := r.offset(t)
	got, err := readAll(r.log, offset, rapid.IntRange(0, 20_000).Draw(t, "max"))
	require.NoError(t, err)
	requireRecords(t, r.model.records(offset), got)
}

func (r *run) time(t *rapid.T) {
	ms := r.now + rapid.Int64Range(-20_000, 4000).Draw(t, "ms")
	got, found, err := r.log.OffsetForTime(ms)
	require.NoError(t, err)
	want, wantFound := r.model.offsetForTime(ms)
	require.Equal(t, wantFound, found, "time %d", ms)
	require.Equal(t, want, got, "time %d", ms)
}

// compare is done after each step.
func (r *run) compare() {
	start, end := r.log.Bounds()
	require.Equal(r.t, [2]int64{r.model.start, r.model.next}, [2]int64{start, end})
	_, err := r.log.Read(nil, start-1, 1)
	require.ErrorIs(r.t, err, ErrOffsetOutOfRange)
	_, err = r.log.Read(nil, end+1, 1)
	require.ErrorIs(r.t, err, ErrOffsetOutOfRange)
	st := r.log.Stats()
	if live := r.model.live(); len(live) > 0 {
		require.LessOrEqual(r.t, st.OldestAppend, live[0].appended)
		require.NotZero(r.t, st.OldestAppend)
	} else {
		require.Zero(r.t, st.OldestAppend)
	}
}

func requireRecords(t require.TestingT, want, got []record.Record) {
	if err := sameRecords(want, got); err != nil {
		require.NoError(t, err)
	}
}

func sameRecords(want, got []record.Record) error {
	if len(want) != len(got) {
		return fmt.Errorf("want %d records, got %d", len(want), len(got))
	}
	for i, w := range want {
		g := got[i]
		if w.Offset != g.Offset || w.Timestamp != g.Timestamp || string(w.Value) != string(g.Value) {
			return errors.New(fmt.Sprint("at ", w.Offset, ": want ", w, ", got ", g))
		}
	}
	return nil
}
