package kafka

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ConsumerProtocol is the protocol type of groups that consume topics. To a group what its members say of themselves is
// bytes; those who look at a group with tools want to know what is in them.
const ConsumerProtocol = "consumer"

// Subscribed are the topics that a consumer subscribes to, of the metadata that it joins with; nil if that is no
// consumer's.
func Subscribed(metadata []byte) []string {
	var m kmsg.ConsumerMemberMetadata
	if m.ReadFrom(metadata) != nil {
		return nil
	}
	return m.Topics
}

// Assigned are the partitions that are assigned to a consumer, by topic; nil if the assignment is no consumer's.
func Assigned(assignment []byte) map[string][]int32 {
	var a kmsg.ConsumerMemberAssignment
	if a.ReadFrom(assignment) != nil {
		return nil
	}
	topics := make(map[string][]int32, len(a.Topics))
	for _, t := range a.Topics {
		topics[t.Topic] = append(topics[t.Topic], t.Partitions...)
	}
	return topics
}

// Subscription is what a consumer of Kafka's would say that subscribes to the topics.
func Subscription(topics []string) []byte {
	m := kmsg.NewConsumerMemberMetadata()
	m.Topics = topics
	return m.AppendTo(nil)
}

// Assignment is what a consumer of Kafka's would be given that has those partitions.
func Assignment(topics map[string][]int32) []byte {
	a := kmsg.NewConsumerMemberAssignment()
	for _, name := range slices.Sorted(maps.Keys(topics)) {
		t := kmsg.NewConsumerMemberAssignmentTopic()
		t.Topic, t.Partitions = name, topics[name]
		a.Topics = append(a.Topics, t)
	}
	return a.AppendTo(nil)
}
