package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// follows returns a follower of broker 2 in epoch 3 that has subscribed, with a log of 9.
func follows(t *testing.T) *Replica {
	t.Helper()
	r := NewReplica(Options{Self: Member{1, 11}}, Stored{
		Promised: 3, End: 9, HighWatermark: 4, History: History{{1, 0}, {2, 6}},
	})
	r.Step(0, Registered{BrokerEpoch: 7})
	out := r.Step(0, StateRead{Version: 1, State: State{
		Replicas: []int32{1, 2}, MinISR: 1, Leader: 2, LeaderBrokerEpoch: 1, LeaderEpoch: 3,
		ISR: []Member{{2, 22}, {1, 11}},
	}})
	require.Equal(t, []Effect{Send{2, Subscribe{
		From: Member{1, 11}, BrokerEpoch: 7, Stream: 1, Epoch: 3, End: 9, Durable: 9, LastEpoch: 2,
	}}}, out)
	return r
}

// An answer that was under way when the connection broke is not for the next
// subscription: the leader has dropped the one that it answers. (Found by seed 108: the
// follower waited for data for ever.)
func TestAnswerOfABrokenConnection(t *testing.T) {
	r := follows(t)
	r.Step(0, Disconnected{Broker: 2})
	require.Empty(t, r.Step(0, Received{2, Subscribed{Epoch: 3, Stream: 1}}))
	require.False(t, r.Idle(), "it asks again")
}
