package broker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/record"
)

// kafkaTopic is a wish for a topic; configs are name, value, name, value.
func kafkaTopic(name string, partitions int32, replicas int16, configs ...string) kmsg.CreateTopicsRequestTopic {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, partitions, replicas
	for i := 0; i+1 < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		t.Configs = append(t.Configs, c)
	}
	return t
}

func TestKafkaCreateTopics(t *testing.T) {
	n := startNode(t, onKafka)
	c := dialKafka(t, n)
	placed := kafkaTopic("placed", -1, -1)
	placed.ReplicaAssignment = []kmsg.CreateTopicsRequestTopicReplicaAssignment{{Replicas: []int32{1}}}
	for version := int16(2); version <= 7; version++ {
		good := string(rune('a' + version))
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version = version
		req.Topics = []kmsg.CreateTopicsRequestTopic{
			kafkaTopic(good, 3, 1, "retention.ms", "3600000", "compression.type", "producer"),
			kafkaTopic(good+".default", -1, -1),
			kafkaTopic(good, 1, 1), kafkaTopic("a/b", 1, 1), kafkaTopic("x", 0, 1), kafkaTopic("x", 1, 0),
			kafkaTopic("x", 1, 3), kafkaTopic("x", 1, 1, "cleanup.policy", "compact"),
			kafkaTopic("x", 1, 1, "segment.bytes", "1"), placed,
		}
		resp := ask[*kmsg.CreateTopicsResponse](c, req)
		for i, want := range []*kerr.Error{
			nil, nil, kerr.TopicAlreadyExists, kerr.InvalidTopicException, kerr.InvalidPartitions,
			kerr.InvalidReplicationFactor, kerr.InvalidReplicationFactor, kerr.InvalidConfig, kerr.InvalidConfig,
			kerr.InvalidReplicaAssignment,
		} {
			if want == nil {
				require.Zero(t, resp.Topics[i].ErrorCode)
				continue
			}
			requireKafka(t, want, resp.Topics[i].ErrorCode)
			require.NotEmpty(t, *resp.Topics[i].ErrorMessage)
		}
		if version >= 5 {
			require.Equal(t, int32(3), resp.Topics[0].NumPartitions)
			require.Equal(t, int16(1), resp.Topics[0].ReplicationFactor)
			require.Equal(t, "retention.ms", resp.Topics[0].Configs[0].Name)
			require.Equal(t, "3600000", *resp.Topics[0].Configs[0].Value)
			require.Equal(t, int8(kmsg.ConfigSourceDynamicTopicConfig), resp.Topics[0].Configs[0].Source)
		}
		require.Len(t, n.topics.name(good).partitions(), 3)
		require.Equal(t, time.Hour, n.topics.name(good).settings().Retention)
	}
	only := kmsg.NewPtrCreateTopicsRequest()
	only.Version, only.ValidateOnly = 7, true
	only.Topics = append(only.Topics, kafkaTopic("only", 2, 1, "retention.ms", "60000"))
	resp := ask[*kmsg.CreateTopicsResponse](c, only).Topics[0]
	require.Zero(t, resp.ErrorCode)
	require.Equal(t, "60000", *resp.Configs[0].Value)
	require.Nil(t, n.topics.name("only"))
}

