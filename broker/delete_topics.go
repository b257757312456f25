package broker

import (
	"context"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// delete_topics deletes topics with all their records, each for itself (E110). A topic is gone for clients as soon as
// its tombstone is durable: requests that name it, and those that wait on it, are told so. Then its rows are deleted
// and its name is free, all before the answer; if that is interrupted, the broker goes on with it in the background and
// at its next start. A topic made again under the name has another id, and never meets the old records. The disk's
// space comes back later. Deletion goes on while the disk is full.
//
// Not done: rights.
func (b *Broker) deleteTopics(ctx context.Context, req *wire.DeleteTopicsRequest) (*wire.DeleteTopicsResponse, error) {
	if err := b.beginAdmin(); err != nil {
		return nil, err
	}
	defer b.adminMu.Unlock()
	resp := &wire.DeleteTopicsResponse{Topics: make([]wire.TopicResult, len(req.Names))}
	var marked []metadata.Topic
	var names []string
	var places []int
	for i, name := range req.Names {
		if b.topics.name(name) == nil {
			resp.Topics[i] = wire.TopicResult{Name: name, Error: unknownTopic(name)}
			continue
		}
		names, places = append(names, name), append(places, i)
	}
	results := metadata.DeleteTopics(ctx, b.adminStore(req.ValidateOnly), names, b.clock.now())
	for i, r := range results {
		resp.Topics[places[i]] = topicResult(names[i], r.Topic, r.Err)
		if r.Err != nil || req.ValidateOnly {
			continue
		}
		if t := b.topics.remove(names[i]); t != nil {
			b.retired.in.Add(t.counters.recordsIn.Load())
			b.retired.out.Add(t.counters.recordsOut.Load())
			marked = append(marked, r.Topic)
			b.groups.topics.note()
		}
	}
	if len(marked) == 0 {
		return resp, nil
	}
	if err := b.purge(ctx, marked); err != nil {
		b.log.Warn("deleting topics was interrupted; it is gone on with", "topics", len(marked), "error", err)
	}
	return resp, nil
}
