package broker

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestKafkaMemberScripts runs testdata/members: what members of group g say in Kafka's protocol (KIP-848), and what
// they are answered. Commands:
//
//	topics a=4 b=2
//	join m1 topics=(a,b) [regex=] [instance=] [assignor=] [timeout=MS] [owned=]; without=WHAT leaves out what a join says
//	beat m1 [owned=(a/0,a/1)|owned=none] [epoch=] [topics=] [regex=] [assignor=] [timeout=MS] [instance=]
//	leave m1, stop m1              for good; of a static member, to be back
//	commit m1|nobody a/0=5 [epoch=]
//	committed m1|classic|nobody (a/0,a/1) [epoch=]; without partitions: all
//	describe
//	classic                        a member of Kafka's classic protocol joins, and leaves with "classic leaves"
//
// Each takes v=N for a version, group=ID for another group.
func TestKafkaMemberScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/members", func(t *testing.T, path string) {
		n := startNode(t, onKafka, func(c *Config) {
			c.Groups.AssignInterval, c.Groups.InitialRebalanceDelay, c.Groups.MaxMembers = -1, -1, 3
		})
		s := &memberScript{node: n, c: dialKafka(t, n), epochs: map[string]int32{}, ids: map[string][16]byte{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return strings.TrimSpace(s.run(d)) + "\n"
		})
	})
}

type memberScript struct {
	*node
	c      *rawKafka
	epochs map[string]int32    // newest that a member was answered
	ids    map[string][16]byte // of topics
	// classicID is the member id of the one of Kafka's classic consumers.
	classicID string
}

func (s *memberScript) run(d *datadriven.TestData) string {
	switch d.Cmd {
	case "topics":
		for _, a := range d.CmdArgs {
			partitions, err := strconv.Atoi(a.Vals[0])
			require.NoError(s.t, err)
			s.create(a.Key, int32(partitions))
			md := kmsg.NewPtrMetadataRequest()
			md.Version, md.Topics = 12, []kmsg.MetadataRequestTopic{{Topic: &a.Key}}
			s.ids[a.Key] = ask[*kmsg.MetadataResponse](s.c, md).Topics[0].TopicID
		}
		return "ok"
	case "join", "beat", "leave", "stop":
		return s.heartbeat(d)
	case "commit":
		return s.commit(d)
	case "committed":
		return s.committed(d)
	case "describe":
		return s.describe(d)
	case "classic":
		return s.classic(len(d.CmdArgs) > 0)
	}
	return "no command " + d.Cmd
}

// value is that of an argument; nil: it is not there.
func value(d *datadriven.TestData, key string) *string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			text := strings.Join(a.Vals, ",")
			return &text
		}
	}
	return nil
}

// number is the value of an argument as a number.
func (s *memberScript) number(d *datadriven.TestData, key string, otherwise int32) int32 {
	text := value(d, key)
	if text == nil {
		return otherwise
	}
	n, err := strconv.ParseInt(*text, 10, 32)
	require.NoError(s.t, err)
	return int32(n)
}

// place reads the name of a partition, as a/0.
func (s *memberScript) place(text string) (topic string, index int32) {
	topic, number, _ := strings.Cut(text, "/")
	n, err := strconv.ParseInt(number, 10, 32)
	require.NoError(s.t, err)
	return topic, int32(n)
}

