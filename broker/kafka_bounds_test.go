package broker

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// Kafka's clients put a batch of each partition into one request, which may have far more bytes than a native one.
func TestKafkaLargeRequest(t *testing.T) {
	const partitions = 12
	n := startNode(t, onKafka)
	n.create("t", partitions)
	req := kafkaProduce(9, "t", -1, nil)
	req.Topics[0].Partitions = nil
	for i := range int32(partitions) {
		batch := batchOf(t, record.None, func(b *record.Builder) {
			b.Append(record.Record{Timestamp: 1, Value: make([]byte, 900_000)})
		})
		req.Topics[0].Partitions = append(req.Topics[0].Partitions,
			kmsg.ProduceRequestTopicPartition{Partition: i, Records: batch})
	}
	resp := ask[*kmsg.ProduceResponse](dialKafka(t, n), req)
	require.Len(t, resp.Topics[0].Partitions, partitions)
	for _, p := range resp.Topics[0].Partitions {
		require.Zero(t, p.ErrorCode)
	}
}

// What a request names many times is answered once: else a small request would have an answer of any size.
func TestKafkaNamedTwice(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 1)
	c := dialKafka(t, n)
	md := kmsg.NewPtrMetadataRequest()
	md.Version = 12
	for range 3 {
		md.Topics = append(md.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr("t")},
			kmsg.MetadataRequestTopic{TopicID: [16]byte{1}})
	}
	require.Len(t, ask[*kmsg.MetadataResponse](c, md).Topics, 2)
	groups := kmsg.NewPtrDescribeGroupsRequest()
	groups.Version, groups.Groups = 5, []string{"g", "h", "g"}
	require.Len(t, ask[*kmsg.DescribeGroupsResponse](c, groups).Groups, 2)
	configs := kmsg.NewPtrDescribeConfigsRequest()
	configs.Version = 4
	for range 3 {
		configs.Resources = append(configs.Resources,
			kmsg.DescribeConfigsRequestResource{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: "t"})
	}
	require.Len(t, ask[*kmsg.DescribeConfigsResponse](c, configs).Resources, 1)
	offsets := kmsg.NewPtrListOffsetsRequest()
	offsets.Version, offsets.ReplicaID = 7, -1
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = -3
	offsets.Topics = []kmsg.ListOffsetsRequestTopic{
		{Topic: "t", Partitions: []kmsg.ListOffsetsRequestTopicPartition{p, p}},
	}
	answered := ask[*kmsg.ListOffsetsResponse](c, offsets).Topics[0].Partitions
	require.Zero(t, answered[0].ErrorCode)
	requireKafka(t, kerr.InvalidRequest, answered[1].ErrorCode)

	_, err := try[*wire.MetadataResponse](n, &wire.MetadataRequest{Topics: []string{"t", "t"}})
	require.Equal(t, wire.CodeInvalidArgument, codeOf(err))
}

// A consumer that assigns itself its partitions may name an instance, or a member that it was, with no generation: it
// commits like one that names nothing, as long as the group has no members.
func TestKafkaCommitOutsideOfAGroup(t *testing.T) {
	n := startNode(t, onKafka, atOnce)
	n.create("demo", 2)
	commit := func(c *rawKafka, instance string) *kerr.Error {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group, req.Generation, req.InstanceID = 8, "g", -1, kmsg.StringPtr(instance)
		req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "demo", Partitions: []kmsg.OffsetCommitRequestTopicPartition{
			{Offset: 7, LeaderEpoch: -1},
		}}}
		return kerr.TypedErrorForCode(ask[*kmsg.OffsetCommitResponse](c, req).Topics[0].Partitions[0].ErrorCode)
	}
	c := dialKafka(t, n)
	require.Nil(t, commit(c, "x"))
	offset, _ := fetchedOffset(c, 8)
	require.EqualValues(t, 7, offset)
	m := &rawMember{rawKafka: dialKafka(t, n)}
	require.Zero(t, m.join(9, nil).ErrorCode)
	require.Equal(t, kerr.UnknownMemberID, commit(c, "x"))
}

// A partition whose own limit is tiny does not keep those behind it out of an answer.
func TestFetchTinyLimit(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 3)
	for i := range int32(3) {
		n.append(id, i, "a")
	}
	req := fetchFrom(id, 0, 0)
	req.Topics[0].Partitions[0].MaxBytes = 1 << 20
	for i := int32(1); i < 3; i++ {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions,
			wire.FetchPartition{Index: i, MaxBytes: map[int32]int32{1: 1, 2: 1 << 20}[i]})
	}
	for range 50 { // which partition is first is drawn by lot
		got := make(map[int32]int)
		for _, p := range do[*wire.FetchResponse](n, req).Topics[0].Partitions {
			got[p.Index] = len(p.Batches)
		}
		require.NotZero(t, got[0])
		require.NotZero(t, got[2])
	}
}
