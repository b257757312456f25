package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// leads returns the leader of epoch 3, alone with its unanswered followers 2 and 3.
func leads(t *testing.T, testing Testing) *Replica {
	t.Helper()
	r := NewReplica(Options{Self: Member{1, 11}, Testing: testing}, Stored{Promised: 2})
	r.Step(0, Registered{BrokerEpoch: 7})
	r.Step(0, StateRead{Version: 1, State: State{
		Replicas: []int32{1, 2, 3}, MinISR: 2, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 3,
		ISR: []Member{{1, 11}, {2, 22}},
	}})
	r.Step(0, Promised{Generation: 1, History: History{{3, 0}}})
	require.Equal(t, Leader, r.Status().Role)
	r.Step(0, Received{2, Subscribe{From: Member{2, 22}, BrokerEpoch: 1, Stream: 1, Epoch: 3, LastEpoch: NoEpoch}})
	r.Step(0, Produce{ID: 1, Records: 4, All: true})
	r.Step(0, Applied{1, 4})
	return r
}

// R1: what is only applied does not count; what both hold durably does.
func TestR1DurableEnds(t *testing.T) {
	r := leads(t, Testing{})
	r.Step(0, Received{2, Ack{Epoch: 3, Stream: 1, Durable: 4}})
	require.Zero(t, r.Status().HighWatermark)
	require.Contains(t, r.Step(0, Synced{1, 4}), Reply{ID: 1, Result: ResultOK, End: 4})
}

// R2: a leadership that was given to another registration is not taken up.
func TestR2AnotherRegistrationDoesNotLead(t *testing.T) {
	for _, promised := range []int32{2, 3} { // it may never have taken it up, or led
		r := NewReplica(Options{Self: Member{1, 11}}, Stored{Promised: promised})
		r.Step(0, Registered{BrokerEpoch: 8})
		out := r.Step(0, StateRead{Version: 1, State: State{
			Replicas: []int32{1}, MinISR: 1, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 3, ISR: []Member{{1, 11}},
		}})
		require.Empty(t, out)
		require.Equal(t, Offline, r.Status().Role)
	}
}

// D5, D2, E1: a leader that does not hear of the metadata store goes on as long as all in sync follow it: then it is
// the store that is silent, or nobody has heard of another leader yet. It takes nothing that only it would hold.
func TestD5LeaderOfAllInSyncGoesOn(t *testing.T) {
	r := leads(t, Testing{})
	serves := func() bool {
		_, ok := r.Readable()
		return ok
	}
	r.Step(0, Suspected{true})
	require.True(t, serves())
	require.Zero(t, r.Refuses(true, 1))
	require.Equal(t, ResultNotLeader, r.Refuses(false, 1))
	r.Step(0, Disconnected{Broker: 2})
	require.False(t, serves(), "the follower may follow another one")
	require.Equal(t, ResultNotLeader, r.Refuses(true, 1), "it would never be committed")
	r.Step(0, Suspected{false})
	require.True(t, serves())
}

// R5: a write without a result counts as both, until the version moves.
func TestR5UnknownExpandCounts(t *testing.T) {
	r := leads(t, Testing{})
	r.Step(0, Synced{1, 4})
	out := r.Step(0, Received{3, Subscribe{From: Member{3, 33}, BrokerEpoch: 1, Stream: 1, Epoch: 3, LastEpoch: NoEpoch}})
	seq := r.lead.isr.seq
	require.NotEmpty(t, out)
	require.Len(t, r.Status().Maximal, 3)
	r.Step(0, Written{seq, OutcomeUnknown})
	r.Step(0, Received{2, Ack{Epoch: 3, Stream: 1, Durable: 4}})
	require.Zero(t, r.Status().HighWatermark)
	r.Step(r.opts.RetryEvery, Tick{})
	r.Step(0, Written{r.lead.isr.seq, OutcomeBadVersion})
	require.Len(t, r.Status().Maximal, 3)
	s := r.state
	r.Step(0, StateRead{State: s, Version: 2})
	require.EqualValues(t, 4, r.Status().HighWatermark)
}

