package broker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

func createOne(n *node, topic wire.NewTopic) wire.TopicResult {
	n.t.Helper()
	r := do[*wire.CreateTopicsResponse](n, &wire.CreateTopicsRequest{Topics: []wire.NewTopic{topic}})
	require.Len(n.t, r.Topics, 1)
	return r.Topics[0]
}

func setting(name, value string) []wire.Setting { return []wire.Setting{{Name: name, Value: value}} }

// I-13 and the other refusals: each names what is wrong, and nothing is made.
func TestCreateTopicRefusalsI13(t *testing.T) {
	n := startNode(t)
	n.create("taken.name", 1)
	cases := []struct {
		topic wire.NewTopic
		code  wire.Code
		says  string
	}{
		{wire.NewTopic{Name: "taken.name"}, wire.CodeTopicExists, "exists"},
		{wire.NewTopic{Name: "taken_name"}, wire.CodeInvalidTopicName, "taken.name"},
		{wire.NewTopic{Name: ""}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: "."}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: ".."}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: "../x"}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: "a/b"}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: "a\x00b"}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: "аdmin"}, wire.CodeInvalidTopicName, ""}, // a Cyrillic а
		{wire.NewTopic{Name: "__consumer_offsets"}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: strings.Repeat("x", 250)}, wire.CodeInvalidTopicName, ""},
		{wire.NewTopic{Name: "p", Partitions: 10_001}, wire.CodeInvalidPartitions, ""},
		{wire.NewTopic{Name: "r", Replicas: 3}, wire.CodeNotEnoughBrokers, "3 replicas"},
		{wire.NewTopic{Name: "s", Settings: setting("retension", "7d")}, wire.CodeUnknownSetting,
			`did you mean "retention"?`},
		{wire.NewTopic{Name: "s", Settings: setting("retention", "7 parsecs")}, wire.CodeInvalidSetting, "7 parsecs"},
		{wire.NewTopic{Name: "s", Settings: setting("cleanup", "compact")}, wire.CodeUnsupported, ""},
		{wire.NewTopic{Name: "s", Settings: setting("max_batch_bytes", "32MiB")}, wire.CodeInvalidSetting, "largest request"},
		{wire.NewTopic{Name: "s", Settings: append(setting("retention", "1d"), setting("retention", "2d")...)},
			wire.CodeInvalidSetting, "twice"},
	}
	for _, c := range cases {
		r := createOne(n, c.topic)
		requireCode(t, c.code, r.Error)
		require.Contains(t, r.Error.Message, c.says)
		require.Equal(t, c.topic.Name, r.Name)
		require.Zero(t, r.ID)
	}
	require.Len(t, do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{}).Topics, 1)
}

// One faulty topic does not hinder the others; validate_only makes none.
func TestCreateTopicsEachForItself(t *testing.T) {
	n := startNode(t, func(c *Config) { c.TopicDefaults.Partitions = 4 })
	req := &wire.CreateTopicsRequest{ValidateOnly: true, Topics: []wire.NewTopic{
		{Name: "a"}, {Name: "b/c"}, {Name: "d", Partitions: 2}, {Name: "a"},
	}}
	for range 2 {
		r := do[*wire.CreateTopicsResponse](n, req)
		require.Nil(t, r.Topics[0].Error)
		require.EqualValues(t, 4, r.Topics[0].Partitions)
		require.EqualValues(t, 1, r.Topics[0].Replicas)
		requireCode(t, wire.CodeInvalidTopicName, r.Topics[1].Error)
		require.Nil(t, r.Topics[2].Error)
		requireCode(t, wire.CodeTopicExists, r.Topics[3].Error)
		require.Zero(t, r.Topics[0].ID)
	}
	require.Empty(t, do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{}).Topics)
	req.ValidateOnly = false
	r := do[*wire.CreateTopicsResponse](n, req)
	require.NotZero(t, r.Topics[0].ID)
	require.NotEqual(t, r.Topics[0].ID, r.Topics[2].ID)
	require.Len(t, do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{}).Topics, 2)
}

func TestPartitionLimit(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.Partitions = 10 })
	n.create("a", 6)
	requireCode(t, wire.CodeLimitExceeded, createOne(n, wire.NewTopic{Name: "b", Partitions: 5}).Error)
	r := do[*wire.AddPartitionsResponse](n, &wire.AddPartitionsRequest{
		Topics: []wire.PartitionCount{{Name: "a", Total: 11}},
	})
	requireCode(t, wire.CodeLimitExceeded, r.Topics[0].Error)
	n.create("b", 4)
	do[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{Names: []string{"a"}})
	n.create("c", 6)
}

func TestAddPartitions(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	n.append(id, 1, "kept")
	add := func(name string, total int32, validate bool) wire.TopicResult {
		return do[*wire.AddPartitionsResponse](n, &wire.AddPartitionsRequest{ValidateOnly: validate,
			Topics: []wire.PartitionCount{{Name: name, Total: total}}}).Topics[0]
	}
	requireCode(t, wire.CodeInvalidPartitions, add("orders", 1, false).Error)
	requireCode(t, wire.CodeUnknownTopic, add("nothing", 3, false).Error)
	require.Nil(t, add("orders", 5, true).Error)
	requireCode(t, wire.CodeUnknownPartition, n.produce(id, 4, batch(t, "x")).Error)
	r := add("orders", 5, false)
	require.Nil(t, r.Error)
	require.Equal(t, id, r.ID)
	require.EqualValues(t, 5, r.Partitions)
	require.EqualValues(t, 0, n.append(id, 4, "new"))
	require.Equal(t, []string{"kept"}, n.read(id, 1, 0))
}

