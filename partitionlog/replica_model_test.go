package partitionlog

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// replicaImage is a replica's log as a list.
type replicaImage struct {
	promised int32
	data     int64 // base of the first batch; the end where there is none
	batches  []shippedImage
	history  []EpochStart
	void     bool
}

type shippedImage struct {
	base, last int64
	epoch      int32
	value      string // of each record
}

func (im *replicaImage) end() int64 {
	if n := len(im.batches); n > 0 {
		return im.batches[n-1].last + 1
	}
	return im.data
}

func (im *replicaImage) lastEpoch() int32 { return epochAt(im.history, im.end()-1) }

// add drops the empty epochs at the end: replication.History.Add.
func (im *replicaImage) add(epoch int32, start int64) {
	im.history = slices.DeleteFunc(slices.Clone(im.history), func(e EpochStart) bool { return e.Start >= start })
	if n := len(im.history); n == 0 || im.history[n-1].Epoch < epoch {
		im.history = append(im.history, EpochStart{Epoch: epoch, Start: start})
	}
}

func (im replicaImage) appended(b shippedImage) replicaImage {
	im.add(b.epoch, b.base)
	im.batches = append(slices.Clip(im.batches), b)
	return im
}

func (im replicaImage) promisedTo(epoch int32, lead bool) replicaImage {
	im.promised = epoch
	if lead {
		im.add(epoch, im.end())
	}
	return im
}

func (im replicaImage) cut(to int64) replicaImage {
	if to >= im.end() {
		return im
	}
	n := len(im.batches)
	for n > 0 && im.batches[n-1].last >= to {
		n--
	}
	im.batches = slices.Clip(im.batches[:n])
	end := im.end()
	im.history = slices.DeleteFunc(slices.Clone(im.history), func(e EpochStart) bool { return e.Start >= end })
	return im
}

func (im replicaImage) resetTo(data int64, h []EpochStart) replicaImage {
	h = slices.DeleteFunc(slices.Clone(h), func(e EpochStart) bool { return e.Start >= data })
	return replicaImage{promised: im.promised, data: data, history: h}
}

// TestReplicaAgainstModel does what can be done to a replica's log, in any order, while
// the committer stands still or goes on, with crashes, and compares what is stored, what
// is shipped and what readers see.
func TestReplicaAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newReplicaRun(t)
		defer func() { require.NoError(t, r.store.Close()) }()
		t.Repeat(map[string]func(*rapid.T){
			"lead":           r.lead,
			"lead more":      r.lead,
			"follow":         r.follow,
			"follow more":    r.follow,
			"promise":        r.promise,
			"truncate":       r.truncate,
			"reset":          r.reset,
			"stall":          r.stall,
			"high watermark": r.highWatermark,
			"raise start":    r.raiseStart,
			"flush":          func(*rapid.T) { r.flush() },
			"void":           r.markVoid,
			"refused":        r.refused,
			"crash":          r.crash,
			"":               func(*rapid.T) { r.compare() },
		})
	})
}

// replicaRun is one replica's log and its model.
type replicaRun struct {
	t          *rapid.T
	disk       disk
	fs         *vfs.MemFS
	store      *kv.Store
	log        *Log
	moves      *Moves
	generation uint64
	leading    bool
	serial     int

	image        replicaImage
	start, hw    int64
	durableStart int64
	durableHW    int64
	goal         int64
}

func newReplicaRun(t *rapid.T) *replicaRun {
	r := &replicaRun{t: t, fs: vfs.NewCrashableMem(), image: replicaImage{promised: NoEpoch}}
	r.disk = disk{
		rowBytes: rapid.SampledFrom([]int64{1 << 10, 64 << 10}).Draw(t, "row bytes"),
		recent:   rapid.SampledFrom([]int64{-1, 64 << 10, 1 << 20}).Draw(t, "recent bytes"),
		memTable: 256 << 10,
	}
	r.open()
	return r
}

