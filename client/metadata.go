package client

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/skidway/skidway/wire"
)

// topicInfo is what the broker said of a topic. It does not change.
type topicInfo struct {
	name    string
	id      uint64
	leaders []leader // by partition
	at      time.Time
}

// leader is who leads a partition.
type leader struct {
	broker int32 // -1: none now
	epoch  int32
}

// count is the number of the topic's partitions.
func (t *topicInfo) count() int32 { return int32(len(t.leaders)) }

// indexes returns the partitions that are named, all if none are.
func (t *topicInfo) indexes(named []int32) []int32 {
	if len(named) > 0 {
		return named
	}
	all := make([]int32, t.count())
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// metadata is the client's view of topics and brokers. Many callers share one request.
type metadata struct {
	c *Client

	mu      sync.Mutex // guards all below; nothing is called under it
	topics  map[string]*topicInfo
	brokers map[int32]string // addresses
	next    *round           // what the next request will ask; nil: nothing
	running bool             // a goroutine is asking
	looked  time.Time        // when a broker in touch with the cluster was looked for
}

// round is one request for metadata and who waits for it.
type round struct {
	names map[string]MissingTopics
	done  chan struct{} // closed when what follows is set
	found map[string]*topicInfo
	err   map[string]*Error // by topic
	all   *Error            // the request failed as a whole
}

func newMetadata(c *Client) *metadata {
	return &metadata{c: c, topics: map[string]*topicInfo{}, brokers: map[int32]string{}}
}

// cached returns what is known of a topic, nil if nothing is.
func (m *metadata) cached(name string) *topicInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.topics[name]
}

// address returns where a broker listens.
func (m *metadata) address(broker int32) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.brokers[broker]
	return a, ok
}

// addresses returns where all brokers listen, by their ids.
func (m *metadata) addresses() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(m.brokers)) {
		out = append(out, m.brokers[id])
	}
	return out
}

// ids returns the brokers, in order.
func (m *metadata) ids() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.brokers))
}

// topic returns what is known of a topic, and asks if nothing is.
func (m *metadata) topic(ctx context.Context, name string) (*topicInfo, error) {
	if t := m.cached(name); t != nil {
		return t, nil
	}
	return m.fresh(ctx, name)
}

// fresh asks for a topic.
func (m *metadata) fresh(ctx context.Context, name string) (*topicInfo, error) {
	r := m.ask([]string{name}, FailMissing)
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, timedOut(ctx, where{topic: name, partition: -1}, "asking for the topic", OutcomeFailed)
	}
	t, err := r.result(name)
	if err != nil {
		return nil, err
	}
	return t, nil
}

// refresh asks for the brokers, and leaves those that are known if it cannot.
func (m *metadata) refresh(ctx context.Context) {
	select {
	case <-m.ask(nil, FailMissing).done:
	case <-ctx.Done():
	}
}

// forget has a topic asked for when it is needed next.
func (m *metadata) forget(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.topics, name)
}

// byID returns what is known of the topic of an id, and asks for all topics if that is nothing, or too few partitions.
func (m *metadata) byID(ctx context.Context, id uint64, partitions int32) (*topicInfo, *Error) {
	m.mu.Lock()
	for _, t := range m.topics {
		if t.id == id && t.count() >= partitions {
			m.mu.Unlock()
			return t, nil
		}
	}
	m.mu.Unlock()
	all := &round{found: map[string]*topicInfo{}, err: map[string]*Error{}}
	if err := m.send(ctx, all, &wire.MetadataRequest{All: true}); err != nil {
		return nil, err
	}
	for _, t := range all.found {
		if t.id == id && t.count() >= partitions {
			return t, nil
		}
	}
	return nil, newError(wire.CodeUnknownTopicID, nowhere(m.c.Address()), "there is no topic of id %d with %d partitions",
		id, partitions)
}

// result returns what a round that is done has found out about a topic.
func (r *round) result(name string) (*topicInfo, *Error) {
	if r.all != nil {
		err := *r.all
		err.Topic = name
		return nil, &err
	}
	if t := r.found[name]; t != nil {
		return t, nil
	}
	return nil, r.err[name]
}

