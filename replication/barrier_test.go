package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// answers are the BarrierReplies among effects.
func answers(out []Effect) (list []BarrierReply) {
	for _, e := range out {
		if a, ok := e.(BarrierReply); ok {
			list = append(list, a)
		}
	}
	return list
}

// settled returns the leader of epoch 3 with broker 2 in sync, that has committed up to 4.
func settled(t *testing.T) *Replica {
	t.Helper()
	r := leads(t, Testing{})
	r.Step(0, Synced{1, 4})
	r.Step(0, Received{2, Ack{Epoch: 3, Stream: 1, Durable: 4}})
	require.EqualValues(t, 4, r.Status().HighWatermark)
	return r
}

// The first question begins a round; those that come while it is under way share the next one. An answer counts in its
// own epoch, round and store only.
func TestBarrierRounds(t *testing.T) {
	r := settled(t)
	require.Equal(t, []Effect{Send{2, Probe{3, 1}}}, r.Step(0, Barrier{ID: 1}))
	for id := uint64(2); id < 5; id++ {
		require.Empty(t, r.Step(0, Barrier{ID: id}))
	}
	for _, wrong := range []ProbeAck{
		{From: Member{2, 22}, Epoch: 2, Round: 1}, {From: Member{2, 22}, Epoch: 3}, {From: Member{2, 99}, Epoch: 3, Round: 1},
		{From: Member{3, 33}, Epoch: 3, Round: 1},
	} {
		require.Empty(t, r.Step(0, Received{2, wrong}))
	}
	require.False(t, r.Idle())
	require.Contains(t, r.Step(r.opts.RetryEvery, Tick{}), Send{2, Probe{3, 1}}, "it may have been lost")
	out := r.Step(0, Received{2, ProbeAck{Member{2, 22}, 3, 1}})
	require.Equal(t, []Effect{BarrierReply{1, ResultOK, 4}, Send{2, Probe{3, 2}}}, out)
	require.Empty(t, r.Step(0, Received{2, ProbeAck{Member{2, 22}, 3, 1}}), "it comes twice")
	require.Equal(t, []BarrierReply{{2, ResultOK, 4}, {3, ResultOK, 4}, {4, ResultOK, 4}},
		answers(r.Step(0, Received{2, ProbeAck{Member{2, 22}, 3, 2}})))
}

// A new leader does not tell the newest offset before it has proved that it knows what its predecessor committed (M18).
func TestM18BarrierOfANewLeader(t *testing.T) {
	for _, planted := range []bool{false, true} {
		r := NewReplica(Options{Self: Member{1, 11}, Testing: Testing{TellBeforeEpochStart: planted}}, Stored{
			Promised: 2, End: 9, HighWatermark: 4, History: History{{2, 0}},
		})
		r.Step(0, Registered{BrokerEpoch: 7})
		r.Step(0, StateRead{Version: 1, State: State{
			Replicas: []int32{1, 2}, MinISR: 2, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 3,
			ISR: []Member{{1, 11}, {2, 22}},
		}})
		r.Step(0, Promised{Generation: 1, End: 9, History: History{{2, 0}, {3, 9}}})
		r.Step(0, Barrier{ID: 1})
		out := answers(r.Step(0, Received{2, ProbeAck{Member{2, 22}, 3, 1}}))
		if planted {
			require.Equal(t, []BarrierReply{{1, ResultOK, 4}}, out)
			continue
		}
		require.Empty(t, out)
		require.Equal(t, []BarrierReply{{1, ResultOK, 9}}, answers(r.Step(0, Received{2, Subscribe{
			From: Member{2, 22}, BrokerEpoch: 1, Stream: 1, Epoch: 3, End: 9, Durable: 9, LastEpoch: 2,
		}})))
	}
}

// Refused: who leads nothing, who is below the minimum or leaves an ELR behind, who has lost touch with the metadata
// store; also of what was asked before.
func TestBarrierIsRefused(t *testing.T) {
	isr := func(version int32, members, elr []Member) StateRead {
		return StateRead{Version: version, State: State{
			Replicas: []int32{1, 2, 3}, MinISR: 2, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 3, ISR: members, ELR: elr,
		}}
	}
	alone := isr(2, []Member{{1, 11}}, []Member{{2, 22}})
	deposed := isr(2, []Member{{2, 22}}, nil)
	deposed.State.Leader, deposed.State.LeaderEpoch = 2, 4
	for name, tc := range map[string]struct {
		ev   Event
		want Result
	}{
		"below the minimum": {alone, ResultNotEnoughReplicas},
		"deposed":           {deposed, ResultNotLeader},
		"fenced":            {Fenced{}, ResultNotLeader},
		"suspect":           {Suspected{true}, ResultNotLeader},
	} {
		t.Run(name, func(t *testing.T) {
			r := settled(t)
			r.Step(0, Barrier{ID: 1})
			r.Step(0, Barrier{ID: 2})
			require.Equal(t, []BarrierReply{{1, tc.want, 0}, {2, tc.want, 0}}, answers(r.Step(0, tc.ev)))
			require.Equal(t, []Effect{BarrierReply{3, tc.want, 0}}, r.Step(0, Barrier{ID: 3}))
		})
	}
}

// Who has left the ISR is not waited for.
func TestBarrierWaitsForTheISROnly(t *testing.T) {
	r := settled(t)
	r.Step(0, StateRead{Version: 2, State: State{
		Replicas: []int32{1, 2, 3}, MinISR: 1, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 3,
		ISR: []Member{{1, 11}, {2, 22}},
	}})
	r.Step(0, Barrier{ID: 1})
	alone := r.state.Clone()
	alone.ISR = []Member{{1, 11}}
	require.Equal(t, []BarrierReply{{1, ResultOK, 4}}, answers(r.Step(0, StateRead{Version: 3, State: alone})))
}