func (r *replicaRun) open() Stored {
	r.disk.fs = r.fs
	s, err := r.disk.openStore()
	require.NoError(r.t, err)
	r.store = s
	r.log, err = r.disk.logs(s).Log(kv.Partition{Topic: 1})
	require.NoError(r.t, err)
	r.moves = NewMoves()
	stored, err := r.log.Replicate(r.moves)
	require.NoError(r.t, err)
	r.generation, r.leading = stored.Generation, false
	return stored
}

func (r *replicaRun) wait(rc Receipt) {
	<-rc.Done()
	require.NoError(r.t, rc.Err())
}

// stamped makes the next batch as a leader of the epoch would.
func (r *replicaRun) stamped(t *rapid.T, base int64, epoch int32) (shippedImage, Shipped) {
	r.serial++
	n := rapid.IntRange(1, 5).Draw(t, "records")
	size := rapid.SampledFrom([]int{1, 300, 3000}).Draw(t, "bytes")
	im := shippedImage{base: base, last: base + int64(n) - 1, epoch: epoch, value: fmt.Sprintf("%0*d", size, r.serial)}
	builder := record.NewBuilder(record.None)
	for range n {
		builder.Append(record.Record{Timestamp: 77, Value: []byte(im.value)})
	}
	b, err := builder.Seal(nil)
	require.NoError(t, err)
	b.Stamp(base, epoch)
	return im, Shipped{Batch: b, Appended: int64(1000 + r.serial), Gap: -1}
}

// begun gives one more append to the log, not waited for.
func (r *replicaRun) begun(t *rapid.T, im *replicaImage) Receipt {
	epoch := im.promised
	if !r.leading {
		epoch = rapid.Int32Range(max(im.lastEpoch(), 0), im.promised).Draw(t, "epoch")
	}
	b, s := r.stamped(t, im.end(), epoch)
	var rc Receipt
	var err error
	if r.leading {
		rc, err = r.log.Append(s.Batch, AppendOptions{Now: s.Appended, Generation: r.generation})
	} else {
		rc, err = r.log.AppendShipped(r.generation, []Shipped{s})
	}
	require.NoError(t, err)
	require.Equal(t, b.last, rc.Last)
	*im = im.appended(b)
	return rc
}

func (r *replicaRun) canAppend() bool {
	return r.image.promised >= 0 && r.generation > 0 && !r.image.void
}

func (r *replicaRun) lead(t *rapid.T) {
	if r.canAppend() && r.leading {
		r.wait(r.begun(t, &r.image))
	}
}

func (r *replicaRun) follow(t *rapid.T) {
	if r.canAppend() && !r.leading {
		r.wait(r.begun(t, &r.image))
	}
}

// drawPromise gives a promise that is to be taken.
func (r *replicaRun) drawPromise(t *rapid.T) Promise {
	r.generation++
	lead := rapid.Bool().Draw(t, "lead")
	least := int32(0)
	if lead {
		least = 1
	}
	epoch := r.image.promised + rapid.Int32Range(least, 2).Draw(t, "epoch")
	return Promise{Generation: r.generation, Epoch: max(epoch, 0), Lead: lead}
}

func (r *replicaRun) promise(t *rapid.T) {
	p := r.drawPromise(t)
	c, err := r.log.Promise(p)
	require.NoError(t, err)
	r.leading = p.Lead
	r.image = r.image.promisedTo(p.Epoch, p.Lead)
	r.settle(c)
}

// settle waits for a change and holds it, and the Move that tells of it, to the image.
func (r *replicaRun) settle(c Change) {
	r.wait(c.Receipt)
	require.Equal(r.t, r.image.end(), c.End)
	start := r.log.Stored().LogStart
	require.Equal(r.t, fmt.Sprint(needed(r.image.history, start, c.End)), fmt.Sprint(needed(c.History, start, c.End)))
	moves := r.moves.Take(nil)
	require.Len(r.t, moves, 1)
	m := moves[0]
	require.NotNil(r.t, m.Change)
	require.Equal(r.t, [4]int64{int64(r.generation), c.End, c.End, c.End},
		[4]int64{int64(m.Generation), m.Applied, m.Durable, m.Change.End})
}

