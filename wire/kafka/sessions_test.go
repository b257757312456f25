package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The script in testdata shows what a client is told that keeps its list of partitions with the broker:
//
//	fetch SESSION EPOCH [TOPIC/PARTITION@OFFSET ...] [forget=TOPIC/PARTITION]
//	TOPIC/PARTITION START..END [records|ERROR] ...
//
// A SESSION is the name of a session or "none"; what the partitions have follows in the lines below, and is empty where
// nothing is said. The answer names what the client is told, and the session's name.
func TestSessions(t *testing.T) {
	var ss sessions
	names := map[string]int32{"none": 0, "unknown": 12345}
	datadriven.RunTest(t, "testdata/sessions", func(t *testing.T, d *datadriven.TestData) string {
		req := kmsg.NewPtrFetchRequest()
		req.Version = 12
		req.SessionID = names[d.CmdArgs[0].Key]
		_, err := fmt.Sscan(d.CmdArgs[1].Key, &req.SessionEpoch)
		require.NoError(t, err)
		as := ""
		for _, arg := range d.CmdArgs[2:] {
			switch arg.Key {
			case "forget":
				topic, index := place(t, arg.Vals[0])
				req.ForgottenTopics = append(req.ForgottenTopics,
					kmsg.FetchRequestForgottenTopic{Topic: topic, Partitions: []int32{index}})
			case "as":
				as = arg.Vals[0]
			default:
				at, offset, _ := strings.Cut(arg.Key, "@")
				topic, index := place(t, at)
				p := kmsg.NewFetchRequestTopicPartition()
				p.Partition = index
				_, err := fmt.Sscan(offset, &p.FetchOffset)
				require.NoError(t, err)
				req.Topics = append(req.Topics,
					kmsg.FetchRequestTopic{Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{p}})
			}
		}
		s, parts, errCode := ss.open(req)
		if errCode != 0 {
			return kerr.ErrorForCode(errCode).(*kerr.Error).Message + "\n"
		}
		readAs(t, parts, d.Input)
		id, told := s.settle(parts)
		if as != "" {
			require.NotZero(t, id)
			names[as] = id
		}
		out := ""
		for _, p := range told {
			out += fmt.Sprintf("%s/%d@%d %d..%d", p.topic, p.index, p.offset, p.start, p.end)
			if len(p.batches) > 0 {
				out += " records"
			}
			if p.errorCode != 0 {
				out += " " + kerr.ErrorForCode(p.errorCode).(*kerr.Error).Message
			}
			out += "\n"
		}
		for name, known := range names {
			if known == id {
				out += "session " + name + "\n"
			}
		}
		return out
	})
}

func place(t *testing.T, text string) (topic string, index int32) {
	topic, number, _ := strings.Cut(text, "/")
	_, err := fmt.Sscan(number, &index)
	require.NoError(t, err)
	return topic, index
}

// readAs gives the partitions what the lines say of them.
func readAs(t *testing.T, parts []fetchPart, lines string) {
	for _, line := range strings.Split(lines, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		topic, index := place(t, words[0])
		for i := range parts {
			p := &parts[i]
			if p.topic != topic || p.index != index {
				continue
			}
			_, err := fmt.Sscanf(words[1], "%d..%d", &p.start, &p.end)
			require.NoError(t, err)
			switch {
			case len(words) == 2:
			case words[2] == "records":
				p.batches = []byte("batch")
			default:
				p.errorCode = kerr.NotLeaderForPartition.Code
			}
		}
	}
}

// newSession opens one for n partitions of a topic.
func newSession(ss *sessions, topic string, n int32) *session {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionEpoch = 7, initialEpoch
	t := kmsg.FetchRequestTopic{Topic: topic}
	for i := range n {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition = i
		t.Partitions = append(t.Partitions, p)
	}
	req.Topics = append(req.Topics, t)
	s, _, _ := ss.open(req)
	return s
}

// There are so many sessions, and so many partitions in them, and no more: whoever comes too late goes without, unless
// one has not been used for long.
func TestSessionsAreBounded(t *testing.T) {
	var ss sessions
	for range maxSessions {
		require.NotNil(t, newSession(&ss, "t", 1))
	}
	require.Nil(t, newSession(&ss, "t", 1))
	for _, s := range ss.byID {
		s.used = time.Now().Add(-2 * sessionIdle)
		break
	}
	require.NotNil(t, newSession(&ss, "t", 1))
	require.Len(t, ss.byID, maxSessions)
	require.Equal(t, maxSessions, ss.partitions)

	var large sessions
	for range 5 {
		require.NotNil(t, newSession(&large, "t", maxSessionPartitions/5))
	}
	require.Nil(t, newSession(&large, "t", 1))
	require.Equal(t, maxSessionPartitions, large.partitions)
}

// The number of a session's next request begins anew behind the largest.
func TestSessionEpochsWrap(t *testing.T) {
	var ss sessions
	s := newSession(&ss, "t", 1)
	s.epoch = 1<<31 - 1
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.SessionID, req.SessionEpoch = 7, s.id, 1<<31-1
	_, _, errCode := ss.open(req)
	require.Zero(t, errCode)
	require.Equal(t, int32(1), s.epoch)
}
