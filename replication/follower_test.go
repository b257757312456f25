package replication

import (
	"testing"
	"time"

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

// R6: a broker that starts may read an old state of a server that is behind, which does not list it, while it has been
// in the ISR since. It deletes nothing on that, but asks for the newest state until it has it.
func TestR6OldStateDeletesNothing(t *testing.T) {
	away := State{
		Replicas: []int32{2}, MinISR: 1, Leader: 2, LeaderBrokerEpoch: 1, LeaderEpoch: 3, ISR: []Member{{2, 22}},
	}
	back := away.Clone()
	back.Replicas, back.ISR = []int32{1, 2}, []Member{{2, 22}, {1, 11}}
	begin := func() *Replica {
		r := NewReplica(Options{Self: Member{1, 11}}, Stored{
			Promised: 3, End: 9, HighWatermark: 9, History: History{{3, 0}},
		})
		r.Step(0, Registered{BrokerEpoch: 7})
		require.Equal(t, []Effect{ReadState{}}, r.Step(0, StateRead{State: away, Version: 5}))
		require.False(t, r.Idle())
		require.Empty(t, r.Step(0, Tick{}))
		require.Equal(t, []Effect{ReadState{}}, r.Step(time.Second, Tick{}), "a read may have failed")
		return r
	}

	r := begin()
	r.Step(time.Second, StateRead{State: back, Version: 7, Newest: true})
	require.Equal(t, Follower, r.Status().Role)
	require.EqualValues(t, 9, r.Status().End)
	out := r.Step(time.Second, StateRead{State: away, Version: 5, Newest: true})
	require.NotContains(t, out, Remove{5, 1}, "it is late")

	r = begin()
	require.Equal(t, []Effect{Remove{6, 1}}, r.Step(time.Second, StateRead{State: away, Version: 6, Newest: true}))

	r = begin()
	r.Step(time.Second, Fenced{})
	require.Empty(t, r.Step(time.Second, StateRead{State: away, Version: 5, Newest: true}), "of the former registration")
	require.Equal(t, []Effect{ReadState{}}, r.Step(time.Second, Registered{BrokerEpoch: 8}))
}

// What holds nothing has nothing to delete.
func TestNothingToDelete(t *testing.T) {
	r := NewReplica(Options{Self: Member{1, 11}}, Stored{Promised: 3})
	r.Step(0, Registered{BrokerEpoch: 7})
	require.Empty(t, r.Step(0, StateRead{State: State{Replicas: []int32{2}, Leader: NoLeader}, Version: 5}))
	require.True(t, r.Idle())
}

// A damaged log is kept, whatever the state says, which may be an old one, until the leader of its epoch says, to its
// newest subscription, that nobody counts on it.
func TestVoidReplicaWaitsForItsLeader(t *testing.T) {
	r := NewReplica(Options{Self: Member{1, 11}}, Stored{Promised: 3, End: 9, History: History{{3, 0}}, Void: true})
	r.Step(0, Registered{BrokerEpoch: 7})
	state := State{
		Replicas: []int32{1, 2}, MinISR: 1, Leader: 2, LeaderBrokerEpoch: 1, LeaderEpoch: 3, ISR: []Member{{2, 22}},
	}
	subscribe := func(stream uint64) []Effect {
		return []Effect{Send{2, Subscribe{
			From: Member{1, 11}, BrokerEpoch: 7, Stream: stream, Epoch: 3, End: 9, Durable: 9, LastEpoch: 3, Void: true,
		}}}
	}
	require.Equal(t, subscribe(1), r.Step(0, StateRead{State: state, Version: 1}))
	require.Empty(t, r.Step(0, Received{2, Refused{3, 1}}))
	require.Equal(t, subscribe(2), r.Step(time.Second, Tick{}), "it asks again")
	for _, late := range []Released{{Epoch: 3, Stream: 1}, {Epoch: 2, Stream: 2}} {
		require.Empty(t, r.Step(time.Second, Received{2, late}))
	}
	require.Empty(t, r.Step(time.Second, Received{2, Subscribed{3, 2}}), "it does not follow")
	require.Equal(t, []Effect{Reset{Generation: 1}}, r.Step(time.Second, Received{2, Released{3, 2}}))
	out := r.Step(time.Second, Cut{Generation: 1})
	require.Equal(t, []Effect{Send{2, Subscribe{
		From: Member{1, 11}, BrokerEpoch: 7, Stream: 3, Epoch: 3, LastEpoch: NoEpoch,
	}}}, out)
}