func (r *replicaRun) truncate(t *rapid.T) {
	to := rapid.Int64Range(max(r.start-3, 0), r.image.end()+1).Draw(t, "to")
	r.generation++
	c, err := r.log.Truncate(r.generation, to)
	require.NoError(t, err)
	r.leading = false
	if to >= r.image.end() {
		r.settle(c)
		return
	}
	below := r.image.resetTo(r.start, r.image.history).history
	r.image = r.image.cut(to)
	if r.image.end() < r.start { // the batch that holds the start went: what lies below to is agreed on
		r.image = replicaImage{promised: r.image.promised, void: r.image.void, data: r.start, history: below}
	}
	if r.start > to {
		r.image.history = nil
	}
	if len(r.image.batches) == 0 {
		r.durableStart, r.goal = r.start, 0
	}
	r.hw = min(r.hw, r.image.end())
	r.durableHW = min(r.durableHW, r.hw)
	r.settle(c)
}

func (r *replicaRun) drawReset(t *rapid.T) Reset {
	r.generation++
	data := rapid.Int64Range(0, r.image.end()+20).Draw(t, "data start")
	x := Reset{Generation: r.generation, DataStart: data, LogStart: data + rapid.Int64Range(0, 4).Draw(t, "log start")}
	for e := int32(0); e <= r.image.promised; e += 2 {
		x.History = append(x.History, EpochStart{Epoch: e, Start: max(data-4, 0) + int64(e)})
	}
	return x
}

func (r *replicaRun) applyReset(x Reset) {
	r.leading = false
	r.image = r.image.resetTo(x.DataStart, x.History)
	r.start, r.hw, r.durableStart, r.durableHW, r.goal = x.DataStart, x.DataStart, x.DataStart, x.DataStart, 0
	if x.LogStart > x.DataStart {
		r.goal = x.LogStart
	}
}

func (r *replicaRun) reset(t *rapid.T) {
	if rapid.IntRange(0, 2).Draw(t, "seldom") != 0 {
		return
	}
	x := r.drawReset(t)
	c, err := r.log.Reset(x)
	require.NoError(t, err)
	r.applyReset(x)
	r.settle(c)
}

// stall appends while the committer stands still, and begins a generation then: all of
// it is dropped, its receipts say so, and nothing of it is ever seen.
func (r *replicaRun) stall(t *rapid.T) {
	if !r.canAppend() {
		return
	}
	r.wait(r.begun(t, &r.image)) // all that an append needs is loaded
	r.moves.Take(nil)
	release := stall(r.log)
	dropped := r.image
	var receipts []Receipt
	for range rapid.IntRange(0, 4).Draw(t, "queued") {
		receipts = append(receipts, r.begun(t, &dropped))
	}
	var c Change
	var err error
	if rapid.Bool().Draw(t, "reset") {
		x := r.drawReset(t)
		c, err = r.log.Reset(x)
		r.applyReset(x)
	} else {
		p := r.drawPromise(t)
		c, err = r.log.Promise(p)
		r.leading = p.Lead
		r.image = r.image.promisedTo(p.Epoch, p.Lead)
	}
	require.NoError(t, err)
	release()
	for _, rc := range receipts {
		<-rc.Done()
		require.ErrorIs(t, rc.Err(), ErrStaleGeneration)
	}
	r.settle(c)
}

// stall lets the committer stand still until release.
func stall(l *Log) (release func()) {
	entered, free := make(chan struct{}), make(chan struct{})
	l.logs.store.Enqueue(rowsItem(func(*kv.Rows) {
		close(entered)
		<-free
	}))
	<-entered
	return func() { close(free) }
}

func (r *replicaRun) highWatermark(t *rapid.T) {
	hw := rapid.Int64Range(0, r.image.end()+2).Draw(t, "hw")
	r.log.SetHighWatermark(hw)
	r.hw = max(r.hw, min(hw, r.image.end()))
	r.start = max(r.start, min(r.goal, r.hw))
}

func (r *replicaRun) raiseStart(t *rapid.T) {
	offset := rapid.Int64Range(0, r.image.end()+2).Draw(t, "start")
	r.log.RaiseStart(offset)
	r.start = max(r.start, min(offset, r.hw))
}

