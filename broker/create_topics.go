package broker

import (
	"context"
	"fmt"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// create_topics makes topics, each for itself: one may fail (E111, E115, E116, E117, E118, E148) while others are
// made. It is answered when they are durable; they can be written to at once. validate_only checks the same and makes
// nothing. A name that differs from another topic's only by "." and "_" is refused (I-13).
//
// Not done: manual placement, rights.
func (b *Broker) createTopics(ctx context.Context, req *wire.CreateTopicsRequest) (*wire.CreateTopicsResponse, error) {
	if err := b.beginAdmin(); err != nil {
		return nil, err
	}
	defer b.adminMu.Unlock()
	resp := &wire.CreateTopicsResponse{Topics: make([]wire.TopicResult, len(req.Topics))}
	var specs []metadata.NewTopic
	var places []int // of specs in the response
	for i := range req.Topics {
		spec, err := b.newTopic(&req.Topics[i])
		if err != nil {
			resp.Topics[i] = topicResult(req.Topics[i].Name, metadata.Topic{}, err)
			continue
		}
		specs, places = append(specs, spec), append(places, i)
	}
	results := b.makeTopics(ctx, b.adminStore(req.ValidateOnly), specs)
	for i, r := range results {
		if r.Err == nil && req.ValidateOnly {
			r.Topic.ID = 0
		}
		resp.Topics[places[i]] = topicResult(specs[i].Name, r.Topic, r.Err)
		if r.Err == nil && !req.ValidateOnly {
			if err := b.show(r.Topic); err != nil {
				resp.Topics[places[i]] = topicResult(specs[i].Name, r.Topic, err)
			}
		}
	}
	return resp, nil
}

// newTopic is a client's wish with the defaults filled in.
func (b *Broker) newTopic(in *wire.NewTopic) (metadata.NewTopic, error) {
	settings, err := settingMap(in.Settings)
	if err != nil {
		return metadata.NewTopic{}, err
	}
	spec := metadata.NewTopic{Name: in.Name, Partitions: in.Partitions, Replicas: in.Replicas, Settings: settings}
	setDefault(&spec.Partitions, b.cfg.TopicDefaults.Partitions)
	setDefault(&spec.Replicas, b.defaultReplicas())
	if n := b.brokerCount(); spec.Replicas > n {
		return spec, wire.Errorf(wire.CodeNotEnoughBrokers, "topic %q: %d replicas asked for, and %s", in.Name, spec.Replicas,
			map[bool]string{true: "this cluster has one broker", false: fmt.Sprintf("%d brokers are there", n)}[n == 1])
	}
	if err := b.batchFits(settings); err != nil {
		return spec, err
	}
	return spec, nil
}

// batchFits refuses a batch size that no request could carry.
func (b *Broker) batchFits(settings map[string]string) error {
	if _, set := settings["max_batch_bytes"]; !set {
		return nil
	}
	resolved, err := metadata.ResolveSettings(b.defaults, settings)
	if err != nil {
		return nil // told by the one who looks at all of them
	}
	if most := b.cfg.Limits.FrameBytes - frameOverhead; resolved.MaxBatchBytes > most {
		return wire.Errorf(wire.CodeInvalidSetting,
			"max_batch_bytes %d does not fit into the largest request that this broker takes (%d bytes)",
			resolved.MaxBatchBytes, b.cfg.Limits.FrameBytes)
	}
	return nil
}

// frameOverhead is room for what a request has beside its one batch.
const frameOverhead = 1 << 10

// brokerCount is how many brokers can take replicas.
func (b *Broker) brokerCount() (n int32) {
	if b.member == nil {
		return 1
	}
	for _, r := range b.member.Brokers() {
		if !r.Draining && !b.member.Decommissioning(r.Member.Broker) {
			n++
		}
	}
	return n
}

// defaultReplicas is how many copies a topic has whose creator does not say.
func (b *Broker) defaultReplicas() int32 {
	if n := b.cfg.TopicDefaults.Replicas; n > 0 {
		return n
	}
	return min(max(b.brokerCount(), 1), 3)
}

// makeTopics makes topics in store. Called with adminMu held.
func (b *Broker) makeTopics(
	ctx context.Context, store metadata.Store, specs []metadata.NewTopic,
) []metadata.TopicResult {
	return metadata.CreateTopics(ctx, store, specs, metadata.CreateOptions{
		Now: b.clock.now(), MaxPartitions: b.roomForPartitions(),
	})
}