func TestKafkaMetadata(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 2)
	n.create("u", 1)
	c := dialKafka(t, n)
	var id [16]byte
	for version := int16(12); version >= 0; version-- {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = version
		for _, name := range []string{"t", "absent"} {
			req.Topics = append(req.Topics, kmsg.MetadataRequestTopic{Topic: kmsg.StringPtr(name)})
		}
		resp := ask[*kmsg.MetadataResponse](c, req)
		require.Len(t, resp.Brokers, 1)
		require.Equal(t, n.kafka.advertise, resp.Brokers[0].Host+n.KafkaAddr().String()[len(resp.Brokers[0].Host):])
		if version >= 2 {
			require.Equal(t, n.ClusterID(), *resp.ClusterID)
			require.Equal(t, int32(1), resp.ControllerID)
		}
		require.Equal(t, "t", *resp.Topics[0].Topic)
		require.Len(t, resp.Topics[0].Partitions, 2)
		p := &resp.Topics[0].Partitions[1]
		require.Equal(t, []int32{1, 1, 1, 1}, []int32{p.Partition, p.Leader, p.Replicas[0], p.ISR[0]})
		requireKafka(t, kerr.UnknownTopicOrPartition, resp.Topics[1].ErrorCode)
		req.Topics = nil
		require.Len(t, ask[*kmsg.MetadataResponse](c, req).Topics, 2)
		if version >= 1 {
			req.Topics = []kmsg.MetadataRequestTopic{}
			require.Empty(t, ask[*kmsg.MetadataResponse](c, req).Topics)
		}
		if version < 10 {
			continue
		}
		id = resp.Topics[0].TopicID
		req.Topics = []kmsg.MetadataRequestTopic{{TopicID: id}, {TopicID: [16]byte{1, 2}}}
		resp = ask[*kmsg.MetadataResponse](c, req)
		require.Equal(t, "t", *resp.Topics[0].Topic)
		requireKafka(t, kerr.UnknownTopicID, resp.Topics[1].ErrorCode)
		require.Equal(t, [16]byte{1, 2}, resp.Topics[1].TopicID)
	}
}

// A topic is made when it is first asked for, where both the client and the broker allow it.
func TestKafkaAutoCreation(t *testing.T) {
	for _, broker := range []AutoCreate{AutoCreateOn, AutoCreateOff} {
		n := startNode(t, onKafka, func(c *Config) { c.AutoCreate = broker })
		c := dialKafka(t, n)
		for _, client := range []bool{false, true} {
			req := kmsg.NewPtrMetadataRequest()
			req.Version, req.AllowAutoTopicCreation = 9, client
			req.Topics = []kmsg.MetadataRequestTopic{{Topic: kmsg.StringPtr("t")}}
			made := ask[*kmsg.MetadataResponse](c, req).Topics[0].ErrorCode == 0
			require.Equal(t, client && broker == AutoCreateOn, made)
		}
	}
}

func TestKafkaDeleteTopics(t *testing.T) {
	n := startNode(t, onKafka)
	c := dialKafka(t, n)
	for version := int16(1); version <= 6; version++ {
		n.create("t", 1)
		n.create("u", 1)
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.Version = version
		if version < 6 {
			req.TopicNames = []string{"t", "absent", "u"}
		} else {
			md := kmsg.NewPtrMetadataRequest()
			md.Version = 12
			u := ask[*kmsg.MetadataResponse](c, md).Topics[1].TopicID
			req.Topics = []kmsg.DeleteTopicsRequestTopic{
				{Topic: kmsg.StringPtr("t")}, {Topic: kmsg.StringPtr("absent")}, {TopicID: u}, {TopicID: [16]byte{9}},
			}
		}
		resp := ask[*kmsg.DeleteTopicsResponse](c, req)
		require.Zero(t, resp.Topics[0].ErrorCode)
		requireKafka(t, kerr.UnknownTopicOrPartition, resp.Topics[1].ErrorCode)
		require.Zero(t, resp.Topics[2].ErrorCode)
		if version == 6 {
			require.Equal(t, "u", *resp.Topics[2].Topic)
			requireKafka(t, kerr.UnknownTopicID, resp.Topics[3].ErrorCode)
		}
		require.Nil(t, n.topics.name("t"))
		require.Nil(t, n.topics.name("u"))
	}
}