func (r *replicaRun) flush() {
	if rc, ok := r.log.logs.FlushStarts(); ok {
		r.wait(rc)
	}
	r.flushed()
}

// flushed is what retention has made of the image: whole batches below the start went.
func (r *replicaRun) flushed() {
	r.durableHW = r.hw
	if r.start <= r.durableStart {
		return
	}
	end := r.image.end()
	r.image.batches = slices.DeleteFunc(slices.Clone(r.image.batches),
		func(b shippedImage) bool { return b.last < r.start })
	r.image.data = end
	if len(r.image.batches) > 0 {
		r.image.data = r.image.batches[0].base
	}
	r.durableStart = r.start
}

func (r *replicaRun) markVoid(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "seldom") == 0 {
		rc, err := r.log.MarkVoid()
		require.NoError(t, err)
		r.wait(rc)
		r.image.void = true
	}
}

// refused tries what must change nothing.
func (r *replicaRun) refused(t *rapid.T) {
	_, s := r.stamped(t, r.image.end(), max(r.image.promised, 0))
	_, err := r.log.Append(s.Batch, AppendOptions{Now: 1, Generation: r.generation + 1})
	require.Error(t, err)
	_, err = r.log.Append(s.Batch, AppendOptions{Now: 1})
	require.Error(t, err)
	_, err = r.log.AppendShipped(r.generation+1, []Shipped{s})
	require.Error(t, err)
	_, err = r.log.Promise(Promise{Generation: r.generation, Epoch: r.image.promised + 1})
	require.ErrorIs(t, err, ErrStaleGeneration)
	_, err = r.log.Reset(Reset{Generation: r.generation})
	require.ErrorIs(t, err, ErrStaleGeneration)
	_, err = r.log.Truncate(r.generation, 0)
	require.ErrorIs(t, err, ErrStaleGeneration)
	if r.leading || !r.canAppend() {
		return
	}
	for what, spoil := range map[string]func(*Shipped){
		"gap":       func(s *Shipped) { s.Batch.Stamp(r.image.end()+9, r.image.promised) },
		"too new":   func(s *Shipped) { s.Batch.Stamp(r.image.end(), r.image.promised+1) },
		"epoch":     func(s *Shipped) { s.Batch.Stamp(r.image.end(), r.image.lastEpoch()-1) },
		"checksum":  func(s *Shipped) { s.Batch[len(s.Batch)-1]++ },
		"truncated": func(s *Shipped) { s.Batch = s.Batch[:len(s.Batch)-1] },
		"gap in time": func(s *Shipped) {
			s.Gap = s.Appended + 1
		},
	} {
		_, good := r.stamped(t, r.image.end(), r.image.promised)
		_, bad := r.stamped(t, r.image.end(), r.image.promised)
		spoil(&bad)
		_, err := r.log.AppendShipped(r.generation, []Shipped{bad})
		require.ErrorIs(t, err, ErrDiscontinuous, what)
		_, err = r.log.AppendShipped(r.generation, []Shipped{good, bad})
		require.ErrorIs(t, err, ErrDiscontinuous, what)
	}
}

