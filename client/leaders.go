package client

import (
	"context"
	"slices"

	"github.com/skidway/skidway/wire"
)

// leaderCall is a request about partitions that only their leaders answer.
type leaderCall[R any] struct {
	// ask makes the request about partitions of a topic.
	ask func(topic uint64, indexes []int32) wire.Request
	// results are the answer's; nil: it is about something else.
	results func(wire.Response) []R
	// of tells which partition a result is about, and what is wrong with it.
	of func(R) (index int32, err *wire.Error)
	// again tells whether the request may be repeated after an error that is not about one partition.
	again func(*Error) bool
}

// onLeaders asks the leaders of partitions of a topic, and asks again where a leader is elsewhere by now, until
// RequestTimeout is over. The results are in ascending order of the partitions; those whose leader was not found have
// the newest error. indexes names the partitions; nil: all.
func onLeaders[R any](ctx context.Context, c *Client, topic string, indexes []int32, call leaderCall[R]) ([]R, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	info, err := c.meta.topic(ctx, topic)
	if err != nil {
		return nil, err
	}
	done := make(map[int32]R)
	left := info.indexes(indexes)
	for pauses := c.opts.pauses(); ; {
		var fault *Error
		if left, fault = askLeaders(ctx, c, info, left, leaderAnswers[R]{call, done}); fault == nil {
			break
		}
		if c.ctx.Err() != nil {
			return nil, errClosed("client")
		}
		if !call.again(fault) || ctx.Err() != nil || !sleep(ctx, pauses.NextBackOff()) {
			if len(done) == len(info.indexes(indexes)) {
				break // each partition has an answer, be it that its leader is elsewhere
			}
			return nil, fault
		}
		c.opts.Hooks.retry(call.ask(0, nil).API(), fault)
		if info, err = c.meta.fresh(ctx, topic); err != nil {
			return nil, err
		}
	}
	results := make([]R, 0, len(done))
	for _, index := range sortedKeys(done) {
		results = append(results, done[index])
	}
	return results, nil
}

// leaderAnswers gathers results.
type leaderAnswers[R any] struct {
	leaderCall[R]
	done map[int32]R // by partition
}

// askLeaders asks once. It returns the partitions that are to be asked for again, and why.
func askLeaders[R any](
	ctx context.Context, c *Client, info *topicInfo, indexes []int32, a leaderAnswers[R],
) (left []int32, why *Error) {
	byLeader := make(map[int32][]int32)
	for _, index := range indexes {
		broker := int32(-1)
		if index >= 0 && index < info.count() {
			broker = info.leaders[index].broker
		} else if info.count() > 0 {
			broker = info.leaders[0].broker // any broker says that there is none
		}
		byLeader[broker] = append(byLeader[broker], index)
	}
	for _, broker := range sortedKeys(byLeader) {
		parts := byLeader[broker]
		r, err := c.askBroker(ctx, broker, a.ask(info.id, parts))
		if err != nil {
			left, why = append(left, parts...), err
			continue
		}
		results := a.results(r)
		if results == nil {
			return indexes, newError(wire.CodeInternal, where{topic: info.name, partition: -1},
				"the broker answered about other partitions than those that were asked for")
		}
		for _, result := range results {
			index, fault := a.of(result)
			a.done[index] = result
			if fault != nil && fault.Code == wire.CodeNotLeader {
				left = append(left, index)
				why = fromWire(fault, where{topic: info.name, partition: index})
			}
		}
	}
	slices.Sort(left)
	return left, why
}

// askBroker carries a request out at a broker, once.
func (c *Client) askBroker(ctx context.Context, broker int32, q wire.Request) (wire.Response, *Error) {
	if l := c.openControl(); l != nil && l.hello().BrokerID == broker {
		return l.do(ctx, q)
	}
	address, known := c.meta.address(broker)
	if !known {
		return nil, newError(wire.CodeNotLeader, where{partition: -1}, "the partition has no leader now")
	}
	l, err := c.links.get(ctx, broker, address)
	if err != nil {
		return nil, err
	}
	return l.do(ctx, q)
}