func TestKafkaCreatePartitions(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 1)
	c := dialKafka(t, n)
	for version := range int16(4) {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.Version = version
		ask1 := func(topic string, count int32, only bool) int16 {
			req.ValidateOnly, req.Topics = only, []kmsg.CreatePartitionsRequestTopic{{Topic: topic, Count: count}}
			return ask[*kmsg.CreatePartitionsResponse](c, req).Topics[0].ErrorCode
		}
		want := int32(version) + 2
		require.Zero(t, ask1("t", want, true))
		require.Len(t, n.topics.name("t").partitions(), int(want)-1)
		require.Zero(t, ask1("t", want, false))
		require.Len(t, n.topics.name("t").partitions(), int(want))
		requireKafka(t, kerr.InvalidPartitions, ask1("t", want, false))
		requireKafka(t, kerr.InvalidPartitions, ask1("t", 1, false))
		requireKafka(t, kerr.InvalidPartitions, ask1("t", -1, false))
		requireKafka(t, kerr.UnknownTopicOrPartition, ask1("absent", 3, false))
		req.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: want + 1,
			Assignment: []kmsg.CreatePartitionsRequestTopicAssignment{{Replicas: []int32{1}}}}}
		requireKafka(t, kerr.InvalidReplicaAssignment, ask[*kmsg.CreatePartitionsResponse](c, req).Topics[0].ErrorCode)
	}
}

// described are the settings of a resource, by name.
func described(c *rawKafka, version int16, kind kmsg.ConfigResourceType, name string, names ...string) (
	map[string]kmsg.DescribeConfigsResponseResourceConfig, int16,
) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	req.Version, req.IncludeSynonyms = version, true
	req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kind, ResourceName: name, ConfigNames: names}}
	resp := ask[*kmsg.DescribeConfigsResponse](c, req).Resources[0]
	found := make(map[string]kmsg.DescribeConfigsResponseResourceConfig)
	for _, config := range resp.Configs {
		found[config.Name] = config
	}
	return found, resp.ErrorCode
}

func TestKafkaConfigs(t *testing.T) {
	n := startNode(t, onKafka, func(c *Config) { c.TopicDefaults.Settings = map[string]string{"retention_bytes": "1MiB"} })
	n.create("t", 1, "retention", "1h")
	c := dialKafka(t, n)
	topic, broker := kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker
	for version := int16(1); version <= 4; version++ {
		got, _ := described(c, version, topic, "t")
		require.Equal(t, "3600000", *got["retention.ms"].Value)
		require.Equal(t, kmsg.ConfigSourceDynamicTopicConfig, got["retention.ms"].Source)
		require.Equal(t, kmsg.ConfigSourceStaticBrokerConfig, got["retention.bytes"].Source)
		require.Equal(t, kmsg.ConfigSourceDefaultConfig, got["max.message.bytes"].Source)
		require.Equal(t, "delete", *got["cleanup.policy"].Value)
		require.True(t, got["compression.type"].ReadOnly)
		require.Len(t, got["retention.ms"].ConfigSynonyms, 1)
		got, _ = described(c, version, topic, "t", "retention.ms", "nonsense")
		require.Len(t, got, 1)
		got, _ = described(c, version, broker, "1")
		require.Equal(t, "1048576", *got["log.retention.bytes"].Value)
	}
	_, code := described(c, 4, topic, "absent")
	requireKafka(t, kerr.UnknownTopicOrPartition, code)
	_, code = described(c, 4, broker, "7")
	requireKafka(t, kerr.InvalidRequest, code)

	alter := func(only bool, changes ...kmsg.IncrementalAlterConfigsRequestResourceConfig) int16 {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version, req.ValidateOnly = 1, only
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{
			{ResourceType: topic, ResourceName: "t", Configs: changes},
		}
		return ask[*kmsg.IncrementalAlterConfigsResponse](c, req).Resources[0].ErrorCode
	}
	set := func(name, value string) kmsg.IncrementalAlterConfigsRequestResourceConfig {
		return kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Value: &value}
	}
	unset := func(name string) kmsg.IncrementalAlterConfigsRequestResourceConfig {
		return kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: name, Op: kmsg.IncrementalAlterConfigOpDelete}
	}
	require.Zero(t, alter(true, set("retention.ms", "1000")))
	require.Equal(t, time.Hour, n.topics.name("t").settings().Retention)
	require.Zero(t, alter(false, set("message.timestamp.type", "LogAppendTime"), unset("retention.ms"),
		unset("preallocate")))
	require.Equal(t, record.LogAppendTime, n.topics.name("t").settings().Timestamps)
	require.Equal(t, 7*24*time.Hour, n.topics.name("t").settings().Retention)
	requireKafka(t, kerr.InvalidConfig, alter(false, set("cleanup.policy", "compact")))
	requireKafka(t, kerr.InvalidConfig, alter(false, set("nonsense", "1")))
	requireKafka(t, kerr.InvalidConfig, alter(false, unset("nonsense")))
	add := set("cleanup.policy", "compact")
	add.Op = kmsg.IncrementalAlterConfigOpAppend
	requireKafka(t, kerr.InvalidConfig, alter(false, add))

	// AlterConfigs gives back what it does not name.
	all := kmsg.NewPtrAlterConfigsRequest()
	for version := range int16(3) {
		all.Version = version
		all.Resources = []kmsg.AlterConfigsRequestResource{
			{ResourceType: topic, ResourceName: "t", Configs: []kmsg.AlterConfigsRequestResourceConfig{
				{Name: "retention.ms", Value: kmsg.StringPtr("60000")},
			}},
			{ResourceType: topic, ResourceName: "absent"}, {ResourceType: broker, ResourceName: "1"},
		}
		resp := ask[*kmsg.AlterConfigsResponse](c, all)
		require.Zero(t, resp.Resources[0].ErrorCode)
		requireKafka(t, kerr.UnknownTopicOrPartition, resp.Resources[1].ErrorCode)
		requireKafka(t, kerr.InvalidRequest, resp.Resources[2].ErrorCode)
	}
	require.Equal(t, time.Minute, n.topics.name("t").settings().Retention)
	require.Equal(t, record.CreateTime, n.topics.name("t").settings().Timestamps)
}

