package broker

import (
	"context"
	"fmt"

	"github.com/skidway/skidway/wire"
)

// list_topics gives a line on every topic: what it holds, what goes in and out, how it is. Logs that were not opened
// yet are opened for it. The rates are records a second, over about the last five seconds.
//
// Not done: rights.
func (b *Broker) listTopics(ctx context.Context, _ *wire.ListTopicsRequest) (*wire.ListTopicsResponse, error) {
	topics := b.sortedTopics()
	resp := &wire.ListTopicsResponse{Topics: make([]wire.TopicSummary, 0, len(topics))}
	for _, t := range topics {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		resp.Topics = append(resp.Topics, b.summary(t))
	}
	return resp, nil
}

func (b *Broker) summary(t *topic) wire.TopicSummary {
	meta := t.state.Load().meta
	s := wire.TopicSummary{Name: t.name, ID: t.id, Partitions: meta.Partitions, Replicas: meta.Replicas, Health: "ok"}
	s.InPerSec, s.OutPerSec = t.counters.rates()
	damaged := 0
	for _, p := range t.partitions() {
		log, err := b.localLog(p)
		if log == nil && err == nil {
			continue // its copies are with other brokers
		}
		if err != nil {
			_ = b.logError(p, err) // notes damage
			damaged++
			continue
		}
		st := log.Stats()
		s.Records += st.End - st.Start
		s.Bytes += st.Bytes
		if p.damaged.Load() {
			damaged++
		}
	}
	switch {
	case damaged > 0:
		s.Health = fmt.Sprintf("damaged (%d)", damaged)
	case b.store.Writable() != nil:
		s.Health = "read-only"
	}
	return s
}
