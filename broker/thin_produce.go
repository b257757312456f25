package broker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// thin_produce appends records that the broker makes one batch of, for clients that know msgpack and nothing else. The
// partition is the one named, or the one of the first record's key by Kafka's hash, or, without a key, any. Everything
// that holds for a batch of produce holds for this one: size, timestamps, acks, the answer when it is durable. A topic
// that is absent is made where the configuration makes topics on first use.
//
// Not done: compression, idempotence (a repeated request appends again), several partitions in one request.

// thinProduceCall is one thin_produce under way.
type thinProduceCall struct {
	b     *Broker
	req   *wire.ThinProduceRequest
	part  *partition
	made  appended
	bytes int64 // charged to Broker.queued
}

// startThinProduce makes the batch and queues it.
func (b *Broker) startThinProduce(req *wire.ThinProduceRequest) wire.Pending {
	if b.topics.name(req.Topic) == nil && b.createsTopics() {
		return later(b, b.createAndProduce, req)
	}
	c, err := b.thinProduce(req)
	if err != nil {
		return wire.Ready(nil, err)
	}
	return c
}

// createAndProduce makes the topic first.
func (b *Broker) createAndProduce(ctx context.Context, req *wire.ThinProduceRequest) (wire.Response, error) {
	topics := []wire.TopicMetadata{{Name: req.Topic, Error: unknownTopic(req.Topic)}}
	b.createMissing(ctx, topics, []int{0})
	if err := topics[0].Error; err != nil {
		return nil, err
	}
	c, err := b.thinProduce(req)
	if err != nil {
		return nil, err
	}
	return c.Wait(ctx)
}

func (b *Broker) thinProduce(req *wire.ThinProduceRequest) (*thinProduceCall, error) {
	t := b.topics.name(req.Topic)
	if t == nil {
		return nil, unknownTopic(req.Topic)
	}
	if refused := b.refusesAppends(); refused != nil {
		return nil, refused
	}
	if len(req.Records) == 0 {
		return nil, wire.Errorf(wire.CodeInvalidArgument, "topic %q: no records are given", req.Topic)
	}
	p := thinPartition(t, req)
	if p == nil {
		return nil, unknownPartition(t, req.Partition)
	}
	now := b.clock.now()
	batch, werr := packRecords(p, req.Records, now)
	if werr != nil {
		return nil, werr
	}
	c := &thinProduceCall{b: b, req: req, part: p, bytes: int64(len(batch))}
	if !b.queued.try(c.bytes) {
		return nil, b.overloaded()
	}
	if c.made, werr = b.append(p, batch, appendTerms{now: now, acks: req.Acks}); werr != nil {
		b.queued.release(c.bytes)
		return nil, werr
	}
	return c, nil
}

// thinPartition chooses the partition; nil when there is none of the number given.
func thinPartition(t *topic, req *wire.ThinProduceRequest) *partition {
	n := int32(len(t.partitions()))
	switch key := req.Records[0].Key; {
	case req.Partition >= 0:
		return t.partition(req.Partition)
	case key != nil:
		return t.partition(wire.KeyPartition(key, n))
	}
	return t.partition(rand.Int32N(n))
}

// packRecords makes a checked batch.
func packRecords(p *partition, records []wire.ThinRecord, now int64) (record.Batch, *wire.Error) {
	lim := limits(p.topic.settings(), now)
	builder := record.NewBuilder(record.None)
	for i := range records {
		in := &records[i]
		r := record.Record{Timestamp: in.TimestampMs, Key: in.Key, Value: in.Value}
		if r.Timestamp == 0 {
			r.Timestamp = now
		}
		if len(in.Headers) > 0 {
			r.Headers = make([]record.Header, len(in.Headers))
			for j, h := range in.Headers {
				r.Headers[j] = record.Header{Key: h.Key, Value: h.Value}
			}
		}
		builder.Append(r)
		if builder.Size() > lim.MaxBatchBytes {
			return nil, tooLarge(p, builder.Size())
		}
	}
	batch, err := builder.Seal(make([]byte, 0, builder.Size()))
	if err != nil {
		return nil, wireError(err)
	}
	return checkBatch(p, batch, lim)
}

// Wait answers when the batch is durable, or at once for acks = 0.
func (c *thinProduceCall) Wait(ctx context.Context) (wire.Response, error) {
	defer c.b.crash()
	resp := &wire.ThinProduceResponse{Partition: c.part.index, BaseOffset: -1}
	if c.req.Acks == wire.AcksNone {
		c.letGo()
		return resp, nil
	}
	timer := time.NewTimer(c.b.cfg.Limits.ProduceWait)
	defer timer.Stop()
	select {
	case <-c.made.done():
	case <-timer.C:
		c.letGo()
		return nil, wire.Errorf(wire.CodeTimedOut,
			"the records were not on disk within %v; whether they will be is unknown", c.b.cfg.Limits.ProduceWait)
	case <-ctx.Done():
		c.letGo()
		return nil, wire.Errorf(wire.CodeTimedOut,
			"the connection ended before the records were on disk; whether they will be is unknown")
	}
	c.b.queued.release(c.bytes)
	if err := c.made.err(c.b); err != nil {
		return nil, err
	}
	resp.BaseOffset = c.made.receipt.Base
	return resp, nil
}

func (c *thinProduceCall) letGo() {
	bytes, queued := c.bytes, c.b.queued
	c.b.linger.add(c.made.receipt, func() { queued.release(bytes) })
}