// listed is what ListOffsets tells of partition 0.
func listed(c *rawKafka, version int16, topic string, at int64) kmsg.ListOffsetsResponseTopicPartition {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version = version
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Timestamp = at
	req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
	return ask[*kmsg.ListOffsetsResponse](c, req).Topics[0].Partitions[0]
}

func TestKafkaOffsets(t *testing.T) {
	n := startNode(t, onKafka)
	id := n.create("t", 1)
	n.create("empty", 1)
	now := time.Now().UnixMilli()
	for _, at := range []int64{now, now + 5000, now + 2000} {
		require.Nil(t, n.produce(id, 0, batchOf(t, record.None, func(b *record.Builder) {
			b.Append(record.Record{Timestamp: at})
			b.Append(record.Record{Timestamp: at - 500})
		})).Error)
	}
	c := dialKafka(t, n)
	for version := int16(1); version <= 7; version++ {
		require.Equal(t, int64(6), listed(c, version, "t", -1).Offset)
		require.Equal(t, int64(0), listed(c, version, "t", -2).Offset)
		require.Equal(t, int64(2), listed(c, version, "t", now+1).Offset)
		require.Equal(t, int64(-1), listed(c, version, "t", now+6000).Offset)
		newest := listed(c, version, "t", -3)
		if version < 7 {
			requireKafka(t, kerr.InvalidRequest, newest.ErrorCode)
			continue
		}
		require.Equal(t, []int64{2, now + 5000}, []int64{newest.Offset, newest.Timestamp})
		require.Equal(t, int64(-1), listed(c, version, "empty", -3).Offset)
		requireKafka(t, kerr.InvalidRequest, listed(c, version, "t", -4).ErrorCode)
		requireKafka(t, kerr.UnknownTopicOrPartition, listed(c, version, "absent", -1).ErrorCode)
	}
	for version := range int16(3) {
		req := kmsg.NewPtrDeleteRecordsRequest()
		req.Version = version
		before := func(offsets ...int64) []kmsg.DeleteRecordsResponseTopicPartition {
			topic := kmsg.DeleteRecordsRequestTopic{Topic: "t"}
			for _, offset := range offsets {
				topic.Partitions = append(topic.Partitions, kmsg.DeleteRecordsRequestTopicPartition{Offset: offset})
			}
			req.Topics = []kmsg.DeleteRecordsRequestTopic{topic}
			return ask[*kmsg.DeleteRecordsResponse](c, req).Topics[0].Partitions
		}
		require.Equal(t, int64(version)+1, before(int64(version) + 1)[0].LowWatermark)
		for _, p := range before(99, -2) {
			requireKafka(t, kerr.OffsetOutOfRange, p.ErrorCode)
			require.Equal(t, int64(-1), p.LowWatermark)
		}
		if version == 2 {
			require.Equal(t, int64(6), before(-1)[0].LowWatermark)
		}
	}
}

