package client

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/skidway/skidway/wire"
)

// leaderCall asks the leaders of partitions, each about its own.
type leaderCall[R any] struct {
	c   *Client
	api wire.API
	ids []partitionID // topic by topic
	// request is what is asked about some of the ids.
	request func(ids []partitionID) wire.Request
	// results are the answers in the order of the ids that were asked about.
	results func(wire.Response) []R
	refusal func(R) *wire.Error
	// failed is the result of a partition whose leader could not be asked.
	failed func(partitionID, *wire.Error) R
	again  func(*Error) bool
}

// run asks until each partition is answered for, or has failed in a way that asking again does not mend, or ctx or
// RequestTimeout is over. The results are in the order of the ids.
func (l *leaderCall[R]) run(ctx context.Context) ([]R, error) {
	ctx, cancel := context.WithTimeout(ctx, l.c.opts.RequestTimeout)
	defer cancel()
	out := make([]R, len(l.ids))
	left := make([]int, len(l.ids))
	for i := range left {
		left[i] = i
	}
	for pauses := l.c.opts.pauses(); len(left) > 0; {
		byLeader, err := l.split(ctx, left)
		switch {
		case err != nil && len(left) == len(l.ids):
			return nil, err
		case err != nil: // those that are left have failed before
			return out, nil
		}
		var last *Error
		left, last = l.round(ctx, byLeader, out)
		if len(left) == 0 || !sleep(ctx, pauses.NextBackOff()) {
			break
		}
		l.c.opts.Hooks.retry(l.api, last)
		for _, i := range left {
			l.c.meta.forgetID(l.ids[i].topic)
		}
	}
	return out, nil
}

// split finds the leaders.
func (l *leaderCall[R]) split(ctx context.Context, left []int) (map[int32][]int, error) {
	byLeader := make(map[int32][]int)
	most := make(map[uint64]int32)
	for _, i := range left {
		most[l.ids[i].topic] = max(most[l.ids[i].topic], l.ids[i].index+1)
	}
	topics := make(map[uint64]*topicInfo)
	for id, partitions := range most {
		info, err := l.c.meta.byID(ctx, id, partitions)
		if err != nil && err.Code != wire.CodeUnknownTopicID {
			return nil, err
		}
		topics[id] = info
	}
	for _, i := range left {
		leader := anybody
		if info := topics[l.ids[i].topic]; info != nil {
			leader = info.leaders[l.ids[i].index].broker
		}
		byLeader[leader] = append(byLeader[leader], i)
	}
	return byLeader, nil
}

// anybody stands for the leader of a partition that metadata does not tell of: any broker says what is wrong with it.
const anybody int32 = -2

// round asks each leader once, and returns what is to be asked again, and why.
func (l *leaderCall[R]) round(ctx context.Context, byLeader map[int32][]int, out []R) (left []int, last *Error) {
	var mu sync.Mutex // guards left and last
	var all sync.WaitGroup
	for _, broker := range slices.Sorted(maps.Keys(byLeader)) {
		all.Go(func() {
			again, why := l.ask(ctx, broker, byLeader[broker], out)
			mu.Lock()
			defer mu.Unlock()
			left = append(left, again...)
			if why != nil {
				last = why
			}
		})
	}
	all.Wait()
	slices.Sort(left)
	return left, last
}

// ask asks one leader about the partitions at the places.
func (l *leaderCall[R]) ask(ctx context.Context, broker int32, places []int, out []R) (left []int, why *Error) {
	ids := make([]partitionID, len(places))
	for n, i := range places {
		ids[n] = l.ids[i]
	}
	results, err := l.listen(ctx, broker, ids)
	for n, i := range places {
		if err != nil {
			out[i] = l.failed(l.ids[i], &wire.Error{Code: err.Code, Message: err.Message})
			if l.again(err) {
				left, why = append(left, i), err
			}
			continue
		}
		out[i] = results[n]
		if refused := l.refusal(results[n]); refused != nil {
			if e := fromWire(refused, nowhere("")); e.Code == wire.CodeNotLeader {
				left, why = append(left, i), e
			}
		}
	}
	return left, why
}

// listen is send that does not wait for a broker which is silent, once it leads none of the partitions any more.
func (l *leaderCall[R]) listen(ctx context.Context, broker int32, ids []partitionID) (results []R, err *Error) {
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	deposed := false
	watch(ctx, silence, func(ctx context.Context) {
		if deposed = l.deposed(ctx, broker, ids); deposed {
			giveUp()
		}
	}, func() { results, err = l.send(asking, broker, ids) })
	if err != nil && deposed && ctx.Err() == nil {
		outcome := err.Outcome
		err = newError(wire.CodeNotLeader, nowhere(l.c.Address()),
			"broker %d is silent, and leads the partitions no longer", broker)
		err.Outcome = outcome
	}
	return results, err
}

// deposed tells whether others lead all of the partitions by now.
func (l *leaderCall[R]) deposed(ctx context.Context, broker int32, ids []partitionID) bool {
	for _, id := range ids {
		l.c.meta.forgetID(id.topic)
	}
	for _, id := range ids {
		info, err := l.c.meta.byID(ctx, id.topic, id.index+1)
		if err != nil || info == nil || info.leaders[id.index].broker == broker || info.leaders[id.index].broker < 0 {
			return false
		}
	}
	return true
}

func (l *leaderCall[R]) send(ctx context.Context, broker int32, ids []partitionID) ([]R, *Error) {
	var r wire.Response
	var err *Error
	switch broker {
	case -1:
		return nil, newError(wire.CodeNotLeader, nowhere(l.c.Address()), "the partition has no leader now")
	case anybody, l.c.Hello().BrokerID:
		r, err = l.c.exchange(ctx, l.request(ids))
	default:
		r, err = l.c.askBroker(ctx, broker, l.request(ids))
	}
	if err != nil {
		return nil, err
	}
	results := l.results(r)
	if len(results) != len(ids) {
		return nil, newError(wire.CodeInternal, nowhere(l.c.Address()), "broker %d answered about %d partitions, not %d",
			broker, len(results), len(ids))
	}
	return results, nil
}

// askBroker sends a request to a broker once.
func (c *Client) askBroker(ctx context.Context, broker int32, q wire.Request) (wire.Response, *Error) {
	address, known := c.meta.address(broker)
	if !known { // it may have come after the brokers were asked for
		c.meta.refresh(ctx)
		address, known = c.meta.address(broker)
	}
	if !known {
		return nil, newError(CodeUnreachable, nowhere(""), "the address of broker %d is not known", broker)
	}
	l, err := c.links.get(ctx, broker, address)
	if err != nil {
		return nil, err
	}
	return l.do(ctx, q)
}