// ask has topics asked for, and the brokers. It returns the round at whose end the answer is there.
func (m *metadata) ask(names []string, missing MissingTopics) *round {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next == nil {
		m.next = &round{names: map[string]MissingTopics{}, done: make(chan struct{})}
	}
	r := m.next
	for _, name := range names {
		r.names[name] = max(missing, r.names[name])
	}
	if !m.running {
		m.running = true
		m.c.tasks.Go(m.run)
	}
	return r
}

// run asks as long as there is something to ask.
func (m *metadata) run() {
	for {
		m.mu.Lock()
		r := m.next
		m.next = nil
		if r == nil {
			m.running = false
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		m.serve(r)
		close(r.done)
	}
}

// serve carries a round out: one request for the topics that must exist, one for those that may be created.
func (m *metadata) serve(r *round) {
	r.found, r.err = map[string]*topicInfo{}, map[string]*Error{}
	var plain, create []string
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		if r.names[name] == CreateMissing {
			create = append(create, name)
		} else {
			plain = append(plain, name)
		}
	}
	if len(plain) > 0 || len(create) == 0 {
		r.all = m.send(m.c.ctx, r, &wire.MetadataRequest{Topics: plain})
	}
	if len(create) > 0 && r.all == nil {
		r.all = m.send(m.c.ctx, r, &wire.MetadataRequest{Topics: create, CreateMissing: true})
	}
}

func (m *metadata) send(ctx context.Context, r *round, q *wire.MetadataRequest) *Error {
	answer, err := consult[*wire.MetadataResponse](ctx, m.c, q)
	if err != nil {
		return err.(*Error)
	}
	if answer.Stale && m.looksElsewhere() {
		if better := m.c.askOthers(ctx, q); better != nil {
			answer = better
		}
	}
	address := m.c.Address()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.brokers = make(map[int32]string, len(answer.Brokers))
	for i := range answer.Brokers {
		m.brokers[answer.Brokers[i].ID] = answer.Brokers[i].Address
	}
	for i := range answer.Topics {
		t := &answer.Topics[i]
		at := where{topic: t.Name, partition: -1, address: address}
		if t.Error != nil {
			r.err[t.Name] = fromWire(t.Error, at)
			delete(m.topics, t.Name)
			continue
		}
		info := newTopicInfo(t)
		if info == nil {
			r.err[t.Name] = newError(wire.CodeInternal, at, "the broker's list of partitions has gaps")
			continue
		}
		r.found[t.Name] = info
		m.topics[t.Name] = info
	}
	for _, name := range q.Topics {
		if r.found[name] == nil && r.err[name] == nil {
			r.err[name] = newError(wire.CodeUnknownTopic, where{topic: name, partition: -1, address: address},
				"no topic %q", name)
		}
	}
	return nil
}

// looksElsewhere tells whether it is time to look for a broker that is in touch with the cluster: as long as there is
// none, it is tried now and then.
func (m *metadata) looksElsewhere() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.looked) < silence {
		return false
	}
	m.looked = time.Now()
	return true
}

// newTopicInfo returns nil if the partitions are not 0 to n-1.
func newTopicInfo(t *wire.TopicMetadata) *topicInfo {
	info := &topicInfo{name: t.Name, id: t.ID, leaders: make([]leader, len(t.Partitions)), at: time.Now()}
	seen := make([]bool, len(t.Partitions))
	for _, p := range t.Partitions {
		if p.Index < 0 || int(p.Index) >= len(seen) || seen[p.Index] {
			return nil
		}
		seen[p.Index] = true
		info.leaders[p.Index] = leader{broker: p.Leader, epoch: p.LeaderEpoch}
	}
	return info
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[int32]V) []int32 { return slices.Sorted(maps.Keys(m)) }

// forgetID has the topic of an id asked for when it is needed next.
func (m *metadata) forgetID(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.topics, func(_ string, t *topicInfo) bool { return t.id == id })
}