// An ack of another epoch or subscription moves nothing (G7), and would without the check (M7).
func TestG7M7AckOfAnotherEpoch(t *testing.T) {
	for _, planted := range []bool{false, true} {
		r := leads(t, Testing{IgnoreAckEpoch: planted})
		r.Step(0, Synced{1, 4})
		r.Step(0, Received{2, Ack{Epoch: 2, Stream: 1, Durable: 4}})
		require.Equal(t, planted, r.Status().HighWatermark == 4)
	}
}

// A void log does not lead: it gives the leadership back, and leaves the ISR.
func TestVoidReplicaResigns(t *testing.T) {
	r := leads(t, Testing{})
	var wrote WriteState
	for _, e := range r.Step(0, Damaged{}) {
		if w, ok := e.(WriteState); ok {
			wrote = w
		}
	}
	require.Equal(t, NoLeader, wrote.State.Leader)
	require.Equal(t, []Member{{2, 22}}, wrote.State.ISR)
	require.Empty(t, wrote.State.ELR)
}

// A void log alone in the ISR gives way to the ELR, whose members hold all that is committed.
func TestVoidReplicaGivesWayToELR(t *testing.T) {
	r := leads(t, Testing{})
	r.Step(0, StateRead{Version: 2, State: State{
		Replicas: []int32{1, 2, 3}, MinISR: 2, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 3,
		ISR: []Member{{1, 11}}, ELR: []Member{{2, 22}},
	}})
	out := r.Step(0, Damaged{})
	wrote := out[len(out)-1].(WriteState)
	require.Equal(t, NoLeader, wrote.State.Leader)
	require.Equal(t, []Member{{2, 22}}, wrote.State.ISR)
	require.Empty(t, wrote.State.ELR)
}

// A follower that is behind what retention removed is told so by what does not continue its log: what it waits for
// will not come. A leader may hear of it late, if it was a follower when its log was cut. (Found by seed 18.)
func TestG22LogStartPassesAFollower(t *testing.T) {
	r := leads(t, Testing{})
	r.Step(0, Synced{1, 4})
	r.Step(0, Received{2, Ack{Epoch: 3, Stream: 1, Durable: 4}})
	sub := Subscribe{From: Member{3, 33}, BrokerEpoch: 1, Stream: 1, Epoch: 3, LastEpoch: NoEpoch}
	require.Contains(t, r.Step(0, Received{3, sub}), Effect(Send{3, Subscribed{3, 1}}))
	out := r.Step(0, Trimmed{LogStart: 3, DataStart: 2})
	require.Equal(t, []Effect{
		Send{2, Data{Epoch: 3, Stream: 1, Previous: 3, Base: 2, HW: 4, LogStart: 3}},
		Send{3, Data{Epoch: 3, Stream: 1, Previous: 3, Base: 2, HW: 4, LogStart: 3}},
	}, out)
	sub.Stream = 2
	require.Equal(t, []Effect{Send{3, OutOfRange{
		Epoch: 3, Stream: 2, DataStart: 2, LogStart: 3, History: History{{3, 0}},
	}}}, r.Step(0, Received{3, sub}))
}

