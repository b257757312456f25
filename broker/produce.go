package broker

import (
	"context"
	"time"

	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

// produce appends one batch to each partition named.
//
// Each partition is told its own error; the others go on. A batch is refused before anything of it is queued when it is
// not exactly one whole batch (E145), fails its checksum (E144), is larger than the topic takes (E113), has a
// timestamp out of bounds (E147), or asks for transactions (E146). A partition that is named twice is refused at its
// second mention (E150). While the disk is full, every partition is refused (E302).
//
// acks = -1 and 1 are answered when the batches are durable as the fsync policy has it, or after timeout_ms with E105:
// the outcome is then unknown. acks = 0 is answered as soon as the batches are queued, with base offset -1. All
// partitions of a request are queued before the first is waited for, so they share an fsync.
//
// Not done: transactions, rights, quotas.

// produceCall is one produce under way.
type produceCall struct {
	b        *Broker
	response wire.ProduceResponse
	appends  []appended
	timeout  time.Duration
	acks     int8
	bytes    int64 // of the request's batches, charged to Broker.queued
}

// appended is one partition's append that waits for the disk.
type appended struct {
	part    *partition
	answer  *wire.ProduceResult
	receipt partitionlog.Receipt
	// commit is the answer of the partition's replicas; nil: this broker stands alone.
	commit *commitment
}

// done is closed when the outcome is known.
func (a *appended) done() <-chan struct{} {
	if a.commit != nil {
		return a.commit.done
	}
	return a.receipt.Done()
}

// startProduce checks the batches and queues those that are good.
func (b *Broker) startProduce(req *wire.ProduceRequest) wire.Pending {
	if req.Acks < -1 || req.Acks > 1 {
		return wire.Ready(nil, wire.Errorf(wire.CodeInvalidArgument, "acks %d is none of -1, 0 and 1", req.Acks))
	}
	n := countProduce(req)
	c := newProduceCall(req, n)
	c.b, c.acks, c.timeout = b, req.Acks, b.produceTimeout(req.TimeoutMs)
	refused := b.refusesAppends()
	if refused == nil {
		refused = c.charge(req)
	}
	var seen repeats
	seen.expect(n)
	now := b.clock.now()
	for i := range req.Topics {
		t := b.topics.id(req.Topics[i].ID)
		var lim record.Limits
		if t != nil {
			lim = limits(t.settings(), now)
		}
		for j := range req.Topics[i].Partitions {
			in := &req.Topics[i].Partitions[j]
			out := &c.response.Topics[i].Partitions[j]
			switch {
			case refused != nil:
				out.Error = refused
			case t == nil:
				out.Error = unknownTopicID(req.Topics[i].ID)
			case seen.again(req.Topics[i].ID, in.Index):
				out.Error = wire.Errorf(wire.CodeInvalidArgument,
					"topic %q partition %d is named twice in one request", t.name, in.Index)
			default:
				out.Error = c.append(t, in, out, appendContext{limits: lim, now: now})
			}
		}
	}
	return c
}

// appendContext is what all batches for one topic in a request share.
type appendContext struct {
	limits record.Limits
	now    int64
}

// append checks one batch and queues it.
func (c *produceCall) append(t *topic, in *wire.ProducePartition, out *wire.ProduceResult,
	ac appendContext) *wire.Error {
	p := t.partition(in.Index)
	if p == nil {
		return unknownPartition(t, in.Index)
	}
	batch, err := checkBatch(p, in.Batch, ac.limits)
	if err != nil {
		return err
	}
	a, err := c.b.append(p, batch, appendTerms{now: ac.now, acks: c.acks})
	if err != nil {
		return err
	}
	a.answer = out
	c.appends = append(c.appends, a)
	return nil
}

// charge takes the request's batches into the account of what is not durable yet.
func (c *produceCall) charge(req *wire.ProduceRequest) *wire.Error {
	var bytes int64
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			bytes += int64(len(req.Topics[i].Partitions[j].Batch))
		}
	}
	if !c.b.queued.try(bytes) {
		return c.b.overloaded()
	}
	c.bytes = bytes
	return nil
}

// overloaded is the answer while appends come faster than the disk takes them.
func (b *Broker) overloaded() *wire.Error {
	return wire.Errorf(wire.CodeOverloaded, "the broker holds %s of records that are not on disk yet, and takes no more",
		units.FormatBytes(b.queued.inUse()))
}

// appendTerms are when a batch is appended, and what it waits for.
type appendTerms struct {
	now  int64
	acks int8
}

// append queues a checked batch on its partition's log.
func (b *Broker) append(p *partition, batch record.Batch, terms appendTerms) (appended, *wire.Error) {
	log, err := b.openLog(p)
	if err != nil {
		return appended{}, b.logError(p, err)
	}
	a := appended{part: p}
	o := partitionlog.AppendOptions{Now: terms.now, TimestampType: p.topic.settings().Timestamps}
	if b.replicas != nil {
		a.receipt, a.commit, err = b.replicas.produce(p.id(), batch, o, terms.acks)
	} else {
		a.receipt, err = log.Append(batch, o)
	}
	if err != nil {
		return appended{}, b.logError(p, err)
	}
	if !a.receipt.Duplicate {
		p.topic.counters.recordsIn.Add(int64(batch.Count()))
		p.topic.counters.bytesIn.Add(int64(len(batch)))
	}
	return a, nil
}

