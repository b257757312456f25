package partitionlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
)

// history is what one worker did to one log, operation by operation, each one
// waited for: whatever crashes, the log is as after the last operation that was
// acknowledged, or as after the one that was begun next.
type history struct {
	part kv.Partition

	mu     sync.Mutex
	states []logImage // states[i] is the log after operation i was begun and done
	acked  int        // states[acked] is acknowledged
}

// logImage is a log's content.
type logImage struct {
	start   int64
	batches []imageBatch // with those below start
	epoch   int16        // of the producer
}

type imageBatch struct {
	base   int64
	values []string
	p      seq
}

func (b *imageBatch) end() int64 { return b.base + int64(len(b.values)) }

func (im *logImage) end() int64 {
	if n := len(im.batches); n > 0 {
		return im.batches[n-1].end()
	}
	return 0
}

// values are what readers see, "offset:value".
func (im *logImage) visible() (out []string) {
	for _, b := range im.batches {
		for i, v := range b.values {
			if at := b.base + int64(i); at >= im.start {
				out = append(out, fmt.Sprint(at, ":", v))
			}
		}
	}
	return out
}

func newHistory(part kv.Partition) *history {
	return &history{part: part, states: []logImage{{}}}
}

func (h *history) begin(im logImage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, im)
}

func (h *history) done() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked = len(h.states) - 1
}

func (h *history) ackedNow() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.acked
}

// run does n operations; an error ends it.
func (h *history) run(ls *Logs, n int, rng *rand.Rand) error {
	l, err := ls.Log(h.part)
	if err != nil {
		return err
	}
	for i := range n {
		im := h.states[len(h.states)-1]
		im.batches = slices.Clip(im.batches)
		var r Receipt
		switch live := im.end() - im.start; {
		case live > 8 && rng.IntN(8) == 0:
			r, err = h.truncateEnd(l, im, rng)
		case live > 8 && rng.IntN(8) == 0:
			im.start += rng.Int64N(live / 2)
			h.begin(im)
			r, err = l.TruncatePrefix(im.start)
		default:
			r, err = h.append(l, im, i, rng)
		}
		if err != nil {
			return err
		}
		<-r.Done()
		if err := r.Err(); err != nil {
			return err
		}
		h.done()
	}
	return nil
}

// next is where the log's producer goes on: with what its last batch left, or in
// a new epoch where nothing is left of it.
func (im *logImage) next() seq {
	if n := len(im.batches); n > 0 && im.batches[n-1].p.epoch == im.epoch {
		p := im.batches[n-1].p
		p.first += int32(len(im.batches[n-1].values))
		return p
	}
	return seq{id: 1, epoch: im.epoch}
}

func (h *history) append(l *Log, im logImage, i int, rng *rand.Rand) (Receipt, error) {
	b := imageBatch{base: im.end(), p: im.next()}
	size := []int{10, 500, 3000}[rng.IntN(3)]
	for k := range 1 + rng.IntN(3) {
		b.values = append(b.values, fmt.Sprintf("%v/%d/%d/%0*d", h.part, i, k, size, rng.Uint32()))
	}
	im.batches = append(im.batches, b)
	h.begin(im)
	r, err := l.Append(b.encode(), AppendOptions{Now: int64(1000 + 100*i)})
	if err == nil && (r.Base != b.base || r.Duplicate) {
		return r, fmt.Errorf("%v: appended at %d (duplicate %v), not at %d", h.part, r.Base, r.Duplicate, b.base)
	}
	return r, err
}

// truncateEnd cuts some of the last batches; the producer goes on in a new epoch.
func (h *history) truncateEnd(l *Log, im logImage, rng *rand.Rand) (Receipt, error) {
	cut := min(1+rng.IntN(3), len(im.batches)-1)
	keep := len(im.batches) - cut
	for im.batches[keep].base < im.start {
		keep++
	}
	if keep == len(im.batches) {
		return Receipt{done: l.logs.closed}, nil
	}
	at := im.batches[keep].base + rng.Int64N(int64(len(im.batches[keep].values)))
	im.batches = slices.Clip(im.batches[:keep])
	im.epoch++
	h.begin(im)
	return l.TruncateSuffix(at)
}

func (b *imageBatch) encode() record.Batch {
	builder := record.NewBuilder(record.None)
	for _, v := range b.values {
		builder.Append(record.Record{Timestamp: 77, Value: []byte(v)})
	}
	builder.SetProducer(b.p.id, b.p.epoch, b.p.first)
	sealed, err := builder.Seal(nil)
	if err != nil {
		panic(err)
	}
	return sealed
}

// check holds a log that came back after a crash to the states from acked on. It
// gives the state that it is in.
func (h *history) check(ls *Logs, acked int) (int, error) {
	l, err := ls.Log(h.part)
	if err != nil {
		return 0, err
	}
	start, end := l.Bounds()
	records, err := readAll(l, start, 5000)
	if err != nil {
		return 0, fmt.Errorf("%v: %w", h.part, err)
	}
	var got []string
	for _, r := range records {
		got = append(got, fmt.Sprint(r.Offset, ":", string(r.Value)))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := acked; i < len(h.states); i++ {
		im := &h.states[i]
		if im.start == start && im.end() == end && slices.Equal(im.visible(), got) {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%v: %d..%d is no state from %d of %d on (which is %d..%d)", h.part, start, end,
		acked, len(h.states), h.states[acked].start, h.states[acked].end())
}

// retry sends the last append of state i once more, and the operation behind it
// if that was an append: there is one copy of each (H1).
func (h *history) retry(ls *Logs, i int) error {
	l, err := ls.Log(h.part)
	if err != nil {
		return err
	}
	im := &h.states[i]
	if n := len(im.batches); n > 0 && im.batches[n-1].p.epoch == im.epoch {
		b := &im.batches[n-1]
		r, err := l.Append(b.encode(), AppendOptions{Now: 1})
		if err != nil || !r.Duplicate || r.Base != b.base {
			return fmt.Errorf("%v: retry of %d: at %d, duplicate %v: %w", h.part, b.base, r.Base, r.Duplicate, err)
		}
	}
	b := imageBatch{base: im.end(), p: im.next(), values: []string{"behind the crash"}}
	r, err := l.Append(b.encode(), AppendOptions{Now: 1})
	if err != nil {
		return err
	}
	<-r.Done()
	if r.Base != b.base || r.Duplicate {
		return errors.New("the append behind the crash is not at the end")
	}
	return r.Err()
}
