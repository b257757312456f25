package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// CreateTopics makes topics, each for itself, or with validate_only checks that it could. Any broker takes it. From
// version 5 on the answer has the partitions, the replicas and the settings that each topic got. Replicas are placed by
// the broker: a request that names places is refused.
func createTopics(ctx context.Context, r *request, req *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	resp.Topics = make([]kmsg.CreateTopicsResponseTopic, len(req.Topics))
	native := &wire.CreateTopicsRequest{ValidateOnly: req.ValidateOnly}
	var places []int // in the answer, of what is asked
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.Default()
		out.Topic, out.Configs = in.Topic, []kmsg.CreateTopicsResponseTopicConfig{}
		topic, refused := newTopic(in)
		if refused != nil {
			out.ErrorCode, out.ErrorMessage = refused.code, textOf(refused.text)
			continue
		}
		native.Topics, places = append(native.Topics, topic), append(places, i)
	}
	if len(places) == 0 {
		return resp
	}
	made, refused := ask[*wire.CreateTopicsResponse](ctx, r, native)
	for i, place := range places {
		out := &resp.Topics[place]
		if refused != nil {
			out.ErrorCode, out.ErrorMessage = errorCode(refused), errorText(refused)
			continue
		}
		result := &made.Topics[i]
		if result.Error != nil {
			out.ErrorCode, out.ErrorMessage = changeCode(result.Error), errorText(result.Error)
			continue
		}
		out.TopicID = topicUUID(r.conn.node.Cluster().ID, result.ID)
		out.NumPartitions, out.ReplicationFactor = result.Partitions, int16(result.Replicas)
		values := r.conn.node.Settings(result.ID)
		if req.ValidateOnly {
			values = overlay(values, native.Topics[i].Settings)
		}
		for _, v := range configValues(values, result.Replicas) {
			out.Configs = append(out.Configs, kmsg.CreateTopicsResponseTopicConfig{
				Name: v.name, Value: &v.value, ReadOnly: v.fixed, Source: int8(v.source),
			})
		}
	}
	return resp
}

// newTopic is the native wish for a topic.
func newTopic(in *kmsg.CreateTopicsRequestTopic) (topic wire.NewTopic, refused *refusal) {
	switch {
	case len(in.ReplicaAssignment) > 0:
		return topic, &refusal{kerr.InvalidReplicaAssignment.Code, "replicas are placed by the broker; give their number"}
	case in.NumPartitions == 0 || in.NumPartitions < -1:
		return topic, &refusal{kerr.InvalidPartitions.Code,
			"a topic has at least one partition; -1 takes the broker's default"}
	case in.ReplicationFactor == 0 || in.ReplicationFactor < -1:
		return topic, &refusal{kerr.InvalidReplicationFactor.Code,
			"a topic has at least one replica; -1 takes the broker's default"}
	}
	topic.Name, topic.Partitions, topic.Replicas = in.Topic, max(in.NumPartitions, 0), int32(max(in.ReplicationFactor, 0))
	for _, c := range in.Configs {
		if c.Value == nil {
			continue // the default
		}
		set, refused := nativeSetting(c.Name, *c.Value)
		if refused != nil {
			return topic, refused
		}
		topic.Settings = append(topic.Settings, set...)
	}
	return topic, nil
}

// overlay is values with settings that a topic would have of its own.
func overlay(values []wire.SettingValue, own []wire.Setting) []wire.SettingValue {
	for _, s := range own {
		for i := range values {
			if values[i].Name == s.Name {
				values[i].Value, values[i].Origin = s.Value, wire.OriginTopic
			}
		}
	}
	return values
}
