package broker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// fetch reads whole batches from the partitions named, up to their durable ends.
//
// The answer holds at most max_bytes (and never more than the broker's own bound), but at least one batch if there is
// one at all; each partition at most its own max_bytes. Where max_bytes cuts the answer, the partition that is read
// first is drawn by lot, so that none starves whatever the order asked for. The answer keeps that order; partitions
// with nothing new and no error are left out. While the answers of all clients together fill their share of memory, a
// fetch waits, or is answered with less (I-6).
//
// With less than min_bytes the answer waits for more, up to max_wait_ms and the broker's own bound; an error of any
// partition, the deletion of its topic, or the broker's shutdown ends the wait (that records were deleted under the
// offset is told when it ends otherwise). An answer that has no room for a batch that is there does not wait. Each
// partition has its own error: E112 names the bounds of the log, E303 the place of the damage; the others go on.
//
// Not done: fetch sessions, rights, quotas. leader_epoch is not looked at: one broker has one.

// fetchCall is one fetch under way. It reads in Wait, when its turn to be answered has come.
type fetchCall struct {
	b     *Broker
	req   *wire.FetchRequest
	parts []fetchPart
	max   int // bytes of the answer

	got      int   // bytes read
	seenSize int64 // of the logs before they were read last
	failed   bool  // some partition has an error
	full     bool  // some partition has a batch that the answer has no room for: to wait for more is of no use
	starved  bool  // there was no memory for all that could be read: what there is is answered
	held     int64 // charged to Broker.answers: what is set aside while reading, then all of buf
	expected int   // bytes that the answer will have, as far as one can tell before reading
	buf      *fetchBuffer
}

// fetchPart is one partition of a fetch.
type fetchPart struct {
	topic, index int // place in the request
	part         *partition
	log          *partitionlog.Log
	err          *wire.Error
	result       partitionlog.ReadResult // its Data is known when all is read
	from, to     int                     // where in the answer's buffer its batches lie
	seenEnd      int64                   // the log's end before it was read last
}

// fetchAnswer is a FetchResponse that gives its memory back.
type fetchAnswer struct {
	wire.FetchResponse
	call *fetchCall
}

// Release gives back what the answer's batches lie in.
func (a *fetchAnswer) Release() { a.call.release() }

var _ wire.Releaser = (*fetchAnswer)(nil)

// startFetch looks the partitions up; reading is left to Wait.
func (b *Broker) startFetch(req *wire.FetchRequest) wire.Pending {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	c := &fetchCall{b: b, req: req, parts: make([]fetchPart, 0, n)}
	c.max = clampBytes(req.MaxBytes, b.cfg.Limits.FetchBytes)
	var seen repeats
	seen.expect(n)
	for i := range req.Topics {
		t := b.topics.id(req.Topics[i].ID)
		for j := range req.Topics[i].Partitions {
			in := &req.Topics[i].Partitions[j]
			p := fetchPart{topic: i, index: j}
			switch {
			case t == nil:
				p.err = unknownTopicID(req.Topics[i].ID)
			case seen.again(req.Topics[i].ID, in.Index):
				p.err = wire.Errorf(wire.CodeInvalidArgument,
					"topic %q partition %d is named twice in one request", t.name, in.Index)
			default:
				if p.part = t.partition(in.Index); p.part == nil {
					p.err = unknownPartition(t, in.Index)
				}
			}
			c.failed = c.failed || p.err != nil
			c.parts = append(c.parts, p)
		}
	}
	return c
}

// clampBytes is what a client asks for, within 1 and the broker's bound.
func clampBytes(asked int32, bound int) int { return min(max(int(asked), 1), bound) }

// Wait reads, waits for more if need be, and reads again.
func (c *fetchCall) Wait(ctx context.Context) (wire.Response, error) {
	defer c.b.crash()
	for i := range c.parts {
		c.openPart(&c.parts[i])
	}
	c.readAll(ctx)
	if wait := c.maxWait(); c.wantsMore() && wait > 0 {
		c.poll(ctx, wait)
	}
	return c.answer(), nil
}

// openPart opens the partition's log, on the goroutine that may wait for the disk.
func (c *fetchCall) openPart(p *fetchPart) {
	if p.part == nil {
		return
	}
	log, err := c.b.openLog(p.part)
	if err != nil {
		c.fail(p, err)
		return
	}
	p.log = log
}

func (c *fetchCall) fail(p *fetchPart, err error) {
	if r := c.b.replicas; r != nil && !r.leads(p.part.id()) {
		err = r.notLeader(p.part.id()) // a log that is not led any more may be cut: what was found there says nothing
	}
	p.err = c.b.logError(p.part, err)
	p.result = partitionlog.ReadResult{Start: -1, End: -1}
	if p.log != nil {
		p.result.Start, p.result.End = p.log.Bounds()
	}
	c.failed = true
}

