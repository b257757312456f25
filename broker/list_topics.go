package broker

import (
	"context"
	"fmt"

	"github.com/skidway/skidway/wire"
)

// list_topics gives a line on every topic: what it holds, what goes in and out, how it is. Logs that were not opened
// yet are opened for it. The rates are records a second, over about the last five seconds. In a cluster a broker counts
// the records of the partitions that it leads, so that the sum over the brokers is right; how partitions are it tells
// of all.
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
	damaged, offline, lacking := 0, 0, 0
	for _, p := range t.partitions() {
		if b.replicas != nil {
			switch l := b.leadership(p); {
			case l.leader < 0:
				offline++
			case len(l.inSync) < len(l.replicas)-len(l.adding):
				lacking++
			}
			if !b.replicas.leads(p.id()) {
				continue
			}
		}
		log, err := b.openLog(p)
		if err != nil {
			if e := b.logError(p, err); e.Code != wire.CodeNotLeader { // it notes damage
				damaged++
			}
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
	case offline > 0:
		s.Health = fmt.Sprintf("offline (%d)", offline)
	case damaged > 0:
		s.Health = fmt.Sprintf("damaged (%d)", damaged)
	case b.store.Writable() != nil:
		s.Health = "read-only"
	case lacking > 0:
		s.Health = fmt.Sprintf("under-replicated (%d)", lacking)
	}
	return s
}