// crash loses what was not synced, or a part of it, while appends and perhaps a promise
// or a reset are under way: the log is as after one of them.
func (r *replicaRun) crash(t *rapid.T) {
	images := []replicaImage{r.image}
	if r.canAppend() {
		flying := r.image
		for range rapid.IntRange(0, 4).Draw(t, "in flight") {
			r.begun(t, &flying)
			images = append(images, flying)
		}
	}
	start, hw, goal := r.start, r.hw, r.goal
	durableStart, durableHW := r.durableStart, r.durableHW
	reset := false
	if rapid.Bool().Draw(t, "generation") {
		var c Change
		var err error
		if reset = rapid.Bool().Draw(t, "reset"); reset {
			x := r.drawReset(t)
			c, err = r.log.Reset(x)
			r.applyReset(x)
			images = append(images, r.image)
		} else {
			p := r.drawPromise(t)
			c, err = r.log.Promise(p)
			images = slices.DeleteFunc(images, func(im replicaImage) bool { return im.end() > c.End })
			images = append(images, images[len(images)-1].promisedTo(p.Epoch, p.Lead))
		}
		require.NoError(t, err)
	}
	percent := rapid.SampledFrom([]int{0, 0, 50, 100}).Draw(t, "unsynced %")
	seed := rapid.Uint64().Draw(t, "seed")
	after := r.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rand.New(rand.NewPCG(seed, 1))})
	require.NoError(t, r.store.Close())
	r.fs = after
	s := r.open()
	goals := []int64{0, goal, r.goal}
	if reset && r.matches(&r.image, s) {
		require.GreaterOrEqual(t, s.HighWatermark, r.hw)
	} else {
		i := slices.IndexFunc(images, func(im replicaImage) bool { return r.matches(&im, s) })
		require.GreaterOrEqual(t, i, 0, "%+v is none of %+v", s, images)
		r.image = images[i]
		r.start, r.hw, r.goal, r.durableStart, r.durableHW = start, hw, goal, durableStart, durableHW
	}
	if reset && r.log.goal == goal { // before it and after may look the same but for this
		r.goal = goal
	}
	require.GreaterOrEqual(t, s.LogStart, r.durableStart)
	require.LessOrEqual(t, s.LogStart, max(r.start, min(r.goal, s.End)))
	require.GreaterOrEqual(t, s.HighWatermark, r.durableHW)
	require.LessOrEqual(t, s.HighWatermark, max(r.hw, s.LogStart))
	r.start, r.hw, r.durableStart, r.durableHW = s.LogStart, s.HighWatermark, s.LogStart, s.HighWatermark
	// An empty log that was reset to what it was does not show whether the reset is among what was kept.
	require.Contains(t, goals, r.log.goal)
	r.goal = r.log.goal
}

func (r *replicaRun) matches(im *replicaImage, s Stored) bool {
	return im.promised == s.Promised && im.end() == s.End && im.data == s.DataStart && im.void == s.Void &&
		fmt.Sprint(needed(im.history, s.LogStart, s.End)) == fmt.Sprint(needed(s.History, s.LogStart, s.End))
}

// needed leaves out the epochs that have no record at start or above in a log that ends
// at end: when they go is not said.
func needed(h []EpochStart, start, end int64) []EpochStart {
	for len(h) > 0 && h[0].Start < start {
		next := end
		if len(h) > 1 {
			next = h[1].Start
		}
		if next > start {
			break
		}
		h = h[1:]
	}
	return h
}

// compare is done after each step.
func (r *replicaRun) compare() {
	s := r.log.Stored()
	require.True(r.t, r.matches(&r.image, s), "want %+v, got %+v", r.image, s)
	start, end := r.log.Bounds()
	require.Equal(r.t, [2]int64{r.start, r.hw}, [2]int64{start, end})
	require.Equal(r.t, r.generation, s.Generation)

	var shipped []shippedImage
	for at := s.DataStart; at < s.End; {
		data, end, err := r.log.ReadAppended(nil, at, 4000)
		require.NoError(r.t, err)
		require.Greater(r.t, end, at)
		for len(data) > 0 {
			var b Shipped
			b, data, err = DecodeShipped(data)
			require.NoError(r.t, err)
			records, err := recordsOf(b.Batch)
			require.NoError(r.t, err)
			shipped = append(shipped, shippedImage{
				base: b.Batch.BaseOffset(), last: b.Batch.LastOffset(), epoch: b.Batch.LeaderEpoch(),
				value: string(records[0].Value),
			})
		}
		at = end
	}
	require.Equal(r.t, fmt.Sprint(r.image.batches), fmt.Sprint(shipped))

	got, next := 0, r.start
	for {
		read, err := r.log.Read(nil, next, 5000)
		require.NoError(r.t, err)
		records, err := recordsOf(read.Data)
		require.NoError(r.t, err)
		if len(records) == 0 {
			break
		}
		last := records[len(records)-1].Offset
		got += int(last + 1 - max(next, records[0].Offset))
		next = last + 1
	}
	visible := 0
	for _, b := range r.image.batches {
		if b.last < r.hw {
			visible += int(max(0, b.last+1-max(b.base, r.start)))
		}
	}
	require.Equal(r.t, visible, got)
}