func (c *fetchCall) maxWait() time.Duration {
	return min(time.Duration(c.req.MaxWaitMs)*time.Millisecond, c.b.cfg.Limits.FetchWait)
}

// wantsMore tells whether the answer should wait.
func (c *fetchCall) wantsMore() bool {
	return !c.failed && !c.full && !c.starved && c.got < min(int(c.req.MinBytes), c.max) && !c.b.isDraining()
}

// poll waits until there are min_bytes to be read, and reads them.
func (c *fetchCall) poll(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	c.b.polling.Add(1)
	defer c.b.polling.Add(-1)
	waiter := partitionlog.NewWaiter()
	c.eachLog(func(log *partitionlog.Log) { log.Watch(waiter) })
	defer c.eachLog(func(log *partitionlog.Log) { log.Unwatch(waiter) })
	for {
		// What came between the last read and Watch is seen here.
		if moved, enough := c.news(); moved && enough {
			c.reread(ctx)
			if !c.wantsMore() {
				return
			}
		}
		select {
		case <-waiter.C():
		case <-timer.C:
			if moved, _ := c.news(); moved {
				c.reread(ctx)
			}
			return
		case <-ctx.Done():
			return
		case <-c.b.draining:
			return
		}
	}
}

func (c *fetchCall) eachLog(f func(*partitionlog.Log)) {
	for i := range c.parts {
		if log := c.parts[i].log; log != nil {
			f(log)
		}
	}
}

// news tells whether reading again would find something else than the last time, and whether it would find min_bytes:
// by what the logs have grown, without reading them.
func (c *fetchCall) news() (moved, enough bool) {
	for i := range c.parts {
		p := &c.parts[i]
		if p.log == nil {
			continue
		}
		start, end := p.log.Bounds()
		if c.in(p).Offset < start || p.part.topic.gone.Load() {
			return true, true // an error, which ends the wait
		}
		moved = moved || end != p.seenEnd
	}
	return moved, c.req.MinBytes <= 1 || c.size()-c.seenSize+int64(c.got) >= int64(c.req.MinBytes)
}

// size is that of all the logs together, in bytes.
func (c *fetchCall) size() (bytes int64) {
	c.eachLog(func(log *partitionlog.Log) { bytes += log.Stats().Bytes })
	return bytes
}

func (c *fetchCall) in(p *fetchPart) *wire.FetchPartition {
	return &c.req.Topics[p.topic].Partitions[p.index]
}

// reread drops what was read and reads all again.
func (c *fetchCall) reread(ctx context.Context) {
	c.release()
	c.got, c.full = 0, false
	for i := range c.parts {
		p := &c.parts[i]
		p.result, p.from, p.to = partitionlog.ReadResult{}, 0, 0
	}
	c.readAll(ctx)
}

// readAll reads the partitions in turn until the answer is full, beginning anywhere.
func (c *fetchCall) readAll(ctx context.Context) {
	n := len(c.parts)
	c.lookAhead()
	first := 0
	if n > 1 {
		first = rand.IntN(n)
	}
	for i := range n {
		p := &c.parts[(first+i)%n]
		if p.log == nil || p.err != nil {
			continue
		}
		if !c.readPart(ctx, p) {
			break
		}
	}
	c.settle()
}

// lookAhead notes where the logs are, and sets memory aside for all that is to be read, if it is free.
func (c *fetchCall) lookAhead() {
	c.seenSize, c.expected = 0, 0
	for i := range c.parts {
		p := &c.parts[i]
		if p.log == nil {
			continue
		}
		s := p.log.Stats()
		p.seenEnd = s.End
		c.seenSize += s.Bytes
		c.expected += expectedBytes(s, c.in(p).Offset, clampBytes(c.in(p).MaxBytes, c.max))
	}
	if c.expected = min(c.expected, c.max); c.expected == 0 {
		return
	}
	if size := int64(bufferSize(c.expected)); c.b.answers.try(size) {
		c.held = size
	}
}

// expectedBytes is about how many bytes a read of at most most gives: the records of a log are taken to be of one size.
func expectedBytes(s partitionlog.Stats, offset int64, most int) int {
	if offset < s.Start || offset >= s.End {
		return 0
	}
	share := float64(s.End-offset) / float64(s.End-s.Start)
	return min(int(share*float64(s.Bytes)), most)
}