// Wait answers when all is durable, or when the time is over.
func (c *produceCall) Wait(ctx context.Context) (wire.Response, error) {
	defer c.b.crash()
	if c.acks == 0 {
		c.letGo()
		return &c.response, nil
	}
	var timer *time.Timer
	for i := range c.appends {
		a := &c.appends[i]
		select {
		case <-a.done():
		default:
			if timer == nil {
				timer = time.NewTimer(c.timeout)
				defer timer.Stop()
			}
			if err := c.await(ctx, a.done(), timer); err != nil {
				c.expire(i, err)
				return &c.response, nil
			}
		}
		c.settle(a)
	}
	c.b.queued.release(c.bytes)
	return &c.response, nil
}

// await waits for one receipt.
func (c *produceCall) await(ctx context.Context, done <-chan struct{}, timer *time.Timer) *wire.Error {
	select {
	case <-done:
		return nil
	case <-timer.C:
		return wire.Errorf(wire.CodeTimedOut,
			"the records were not on disk within %v; whether they will be is unknown", c.timeout)
	case <-ctx.Done():
		return wire.Errorf(wire.CodeTimedOut,
			"the connection ended before the records were on disk; whether they will be is unknown")
	}
}

// settle fills in the answer of an append whose outcome is known.
func (c *produceCall) settle(a *appended) {
	if err := a.err(c.b); err != nil {
		a.answer.Error = err
		return
	}
	a.answer.BaseOffset = a.receipt.Base
	if a.part.topic.settings().Timestamps == record.LogAppendTime {
		a.answer.AppendTimeMs = a.receipt.AppendTime
	}
	if log := a.part.log.Load(); log != nil {
		a.answer.LogStart, _ = log.Bounds()
	}
}

// err is what went wrong with an append whose outcome is known, nil if nothing did.
func (a *appended) err(b *Broker) *wire.Error {
	if a.commit != nil && a.commit.result != replication.ResultOK {
		return b.replicas.refusal(a.part.id(), a.commit.result)
	}
	select {
	case <-a.receipt.Done():
		if err := a.receipt.Err(); err != nil {
			return b.logError(a.part, err)
		}
	default: // a replica's outcome is that of its commitment
	}
	return nil
}

// expire answers those from the i-th on whose outcome is not known with err.
func (c *produceCall) expire(i int, err *wire.Error) {
	for ; i < len(c.appends); i++ {
		a := &c.appends[i]
		select {
		case <-a.done():
			c.settle(a)
		default:
			a.answer.Error = err
		}
	}
	c.letGo()
}

// letGo leaves what is not durable yet to the store, which has its own copy, and keeps it charged until it is. Commits
// end in order, so the last
// append whose outcome is open ends last; a duplicate's may be known long before.
func (c *produceCall) letGo() {
	bytes, queued := c.bytes, c.b.queued
	for i := len(c.appends) - 1; i >= 0; i-- {
		receipt := c.appends[i].receipt
		select {
		case <-receipt.Done():
		default:
			c.b.linger.add(receipt, func() { queued.release(bytes) })
			return
		}
	}
	queued.release(bytes)
}

// produceTimeout is how long a produce waits: what the client asks for, within the broker's bound.
func (b *Broker) produceTimeout(ms int32) time.Duration {
	asked := time.Duration(ms) * time.Millisecond
	if asked <= 0 || asked > b.cfg.Limits.ProduceWait {
		return b.cfg.Limits.ProduceWait
	}
	return asked
}

// soleProduce is the memory of a produce of one partition, in one piece.
type soleProduce struct {
	call   produceCall
	topic  [1]wire.ProduceTopicResult
	result [1]wire.ProduceResult
	append [1]appended
}

// newProduceCall makes the call and its answer, with nothing known yet, for a request of n partitions.
func newProduceCall(req *wire.ProduceRequest, n int) *produceCall {
	var c *produceCall
	var results []wire.ProduceResult
	if n == 1 && len(req.Topics) == 1 {
		sole := new(soleProduce)
		c, results = &sole.call, sole.result[:]
		c.response.Topics, c.appends = sole.topic[:], sole.append[:0]
	} else {
		results = make([]wire.ProduceResult, n)
		c = &produceCall{appends: make([]appended, 0, n)}
		c.response.Topics = make([]wire.ProduceTopicResult, len(req.Topics))
	}
	for i := range req.Topics {
		in, out := &req.Topics[i], &c.response.Topics[i]
		out.ID = in.ID
		out.Partitions, results = results[:len(in.Partitions):len(in.Partitions)], results[len(in.Partitions):]
		for j := range in.Partitions {
			out.Partitions[j] = wire.ProduceResult{
				Index: in.Partitions[j].Index, BaseOffset: -1, AppendTimeMs: -1, LogStart: -1,
			}
		}
	}
	return c
}

func countProduce(req *wire.ProduceRequest) (n int) {
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	return n
}
