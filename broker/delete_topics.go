package broker

import (
	"context"
	"time"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// delete_topics deletes topics with all their records, each for itself (E110). A topic is gone for clients as soon as
// its tombstone is durable: requests that name it, and those that wait on it, are told so. Then its rows are deleted
// and its name is free, all before the answer; if that is interrupted, the broker goes on with it in the background and
// at its next start. In a cluster the other brokers delete their rows soon after, or when they are back, and a name
// that takes the controller longer than nameWait is freed after the answer. A topic made again under the name has
// another id, and never meets the old records. The disk's space comes back later. Deletion goes on while the disk is
// full.
//
// Not done: rights.
func (b *Broker) deleteTopics(ctx context.Context, req *wire.DeleteTopicsRequest) (*wire.DeleteTopicsResponse, error) {
	resp, marked, err := b.deleteNow(ctx, req)
	if err == nil && b.member != nil {
		b.awaitNames(ctx, marked)
	}
	return resp, err
}

// deleteNow is deleteTopics as far as this broker does it; it tells which topics it was done for.
func (b *Broker) deleteNow(
	ctx context.Context, req *wire.DeleteTopicsRequest,
) (resp *wire.DeleteTopicsResponse, marked []metadata.Topic, err error) {
	if err := b.beginAdmin(); err != nil {
		return nil, nil, err
	}
	defer b.adminMu.Unlock()
	resp = &wire.DeleteTopicsResponse{Topics: make([]wire.TopicResult, len(req.Names))}
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
		if t := b.topics.name(names[i]); t != nil { // else the name came twice
			b.hide(t)
			marked = append(marked, r.Topic)
		}
	}
	if err := b.deleteMarked(ctx, marked); err != nil {
		b.log.Warn("deleting topics was interrupted; it is gone on with", "topics", len(marked), "error", err)
	}
	return resp, marked, nil
}

// nameWait bounds how long delete_topics waits for the controller.
const nameWait = 5 * time.Second

// awaitNames returns when the names of the topics are free, or when ctx or nameWait ends.
func (b *Broker) awaitNames(ctx context.Context, marked []metadata.Topic) {
	ctx, cancel := context.WithTimeout(ctx, nameWait)
	defer cancel()
	for _, t := range marked {
		for b.member.Holds(t) {
			select {
			case <-ctx.Done():
				return
			case <-b.draining:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}