// readPart reads one partition; false when the answer can hold no more.
func (c *fetchCall) readPart(ctx context.Context, p *fetchPart) bool {
	offset := c.in(p).Offset
	start, end := p.log.Bounds()
	p.result = partitionlog.ReadResult{Start: start, End: end}
	if offset == end && !p.part.topic.gone.Load() {
		return true // nothing new: the usual case of a consumer that keeps up
	}
	most := min(clampBytes(c.in(p).MaxBytes, c.max), c.max-c.got)
	if c.got > 0 && most <= record.HeaderSize {
		c.full = true
		return c.max-c.got > record.HeaderSize // this partition's own limit leaves no room, and the next one's may
	}
	most = int(min(int64(most), c.b.answers.total))
	if !c.setAside(ctx, most) {
		c.starved = true
		return false
	}
	if c.buf == nil {
		c.buf = c.b.buffers.get(min(c.expected, int(c.held)))
	}
	result, err := p.log.Read(c.buf.b, offset, most)
	if err != nil {
		c.fail(p, err)
		return true
	}
	return c.keep(p, result)
}

// setAside charges what most more bytes need beyond what is held. Only who has read nothing waits for it, and holds
// nothing meanwhile.
func (c *fetchCall) setAside(ctx context.Context, most int) bool {
	want := int64(c.got+most) - c.held
	if want <= 0 {
		return true
	}
	if c.b.answers.try(want) {
		c.held += want
		return true
	}
	if c.got > 0 {
		return false
	}
	c.release()
	c.held = c.b.answers.acquire(ctx, c.b.draining, int64(most), max(c.maxWait(), memoryPatience))
	return c.held > 0
}

// keep takes what was read behind the batches of the other partitions into the answer.
func (c *fetchCall) keep(p *fetchPart, result partitionlog.ReadResult) bool {
	p.result = partitionlog.ReadResult{Start: result.Start, End: result.End}
	if c.got > 0 && len(result.Data) > c.max {
		// The partition's first batch is larger than the room left, and is not the first of the answer. To try the other
		// partitions, too, would be to read a batch of each for nothing; none starves, as the first is drawn by lot.
		c.buf.b, c.full = result.Data[:c.got], true
		return false
	}
	p.from, p.to = c.got, len(result.Data)
	c.buf.b, c.got = result.Data, len(result.Data)
	return c.got < c.max
}

// settle makes the charge that of the buffer, and has every result lie in it: it has grown under those read first where
// a batch was larger than expected.
func (c *fetchCall) settle() {
	if c.got == 0 {
		c.release()
		return
	}
	size := int64(cap(c.buf.b))
	if over := size - c.held; over > 0 {
		c.b.answers.force(over)
	} else {
		c.b.answers.release(-over)
	}
	c.held = size
	for i := range c.parts {
		p := &c.parts[i]
		p.result.Data = c.buf.b[p.from:p.to:p.to]
	}
}

// release gives back the memory of what was read.
func (c *fetchCall) release() {
	c.b.answers.release(c.held)
	c.held = 0
	if c.buf != nil {
		c.b.buffers.put(c.buf)
		c.buf = nil
	}
}

// answer makes the response of what was read, in the order of the request.
func (c *fetchCall) answer() *fetchAnswer {
	a := &fetchAnswer{call: c}
	results := make([]wire.FetchResult, 0, len(c.parts))
	for i := 0; i < len(c.parts); {
		topic, first := c.parts[i].topic, len(results)
		for ; i < len(c.parts) && c.parts[i].topic == topic; i++ {
			p := &c.parts[i]
			if p.err == nil && len(p.result.Data) == 0 {
				continue
			}
			results = append(results, wire.FetchResult{
				Index: c.in(p).Index, Error: p.err,
				Start: p.result.Start, End: p.result.End, Batches: p.result.Data,
			})
			if p.part != nil {
				c.count(p)
			}
		}
		if len(results) > first {
			a.Topics = append(a.Topics, wire.FetchTopicResult{
				ID: c.req.Topics[topic].ID, Partitions: results[first:len(results):len(results)],
			})
		}
	}
	return a
}

// count adds what is answered to the topic's counters.
func (c *fetchCall) count(p *fetchPart) {
	records := 0
	for rest := p.result.Data; len(rest) > 0; {
		batch, more, err := record.Split(rest)
		if err != nil {
			break
		}
		records += batch.Count()
		rest = more
	}
	p.part.topic.counters.recordsOut.Add(int64(records))
	p.part.topic.counters.bytesOut.Add(int64(len(p.result.Data)))
}

// memoryPatience is how long a fetch that would not wait for records waits for memory.
const memoryPatience = time.Second
