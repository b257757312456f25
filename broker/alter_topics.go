package broker

import (
	"context"
	"fmt"
	"maps"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// alter_topics sets settings of topics, or gives them back to the broker's defaults; all of one topic's changes are
// made or none (E110, E117 with the name that was probably meant, E118). They hold at once: a shorter retention is
// carried out by the next tick, a smaller batch size for the next batch.
//
// Not done: rights.
func (b *Broker) alterTopics(ctx context.Context, req *wire.AlterTopicsRequest) (*wire.AlterTopicsResponse, error) {
	if err := b.beginAdmin(); err != nil {
		return nil, err
	}
	defer b.adminMu.Unlock()
	store := b.adminStore(req.ValidateOnly)
	resp := &wire.AlterTopicsResponse{Topics: make([]wire.TopicResult, len(req.Topics))}
	for i := range req.Topics {
		in := &req.Topics[i]
		meta, err := b.alterTopic(ctx, store, in)
		if err == nil && !req.ValidateOnly {
			err = b.show(meta)
		}
		resp.Topics[i] = topicResult(in.Name, meta, err)
	}
	return resp, nil
}

func (b *Broker) alterTopic(ctx context.Context, store metadata.Store, in *wire.TopicChange) (metadata.Topic, error) {
	set, err := settingMap(in.Set)
	if err != nil {
		return metadata.Topic{}, err
	}
	t := b.topics.name(in.Name)
	if t == nil {
		return metadata.Topic{}, unknownTopic(in.Name)
	}
	for _, name := range in.Unset {
		if _, both := set[name]; both {
			return metadata.Topic{}, wire.Errorf(wire.CodeInvalidSetting, "setting %q is both set and unset", name)
		}
	}
	after := maps.Clone(t.state.Load().meta.Settings)
	if after == nil {
		after = make(map[string]string, len(set))
	}
	maps.Copy(after, set)
	if err := b.batchFits(after); err != nil {
		return metadata.Topic{}, err
	}
	meta, err := metadata.AlterTopic(ctx, store, in.Name, metadata.TopicChange{Set: set, Unset: in.Unset})
	if err != nil {
		return meta, fmt.Errorf("changing settings: %w", err)
	}
	return meta, nil
}