// What a follower held under an earlier subscription does not count once it subscribes
// anew: a log that was rebuilt joins when it holds all again.
func TestVoidReplicaRejoinsByWhatItHolds(t *testing.T) {
	r := leads(t, Testing{})
	r.Step(0, Synced{1, 4})
	r.Step(0, Received{2, Ack{Epoch: 3, Stream: 1, Durable: 4}})
	require.EqualValues(t, 4, r.Status().HighWatermark)
	sub := Subscribe{From: Member{3, 33}, BrokerEpoch: 1, Stream: 1, Epoch: 3, End: 4, Durable: 4, LastEpoch: 3}
	r.Step(0, Received{3, sub})
	expand := r.lead.isr
	require.Len(t, expand.state.ISR, 3)
	r.Step(0, Written{expand.seq, OutcomeOK})
	sub.Stream, sub.Void = 2, true
	released := Effect(Send{3, Released{3, sub.Stream}})
	require.NotContains(t, r.Step(0, Received{3, sub}), released, "it is in the ISR")
	r.Step(0, Written{r.lead.isr.seq, OutcomeUnknown})
	sub.Stream = 3
	released = Effect(Send{3, Released{3, sub.Stream}})
	require.NotContains(t, r.Step(0, Received{3, sub}), released, "it may be")
	r.Step(r.opts.RetryEvery, Tick{})
	r.Step(0, Written{r.lead.isr.seq, OutcomeOK})
	require.Equal(t, []Member{{1, 11}, {2, 22}}, r.Status().ISR)
	sub.Stream = 4
	require.Contains(t, r.Step(0, Received{3, sub}), Effect(Send{3, Released{3, 4}}))
	out := r.Step(2*r.opts.ExpandEvery, Received{3, Subscribe{
		From: Member{3, 33}, BrokerEpoch: 1, Stream: 5, Epoch: 3, LastEpoch: NoEpoch,
	}})
	require.Contains(t, out, Effect(Send{3, Subscribed{3, 5}}))
	require.Len(t, r.Status().Maximal, 2, "it holds nothing yet")
	r.Step(2*r.opts.ExpandEvery, Received{3, Ack{Epoch: 3, Stream: 5, Durable: 4}})
	require.Len(t, r.Status().Maximal, 3)
}

// A replica that the state lists nowhere deletes its data and keeps its promise; listed
// again it begins with nothing. What is not applied yet when it is listed again is not done.
func TestReassignedAwayAndBack(t *testing.T) {
	state := State{
		Replicas: []int32{1, 2}, MinISR: 1, Leader: 2, LeaderBrokerEpoch: 1, LeaderEpoch: 3, ISR: []Member{{2, 22}},
	}
	away := state.Clone()
	away.Replicas, away.LeaderEpoch = []int32{2}, 4
	back := state.Clone()
	back.LeaderEpoch = 4
	for _, applied := range []bool{true, false} {
		r := NewReplica(Options{Self: Member{1, 11}}, Stored{
			Promised: 3, DataStart: 5, LogStart: 6, End: 9, HighWatermark: 9, History: History{{3, 5}},
		})
		r.Step(0, Registered{BrokerEpoch: 7})
		r.Step(0, StateRead{State: state, Version: 1})
		require.Equal(t, []Effect{ReadState{}}, r.Step(0, StateRead{State: away, Version: 2}))
		out := r.Step(0, StateRead{State: away, Version: 2, Newest: true})
		require.Equal(t, []Effect{Remove{Version: 2, Generation: 1}}, out)
		require.Empty(t, r.Step(0, StateRead{State: away, Version: 3}), "it is under way")
		if applied {
			r.Step(0, Cut{Generation: 1})
			require.Empty(t, r.Step(0, StateRead{State: away, Version: 4}), "it is done")
		}
		require.Equal(t, []Effect{Promise{Epoch: 4, Generation: 2}}, r.Step(0, StateRead{State: back, Version: 5}))
		promised := Promised{Generation: 2, End: 9, History: History{{3, 5}}}
		if applied {
			promised = Promised{Generation: 2}
		}
		out = r.Step(0, promised)
		require.Len(t, out, 1)
		sub := out[0].(Send).Message.(Subscribe)
		require.Equal(t, promised.End, sub.End)
		require.Equal(t, promised.End, r.Status().HighWatermark)
	}
}

// The data of a topic goes when its tombstone is read, with the promise, and nothing else
// is done for it (G20).
func TestG20TombstoneErases(t *testing.T) {
	r := leads(t, Testing{})
	out := r.Step(0, TopicDeleted{})
	require.Equal(t, []Effect{Reply{ID: 1, Result: ResultUnknown}, Erase{Generation: 2}}, out)
	require.Empty(t, r.Step(0, TopicDeleted{}))
	require.Empty(t, r.Step(0, StateRead{State: r.state, Version: 9}))
	require.Empty(t, r.Step(0, Registered{BrokerEpoch: 8}))
	require.Equal(t, []Effect{Reply{ID: 2, Result: ResultNotLeader}}, r.Step(0, Produce{ID: 2, Records: 1}))
}