func (s *memberScript) heartbeat(d *datadriven.TestData) string {
	id := d.CmdArgs[0].Key
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Version = int16(s.number(d, "v", 1))
	req.Group, req.MemberID, req.MemberEpoch = "g", id, s.epochs[id]
	if g := value(d, "group"); g != nil {
		req.Group = *g
	}
	req.InstanceID, req.RackID, req.ServerAssignor = value(d, "instance"), value(d, "rack"), value(d, "assignor")
	req.SubscribedTopicRegex = value(d, "regex")
	if topics := value(d, "topics"); topics != nil {
		req.SubscribedTopicNames = strings.Split(*topics, ",")
	}
	if owned := value(d, "owned"); owned != nil {
		req.Topics = s.owned(*owned)
	}
	req.RebalanceTimeoutMillis = s.number(d, "timeout", -1)
	switch d.Cmd {
	case "join":
		s.joins(req, d)
	case "leave":
		req.MemberEpoch = -1
	case "stop":
		req.MemberEpoch = -2
	}
	req.MemberEpoch = s.number(d, "epoch", req.MemberEpoch)
	resp := ask[*kmsg.ConsumerGroupHeartbeatResponse](s.c, req)
	if resp.ErrorCode != 0 {
		require.Nil(s.t, resp.Assignment)
		return refused(resp.ErrorCode, resp.ErrorMessage)
	}
	require.NotNil(s.t, resp.MemberID)
	if req.MemberID == "" {
		require.NotEmpty(s.t, *resp.MemberID)
	} else {
		require.Equal(s.t, req.MemberID, *resp.MemberID)
	}
	require.Equal(s.t, int32(5000), resp.HeartbeatIntervalMillis)
	if resp.MemberEpoch > 0 {
		s.epochs[id] = resp.MemberEpoch
	}
	out := fmt.Sprintf("epoch %d", resp.MemberEpoch)
	if resp.Assignment != nil {
		list := []string{}
		for _, t := range resp.Assignment.Topics {
			list = append(list, s.named(s.nameOf(t.TopicID), t.Partitions)...)
		}
		out += ", assignment: " + placesOf(list)
	}
	return out
}

// joins sets what a member that joins has to say.
func (s *memberScript) joins(req *kmsg.ConsumerGroupHeartbeatRequest, d *datadriven.TestData) {
	req.MemberEpoch = 0
	if req.MemberID == "anonymous" {
		req.MemberID = ""
	}
	without := cmp.Or(value(d, "without"), new(string))
	if req.RebalanceTimeoutMillis < 0 && *without != "timeout" {
		req.RebalanceTimeoutMillis = 60_000
	}
	if req.Topics == nil && *without != "owned" {
		req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	}
}

// owned reads a list of partitions.
func (s *memberScript) owned(text string) []kmsg.ConsumerGroupHeartbeatRequestTopic {
	topics := []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	if text == "none" {
		return topics
	}
	for _, word := range strings.Split(text, ",") {
		name, index := s.place(word)
		id, known := s.ids[name]
		if !known {
			id = [16]byte{1, 2, 3, 15: 1} // of another cluster
		}
		topics = append(topics, kmsg.ConsumerGroupHeartbeatRequestTopic{TopicID: id, Partitions: []int32{index}})
	}
	return topics
}

func (s *memberScript) nameOf(id [16]byte) string {
	for name, known := range s.ids {
		if known == id {
			return name
		}
	}
	return "unknown"
}

func (s *memberScript) named(topic string, partitions []int32) (list []string) {
	for _, p := range partitions {
		list = append(list, fmt.Sprintf("%s/%d", topic, p))
	}
	return list
}

func placesOf(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// refused prints an error, and nothing for none.
func refused(code int16, text *string) string {
	if code == 0 {
		return ""
	}
	out := "error: " + kerr.ErrorForCode(code).(*kerr.Error).Message
	if text != nil {
		out += ": " + *text
	}
	return out
}

func (s *memberScript) commit(d *datadriven.TestData) string {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID = 9, "g", d.CmdArgs[0].Key
	req.Generation = s.epochs[req.MemberID]
	if req.MemberID == "nobody" {
		req.MemberID, req.Generation = "", -1
	}
	req.Generation = s.number(d, "epoch", req.Generation)
	name, index := s.place(d.CmdArgs[1].Key)
	offset, err := strconv.ParseInt(d.CmdArgs[1].Vals[0], 10, 64)
	require.NoError(s.t, err)
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.Metadata = index, offset, kmsg.StringPtr("note")
	req.Topics = []kmsg.OffsetCommitRequestTopic{
		{Topic: name, Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}},
	}
	resp := ask[*kmsg.OffsetCommitResponse](s.c, req)
	require.Len(s.t, resp.Topics, 1)
	require.Equal(s.t, index, resp.Topics[0].Partitions[0].Partition)
	return cmp.Or(refused(resp.Topics[0].Partitions[0].ErrorCode, nil), "ok")
}

