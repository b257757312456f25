package broker

import (
	"context"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// add_partitions gives topics more partitions; total is the number afterwards, never fewer than there are (E116), the
// same number is no error. The new ones can be written to at once; keys are then spread over more partitions than
// before, as in Kafka.
//
// Not done: manual placement, rights.
func (b *Broker) addPartitions(
	ctx context.Context, req *wire.AddPartitionsRequest,
) (*wire.AddPartitionsResponse, error) {
	if err := b.beginAdmin(); err != nil {
		return nil, err
	}
	defer b.adminMu.Unlock()
	store := b.adminStore(req.ValidateOnly)
	resp := &wire.AddPartitionsResponse{Topics: make([]wire.TopicResult, len(req.Topics))}
	for i := range req.Topics {
		in := &req.Topics[i]
		if b.topics.name(in.Name) == nil {
			resp.Topics[i] = wire.TopicResult{Name: in.Name, Error: unknownTopic(in.Name)}
			continue
		}
		meta, err := metadata.AddPartitions(ctx, store, in.Name, in.Total, b.roomForPartitions())
		if err == nil && !req.ValidateOnly {
			err = b.show(meta)
		}
		resp.Topics[i] = topicResult(in.Name, meta, err)
	}
	return resp, nil
}