func TestKafkaDescribes(t *testing.T) {
	n := startNode(t, onKafka)
	id := n.create("t", 3)
	n.create("u", 2)
	n.append(id, 0, "a")
	c := dialKafka(t, n)
	for version := range int16(2) {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.Version = version
		resp := ask[*kmsg.DescribeClusterResponse](c, req)
		require.Equal(t, n.ClusterID(), resp.ClusterID)
		require.Len(t, resp.Brokers, 1)
		if req.EndpointType = 2; version == 1 {
			requireKafka(t, kerr.UnsupportedEndpointType, ask[*kmsg.DescribeClusterResponse](c, req).ErrorCode)
		}
	}
	for version := int16(1); version <= 4; version++ {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		req.Version = version
		dir := ask[*kmsg.DescribeLogDirsResponse](c, req).Dirs[0]
		require.Equal(t, n.cfg.DataDir, dir.Dir)
		require.Len(t, dir.Topics, 2)
		require.Len(t, dir.Topics[0].Partitions, 3)
		require.Positive(t, dir.Topics[0].Partitions[0].Size)
		req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "t", Partitions: []int32{0, 7}}, {Topic: "absent"}}
		dir = ask[*kmsg.DescribeLogDirsResponse](c, req).Dirs[0]
		require.Len(t, dir.Topics, 1)
		require.Len(t, dir.Topics[0].Partitions, 1)
	}
	// Page by page, two partitions each.
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.ResponsePartitionLimit = 2
	var seen []string
	for pages := 1; ; pages++ {
		resp := ask[*kmsg.DescribeTopicPartitionsResponse](c, req)
		for _, topic := range resp.Topics {
			for _, p := range topic.Partitions {
				require.Equal(t, []int32{1}, p.ISR)
				require.NotNil(t, p.EligibleLeaderReplicas, "the Java client takes null for a fault")
				require.NotNil(t, p.LastKnownELR, "the Java client takes null for a fault")
				seen = append(seen, *topic.Topic+"/"+string(rune('0'+p.Partition)))
			}
		}
		if resp.NextCursor == nil {
			require.Equal(t, 3, pages)
			break
		}
		next := kmsg.NewDescribeTopicPartitionsRequestCursor()
		next.Topic, next.Partition = resp.NextCursor.Topic, resp.NextCursor.Partition
		req.Cursor = &next
	}
	require.Equal(t, []string{"t/0", "t/1", "t/2", "u/0", "u/1"}, seen)
	req.Cursor, req.Topics = nil, []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "absent"}, {Topic: "u"}}
	resp := ask[*kmsg.DescribeTopicPartitionsResponse](c, req)
	requireKafka(t, kerr.UnknownTopicOrPartition, resp.Topics[0].ErrorCode)
	require.Len(t, resp.Topics[1].Partitions, 2)
}