// G20: a topic that is deleted is gone at once, its name is free, and the one that is made again has another id and
// none of the old records.
func TestDeleteAndRecreateG20(t *testing.T) {
	n := startNode(t)
	old := n.create("orders", 2)
	n.append(old, 0, "old")
	r := do[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{ValidateOnly: true, Names: []string{"orders", "no"}})
	require.Nil(t, r.Topics[0].Error)
	requireCode(t, wire.CodeUnknownTopic, r.Topics[1].Error)
	require.Equal(t, []string{"old"}, n.read(old, 0, 0), "only checked")

	r = do[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{Names: []string{"orders"}})
	require.Nil(t, r.Topics[0].Error)
	requireCode(t, wire.CodeUnknownTopicID, n.produce(old, 0, batch(t, "x")).Error)
	requireCode(t, wire.CodeUnknownTopicID, n.fetch(old, 0, 0).Error)
	md := do[*wire.MetadataResponse](n, &wire.MetadataRequest{Topics: []string{"orders"}})
	requireCode(t, wire.CodeUnknownTopic, md.Topics[0].Error)

	id := n.create("orders", 2)
	require.NotEqual(t, old, id)
	require.EqualValues(t, 0, n.append(id, 0, "new"))
	require.Equal(t, []string{"new"}, n.read(id, 0, 0))
	requireCode(t, wire.CodeUnknownTopicID, n.produce(old, 0, batch(t, "x")).Error)
}

func TestAlterTopics(t *testing.T) {
	n := startNode(t, func(c *Config) { c.TopicDefaults.Settings = map[string]string{"retention": "3d"} })
	id := n.create("orders", 1, "max_batch_bytes", "2MiB")
	alter := func(validate bool, change wire.TopicChange) wire.TopicResult {
		return do[*wire.AlterTopicsResponse](n, &wire.AlterTopicsRequest{ValidateOnly: validate,
			Topics: []wire.TopicChange{change}}).Topics[0]
	}
	values := func() map[string][2]string {
		d := do[*wire.DescribeTopicsResponse](n, &wire.DescribeTopicsRequest{Names: []string{"orders"}}).Topics[0]
		require.Nil(t, d.Error)
		out := map[string][2]string{}
		for _, s := range d.Settings {
			out[s.Name] = [2]string{s.Value, s.Origin}
		}
		return out
	}
	require.Equal(t, [2]string{"3d", wire.OriginBroker}, values()["retention"])
	require.Equal(t, [2]string{"2MiB", wire.OriginTopic}, values()["max_batch_bytes"])
	require.Equal(t, [2]string{"create", wire.OriginDefault}, values()["timestamps"])

	r := alter(false, wire.TopicChange{
		Name: "orders", Set: append(setting("retention", "1h"), setting("retenton_bytes", "1")...),
	})
	requireCode(t, wire.CodeUnknownSetting, r.Error)
	require.Contains(t, r.Error.Message, `did you mean "retention_bytes"?`)
	require.Equal(t, "3d", values()["retention"][0], "all or nothing")
	requireCode(t, wire.CodeUnknownTopic, alter(false, wire.TopicChange{Name: "nothing"}).Error)
	requireCode(t, wire.CodeInvalidSetting, alter(false,
		wire.TopicChange{Name: "orders", Set: setting("retention", "1h"), Unset: []string{"retention"}}).Error)
	requireCode(t, wire.CodeInvalidSetting,
		alter(false, wire.TopicChange{Name: "orders", Set: setting("max_batch_bytes", "64MiB")}).Error)

	require.Nil(t, alter(true, wire.TopicChange{Name: "orders", Set: setting("max_batch_bytes", "1KiB")}).Error)
	n.append(id, 0, strings.Repeat("x", 2000))
	require.Nil(t, alter(false, wire.TopicChange{Name: "orders", Set: setting("max_batch_bytes", "1KiB")}).Error)
	tooBig := n.produce(id, 0, batch(t, strings.Repeat("x", 2000)))
	requireCode(t, wire.CodeRecordTooLarge, tooBig.Error)
	require.Nil(t, alter(false, wire.TopicChange{Name: "orders", Unset: []string{"max_batch_bytes"}}).Error)
	require.Equal(t, [2]string{"1MiB", wire.OriginDefault}, values()["max_batch_bytes"])
	n.append(id, 0, strings.Repeat("x", 2000))
}