func (s *memberScript) committed(d *datadriven.TestData) string {
	g := kmsg.NewOffsetFetchRequestGroup()
	id := d.CmdArgs[0].Key
	if id == "classic" {
		id = s.classicID
	}
	if g.Group = "g"; id != "nobody" {
		g.MemberID, g.MemberEpoch = &id, s.epochs[id]
	}
	g.MemberEpoch = s.number(d, "epoch", g.MemberEpoch)
	for _, a := range d.CmdArgs[1:] {
		if name, index, found := strings.Cut(a.Key, "/"); found {
			n, err := strconv.Atoi(index)
			require.NoError(s.t, err)
			g.Topics = append(g.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: name, Partitions: []int32{int32(n)}})
		}
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.RequireStable, req.Groups = 9, true, []kmsg.OffsetFetchRequestGroup{g}
	resp := ask[*kmsg.OffsetFetchResponse](s.c, req)
	require.Len(s.t, resp.Groups, 1)
	require.Equal(s.t, "g", resp.Groups[0].Group)
	if code := resp.Groups[0].ErrorCode; code != 0 {
		return refused(code, nil)
	}
	list := []string{}
	for _, t := range resp.Groups[0].Topics {
		for _, p := range t.Partitions {
			require.Zero(s.t, p.ErrorCode)
			list = append(list, fmt.Sprintf("%s/%d=%d", t.Topic, p.Partition, p.Offset))
		}
	}
	return placesOf(list)
}

func (s *memberScript) describe(d *datadriven.TestData) string {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Version, req.Groups = int16(s.number(d, "v", 1)), []string{"g", "g"}
	if g := value(d, "group"); g != nil {
		req.Groups = []string{*g}
	}
	resp := ask[*kmsg.ConsumerGroupDescribeResponse](s.c, req)
	require.Len(s.t, resp.Groups, 1, "a group named twice is told once")
	g := &resp.Groups[0]
	if g.ErrorCode != 0 {
		return refused(g.ErrorCode, g.ErrorMessage)
	}
	out := fmt.Sprintf("%s, epoch %d, assigned at %d, %s\n", g.State, g.Epoch, g.AssignmentEpoch, g.AssignorName)
	for _, m := range g.Members {
		out += fmt.Sprintf("%s (type %d) at epoch %d, client %s on %s", m.MemberID, m.MemberType, m.MemberEpoch,
			m.ClientID, m.ClientHost)
		for what, text := range map[string]*string{"instance": m.InstanceID, "rack": m.RackID} {
			if text != nil {
				out += fmt.Sprintf(", %s %s", what, *text)
			}
		}
		out += fmt.Sprintf(", topics %v", m.SubscribedTopics)
		if m.SubscribedTopicRegex != nil {
			out += " and " + *m.SubscribedTopicRegex
		}
		out += ": " + s.assignment(m.Assignment) + "; target: " + s.assignment(m.TargetAssignment) + "\n"
	}
	return out
}

// classic joins as one of Kafka's classic consumers, or leaves.
func (s *memberScript) classic(leaves bool) string {
	if leaves {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Version, req.Group, req.MemberID = 2, "g", s.classicID
		return cmp.Or(refused(ask[*kmsg.LeaveGroupResponse](s.c, req).ErrorCode, nil), "ok")
	}
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.ProtocolType, req.SessionTimeoutMillis = 3, "g", "consumer", 30_000
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range"}}
	resp := ask[*kmsg.JoinGroupResponse](s.c, req)
	s.classicID = resp.MemberID
	return cmp.Or(refused(resp.ErrorCode, nil), "ok")
}

func (s *memberScript) assignment(a kmsg.Assignment) string {
	list := []string{}
	for _, t := range a.TopicPartitions {
		require.Equal(s.t, t.Topic, s.nameOf(t.TopicID))
		list = append(list, s.named(t.Topic, t.Partitions)...)
	}
	return placesOf(list)
}
