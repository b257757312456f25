package broker

import (
	"context"
	"time"

	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// thin_fetch reads records of one partition, unpacked, for clients that know msgpack and nothing else. offset may be
// the start (-2) or the end (-1) of the log. The answer holds at most max_records and max_bytes (keys, values and
// headers), but at least one record if there is one, and names the offset to go on from. With no record it waits up to
// max_wait_ms. What a batch unpacks to is bounded and taken from the memory that all answers share (I-12).
//
// Not done: several partitions in one request.

const (
	thinRecordsDefault = 1000
	thinBytesDefault   = 1 << 20
	thinRecordOverhead = 64 // what a record costs beside its bytes
)

// thinFetchCall is one thin_fetch under way.
type thinFetchCall struct {
	b   *Broker
	req *wire.ThinFetchRequest

	part *partition
	log  *partitionlog.Log
	held int64 // charged to Broker.answers
	buf  *fetchBuffer
}

// thinFetchAnswer is a ThinFetchResponse that gives its memory back.
type thinFetchAnswer struct {
	wire.ThinFetchResponse
	call *thinFetchCall
}

// Release gives back what the answer's records lie in.
func (a *thinFetchAnswer) Release() { a.call.release() }

var _ wire.Releaser = (*thinFetchAnswer)(nil)

// startThinFetch leaves everything to Wait.
func (b *Broker) startThinFetch(req *wire.ThinFetchRequest) wire.Pending {
	return &thinFetchCall{b: b, req: req}
}

// Wait reads, and waits for a first record if there is none.
func (c *thinFetchCall) Wait(ctx context.Context) (wire.Response, error) {
	defer c.b.crash()
	t := c.b.topics.name(c.req.Topic)
	if t == nil {
		return nil, unknownTopic(c.req.Topic)
	}
	if c.part = t.partition(c.req.Partition); c.part == nil {
		return nil, unknownPartition(t, c.req.Partition)
	}
	log, err := c.b.openLog(c.part)
	if err != nil {
		return nil, c.b.logError(c.part, err)
	}
	c.log = log
	offset := c.req.Offset
	switch start, end := log.Bounds(); offset {
	case wire.AtStart:
		offset = start
	case wire.AtEnd:
		offset = end
	}
	answer, err := c.poll(ctx, offset)
	if err != nil {
		c.release()
		return nil, c.b.logError(c.part, err)
	}
	return answer, nil
}

// poll reads until there is a record or the time is over.
func (c *thinFetchCall) poll(ctx context.Context, offset int64) (*thinFetchAnswer, error) {
	waiter := partitionlog.NewWaiter()
	c.log.Watch(waiter)
	defer c.log.Unwatch(waiter)
	timer := time.NewTimer(min(time.Duration(c.req.MaxWaitMs)*time.Millisecond, c.b.cfg.Limits.FetchWait))
	defer timer.Stop()
	for {
		answer, err := c.read(ctx, offset)
		if err != nil || len(answer.Records) > 0 || c.req.MaxWaitMs == 0 || c.b.isDraining() {
			return answer, err
		}
		select {
		case <-waiter.C():
		case <-timer.C:
			return answer, nil
		case <-ctx.Done():
			return answer, nil
		case <-c.b.draining:
			return answer, nil
		}
	}
}

// read reads once from offset on.
func (c *thinFetchCall) read(ctx context.Context, offset int64) (*thinFetchAnswer, error) {
	c.release()
	answer := &thinFetchAnswer{call: c}
	answer.Start, answer.End = c.log.Bounds()
	answer.Next = offset
	maxBytes := clampBytes(orDefault(c.req.MaxBytes, thinBytesDefault), c.b.cfg.Limits.FetchBytes)
	if offset == answer.End && !c.part.topic.gone.Load() {
		return answer, nil
	}
	if c.held = c.b.answers.acquire(ctx, c.b.draining, int64(maxBytes), memoryPatience); c.held == 0 {
		return answer, nil
	}
	c.buf = c.b.buffers.get(expectedBytes(c.log.Stats(), offset, maxBytes))
	result, err := c.log.Read(c.buf.b, offset, maxBytes)
	if err != nil {
		return nil, err
	}
	c.buf.b = result.Data
	c.grow(int64(cap(result.Data)) - c.held)
	answer.Start, answer.End = result.Start, result.End
	err = c.unpack(answer, result.Data, maxBytes)
	c.part.topic.counters.recordsOut.Add(int64(len(answer.Records)))
	return answer, err
}

// grow charges what an answer holds beyond what was set aside for it; what is left over is kept until Release.
func (c *thinFetchCall) grow(by int64) {
	if by > 0 {
		c.b.answers.force(by)
		c.held += by
	}
}

// unpack takes the records from answer.Next on out of whole batches.
func (c *thinFetchCall) unpack(answer *thinFetchAnswer, data []byte, maxBytes int) error {
	most := int(orDefault(c.req.MaxRecords, thinRecordsDefault))
	settings := c.part.topic.settings()
	lim := record.Limits{MaxUncompressedBytes: maxUncompressed(max(settings.MaxBatchBytes, len(data)))}
	size := 0
	for len(data) > 0 {
		batch, rest, err := record.Split(data)
		if err != nil {
			return err
		}
		data = rest
		if batch.Codec() != record.None {
			// Not known before: what it unpacks to, at most lim, is charged as it is found.
			defer func(before int64) { c.grow(int64(size) - before) }(c.held)
		}
		for r, err := range batch.Records(lim) {
			if err != nil {
				return err
			}
			if r.Offset < answer.Next {
				continue
			}
			size += recordSize(r)
			if len(answer.Records) > 0 && (size > maxBytes || len(answer.Records) >= most) {
				return nil
			}
			answer.Records = append(answer.Records, fetchedRecord(r))
			answer.Next = r.Offset + 1
		}
		answer.Next = max(answer.Next, batch.LastOffset()+1)
	}
	return nil
}

func (c *thinFetchCall) release() {
	c.b.answers.release(c.held)
	c.held = 0
	if c.buf != nil {
		c.b.buffers.put(c.buf)
		c.buf = nil
	}
}

func recordSize(r record.Record) int {
	n := thinRecordOverhead + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

func fetchedRecord(r record.Record) wire.FetchedRecord {
	out := wire.FetchedRecord{Offset: r.Offset, TimestampMs: r.Timestamp, Key: r.Key, Value: r.Value}
	if len(r.Headers) > 0 {
		out.Headers = make([]wire.ThinHeader, len(r.Headers))
		for i, h := range r.Headers {
			out.Headers[i] = wire.ThinHeader{Key: h.Key, Value: h.Value}
		}
	}
	return out
}

// orDefault is n, or def where n is not given.
func orDefault(n, def int32) int32 {
	if n <= 0 {
		return def
	}
	return n
}