func TestDescribeAndList(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 2)
	n.create("empty", 1)
	n.append(id, 1, "a", "b", "c")
	d := do[*wire.DescribeTopicsResponse](n, &wire.DescribeTopicsRequest{Names: []string{"orders", "no"}})
	requireCode(t, wire.CodeUnknownTopic, d.Topics[1].Error)
	got := d.Topics[0]
	require.Equal(t, id, got.ID)
	require.Positive(t, got.CreatedMs)
	require.Len(t, got.Partitions, 2)
	p := got.Partitions[1]
	require.Equal(t, []int32{1}, p.ISR)
	require.EqualValues(t, 1, p.Leader)
	require.EqualValues(t, 3, p.End)
	require.Positive(t, p.Bytes)

	l := do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{})
	require.Equal(t, "empty", l.Topics[0].Name)
	require.Equal(t, "orders", l.Topics[1].Name)
	require.EqualValues(t, 3, l.Topics[1].Records)
	require.Equal(t, p.Bytes, l.Topics[1].Bytes)
	require.Equal(t, "ok", l.Topics[1].Health)

	c := do[*wire.DescribeClusterResponse](n, &wire.DescribeClusterRequest{})
	require.Equal(t, n.ClusterID(), c.ClusterID)
	require.Equal(t, []wire.BrokerState{{
		ID: 1, Address: n.Addr().String(), Present: true, Epoch: -1, Leaders: 3, Replicas: 3, InSync: 3,
	}}, c.Brokers)
	b := do[*wire.DescribeBrokerResponse](n, &wire.DescribeBrokerRequest{})
	require.EqualValues(t, 2, b.Topics)
	require.EqualValues(t, 3, b.Partitions)
	require.EqualValues(t, 1, b.Connections)
	require.True(t, b.Ready)
	require.Equal(t, "batch", b.Fsync)
	require.Positive(t, b.DiskTotal)
	require.Positive(t, b.LogBytes)
}

func TestMetadata(t *testing.T) {
	n := startNode(t)
	id := n.create("orders", 3)
	r := do[*wire.MetadataResponse](n, &wire.MetadataRequest{All: true})
	require.Equal(t, n.ClusterID(), r.ClusterID)
	require.Equal(t, n.ClusterID(), n.conn.Hello().ClusterID)
	require.Equal(t, n.Addr().String(), r.Brokers[0].Address)
	require.Len(t, r.Topics, 1)
	require.Equal(t, id, r.Topics[0].ID)
	require.Len(t, r.Topics[0].Partitions, 3)
	require.EqualValues(t, 1, r.Topics[0].Partitions[2].Leader)
	require.Empty(t, do[*wire.MetadataResponse](n, &wire.MetadataRequest{}).Topics)

	r = do[*wire.MetadataResponse](n, &wire.MetadataRequest{Topics: []string{"new"}, CreateMissing: true})
	requireCode(t, wire.CodeUnknownTopic, r.Topics[0].Error)
}

// Topics are made on first use in development mode, or where the configuration says so, and only when asked for.
func TestAutoCreate(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Mode, c.TopicDefaults.Partitions = ModeDev, 2 })
	ask := func(create bool, names ...string) []wire.TopicMetadata {
		return do[*wire.MetadataResponse](n, &wire.MetadataRequest{Topics: names, CreateMissing: create}).Topics
	}
	requireCode(t, wire.CodeUnknownTopic, ask(false, "new")[0].Error)
	got := ask(true, "new", "b/d")
	require.Nil(t, got[0].Error)
	require.Len(t, got[0].Partitions, 2)
	requireCode(t, wire.CodeInvalidTopicName, got[1].Error)
	n.append(got[0].ID, 1, "x")
}

// Ten thousand partitions are ordinary: in one topic, and as topics of their own.
func TestTenThousandPartitions(t *testing.T) {
	n := startNode(t)
	id := n.create("wide", 10_000)
	req := &wire.ProduceRequest{Acks: wire.AcksAll, Topics: []wire.ProduceTopic{{ID: id}}}
	for p := range int32(10_000) {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions,
			wire.ProducePartition{Index: p, Batch: batch(t, fmt.Sprint(p))})
	}
	for _, p := range do[*wire.ProduceResponse](n, req).Topics[0].Partitions {
		require.Nil(t, p.Error)
		require.Zero(t, p.BaseOffset)
	}
	fetch := &wire.FetchRequest{MinBytes: 1, MaxBytes: 16 << 20, Topics: []wire.FetchTopic{{ID: id}}}
	for p := range int32(10_000) {
		fetch.Topics[0].Partitions = append(fetch.Topics[0].Partitions, wire.FetchPartition{Index: p, MaxBytes: 1 << 20})
	}
	r := do[*wire.FetchResponse](n, fetch)
	require.Len(t, r.Topics[0].Partitions, 10_000)
	for i, p := range r.Topics[0].Partitions {
		require.Equal(t, []string{fmt.Sprint(i)}, values(t, p.Batches, 0))
	}
	create := &wire.CreateTopicsRequest{}
	for i := range 1000 {
		create.Topics = append(create.Topics, wire.NewTopic{Name: fmt.Sprintf("t%d", i), Partitions: 5})
	}
	for _, r := range do[*wire.CreateTopicsResponse](n, create).Topics {
		require.Nil(t, r.Error)
	}
	l := do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{})
	require.Len(t, l.Topics, 1001)
}
