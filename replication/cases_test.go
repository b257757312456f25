package replication

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// sent finds the message of a kind that a step sends to a broker.
func sent[M Message](t *testing.T, out []Effect, to int32) M {
	t.Helper()
	for _, e := range out {
		if s, ok := e.(Send); ok && s.To == to {
			if m, ok := s.Message.(M); ok {
				return m
			}
		}
	}
	require.Failf(t, "not sent", "to %d, of %v", to, out)
	panic("not reached")
}

// firstOf is the subscription of broker 3 with nothing.
func firstOf(epoch int32) Subscribe {
	return Subscribe{From: Member{3, 33}, BrokerEpoch: 1, Stream: 1, Epoch: epoch, LastEpoch: NoEpoch}
}

// ledBy2 is a state in which broker 2 leads.
func ledBy2() State {
	return State{
		Replicas: []int32{1, 2}, MinISR: 1, Leader: 2, LeaderBrokerEpoch: 1, LeaderEpoch: 3, ISR: []Member{{2, 22}},
	}
}

// G2: whether a follower gets into the ISR as the leader dies is decided by the version: the expand that was proposed
// on the state before an election fails, and until the leader knows, the follower counts.
func TestG2JoinsAsTheLeaderDies(t *testing.T) {
	r := leads(t, Testing{})
	out := r.Step(0, Received{3, firstOf(3)})
	i := slices.IndexFunc(out, func(e Effect) bool { _, ok := e.(WriteState); return ok })
	w := out[i].(WriteState)
	require.Equal(t, []Check{{3, 1}}, w.Checks, "and only in the registration that subscribed (G3)")
	require.EqualValues(t, 1, w.Version)
	require.Equal(t, []Effect{ReadState{}}, r.Step(0, Written{w.Seq, OutcomeBadVersion}))
	require.Len(t, r.Status().Maximal, 3)
	next := r.state.Clone()
	next.Leader, next.LeaderBrokerEpoch, next.LeaderEpoch = 2, 1, 4
	r.Step(0, StateRead{State: next, Version: 2})
	require.Equal(t, Follower, r.role)
}

// G5: after fast consecutive elections one answer does not tell where two logs part (KIP-279). The follower has
// records of epochs 1 and 2, the leader's answer is about epoch 1 of another length, or about one that the follower
// does not have: it cuts to what it knows, and asks again with the epoch before.
func TestG5AlignsStepByStep(t *testing.T) {
	r := follows(t)
	out := r.Step(0, Received{2, Diverged{Epoch: 3, Stream: 1, Floor: 1, End: 4}})
	require.Equal(t, []Effect{Truncate{Generation: 1, To: 4}}, out, "both have epoch 1, the leader less of it")

	r = NewReplica(Options{Self: Member{1, 11}}, Stored{Promised: 3, End: 9, History: History{{0, 0}, {2, 6}}})
	r.Step(0, Registered{BrokerEpoch: 7})
	stream := sent[Subscribe](t, r.Step(0, StateRead{Version: 1, State: ledBy2()}), 2).Stream
	out = r.Step(0, Received{2, Diverged{Epoch: 3, Stream: stream, Floor: 1, End: 8}})
	require.Equal(t, []Effect{Truncate{Generation: 1, To: 6}}, out, "of epoch 1 it has nothing")
	again := sent[Subscribe](t, r.Step(0, Cut{Generation: 1, End: 6, History: History{{0, 0}}}), 2)
	require.EqualValues(t, 0, again.LastEpoch)
	require.EqualValues(t, 6, again.End)
}

// G6: what a leader of another epoch says of its log aligns nothing (KIP-320), nor does it as its own leader refuses.
func TestG6StaleLeaderAlignsNobody(t *testing.T) {
	r := follows(t)
	require.Empty(t, r.Step(0, Received{2, Diverged{Epoch: 2, Stream: 1, Floor: 1, End: 4}}))
	require.Empty(t, r.Step(0, Received{3, Diverged{Epoch: 3, Stream: 1, Floor: 1, End: 4}}))
	require.EqualValues(t, 9, r.Status().End)
	l := leads(t, Testing{})
	out := l.Step(0, Received{3, firstOf(2)})
	require.Equal(t, []Effect{Send{3, Refused{Epoch: 3, Stream: 1}}}, out)
}

// G8: a follower joins once it holds what was there when the epoch began, though less is committed so far; without
// that (M8) it would join before.
func TestG8M8JoinsAtEpochStart(t *testing.T) {
	for _, planted := range []bool{false, true} {
		r := NewReplica(Options{Self: Member{1, 11}, Testing: Testing{IgnoreEpochStart: planted}},
			Stored{Promised: 2, End: 5, History: History{{2, 0}}})
		r.Step(0, Registered{BrokerEpoch: 7})
		r.Step(0, StateRead{Version: 1, State: State{
			Replicas: []int32{1, 2, 3}, MinISR: 1, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 3,
			ISR: []Member{{1, 11}, {3, 33}},
		}})
		r.Step(0, Promised{Generation: 1, End: 5, History: History{{2, 0}, {3, 5}}})
		require.Zero(t, r.Status().HighWatermark)
		sub := Subscribe{From: Member{2, 22}, BrokerEpoch: 1, Stream: 1, Epoch: 3, End: 4, Durable: 4, LastEpoch: 2}
		r.Step(0, Received{2, sub})
		require.Equal(t, planted, r.lead.isr.active)
		r.Step(0, Received{2, Ack{Epoch: 3, Stream: 1, Durable: 5}})
		require.True(t, r.lead.isr.active)
	}
}

// G9: below its own high watermark a follower cuts nothing off, and says so, unless an election since was unclean.
func TestG9CutsNothingCommitted(t *testing.T) {
	r := follows(t)
	out := r.Step(0, Received{2, Diverged{Epoch: 3, Stream: 1, Floor: 1, End: 2}})
	require.Equal(t, []Effect{Alarm{AlarmQuarantined, 1}}, out)
	require.Empty(t, r.Step(0, Tick{}))

	r = follows(t)
	r.state.UncleanEpochs = []int32{3}
	out = r.Step(0, Received{2, Diverged{Epoch: 3, Stream: 1, Floor: 1, End: 2}})
	require.Equal(t, []Effect{Truncate{Generation: 1, To: 2}}, out)
}

// G15: while it is not known whether a shrink was written, who would have left still counts; a definite failure of a
// later attempt does not settle the first one, and the version that moves does (R5, M9, M19).
func TestG15UnknownShrink(t *testing.T) {
	r := leads(t, Testing{})
	r.Step(0, Synced{1, 4})
	r.state.MinISR = 1
	r.Step(r.opts.LagMax+1, Tick{})
	require.Equal(t, []Member{{1, 11}}, r.lead.isr.state.ISR)
	require.Zero(t, r.Status().HighWatermark)
	r.Step(0, Written{r.lead.isr.seq, OutcomeUnknown})
	require.Zero(t, r.Status().HighWatermark)
	r.Step(r.opts.LagMax+2*r.opts.RetryEvery, Tick{})
	r.Step(0, Written{r.lead.isr.seq, OutcomeCheckFailed})
	require.Zero(t, r.Status().HighWatermark)
	require.Equal(t, []Member{{1, 11}, {2, 22}}, r.attempted().ISR, "written as it is, to move the version")
	s := r.state.Clone()
	s.ISR = []Member{{1, 11}}
	r.Step(0, StateRead{State: s, Version: 2})
	require.EqualValues(t, 4, r.Status().HighWatermark)
}

// G21: a follower with more than its leader cuts it off, although all its epochs are the leader's.
func TestG21FollowerHasMore(t *testing.T) {
	r := leads(t, Testing{})
	sub := Subscribe{From: Member{3, 33}, BrokerEpoch: 1, Stream: 1, Epoch: 3, End: 6, Durable: 6, LastEpoch: 3}
	out := r.Step(0, Received{3, sub})
	require.Equal(t, Diverged{Epoch: 3, Stream: 1, Floor: 3, End: 4}, sent[Diverged](t, out, 3))

	f := NewReplica(Options{Self: Member{3, 33}}, Stored{
		Promised: 3, End: 6, HighWatermark: 4, History: History{{3, 0}},
	})
	f.Step(0, Registered{BrokerEpoch: 1})
	stream := sent[Subscribe](t, f.Step(0, StateRead{State: r.state, Version: 1}), 1).Stream
	require.Equal(t, []Effect{Truncate{Generation: 1, To: 4}},
		f.Step(0, Received{1, Diverged{Epoch: 3, Stream: stream, Floor: 3, End: 4}}))
}

// G22: who is behind the leader's start begins anew there; who holds more than that start, committed, never does.
func TestG22BeginsAnewAtTheStart(t *testing.T) {
	r := NewReplica(Options{Self: Member{1, 11}}, Stored{
		Promised: 3, End: 3, HighWatermark: 3, History: History{{1, 0}},
	})
	r.Step(0, Registered{BrokerEpoch: 7})
	stream := sent[Subscribe](t, r.Step(0, StateRead{Version: 1, State: ledBy2()}), 2).Stream
	start := OutOfRange{Epoch: 3, Stream: stream, DataStart: 5, LogStart: 6, History: History{{2, 4}}}
	out := r.Step(0, Received{2, start})
	require.Equal(t, []Effect{Reset{Generation: 1, DataStart: 5, LogStart: 6, History: History{{2, 4}}}}, out)
	again := sent[Subscribe](t, r.Step(0, Cut{Generation: 1, End: 5, History: History{{2, 4}}}), 2)
	require.EqualValues(t, 5, again.End)
	require.EqualValues(t, 2, again.LastEpoch)

	r = follows(t)
	out = r.Step(0, Received{2, OutOfRange{Epoch: 3, Stream: 1, DataStart: 2, LogStart: 2}})
	require.Equal(t, []Effect{Alarm{AlarmQuarantined, 1}}, out)
}

// G25: a log start never goes back, whatever a new leader's is, and never passes the high watermark.
func TestG25LogStartNeverGoesBack(t *testing.T) {
	r := follows(t)
	r.Step(0, Received{2, Subscribed{Epoch: 3, Stream: 1}})
	data := func(hw, start int64) {
		r.Step(0, Received{2, Data{Epoch: 3, Stream: 1, Previous: 2, Base: 9, HW: hw, LogStart: start}})
	}
	data(7, 8)
	require.EqualValues(t, 7, r.Status().LogStart)
	data(7, 2)
	require.EqualValues(t, 7, r.Status().LogStart)
	r.Step(0, Trimmed{LogStart: 9, DataStart: 3})
	require.EqualValues(t, 7, r.Status().LogStart)
}

// E16: an append is taken only where it continues the log in the epoch and the subscription that are current.
func TestE16BytesOfAnOldConnection(t *testing.T) {
	r := follows(t)
	r.Step(0, Received{2, Subscribed{Epoch: 3, Stream: 1}})
	batch := []Batch{{9, 10, 3, nil}}
	require.Empty(t, r.Step(0, Received{2, Data{Epoch: 2, Stream: 1, Previous: 2, Base: 9, Batches: batch}}))
	require.Empty(t, r.Step(0, Received{2, Data{Epoch: 3, Stream: 0, Previous: 2, Base: 9, Batches: batch}}))
	require.Len(t, r.Step(0, Received{2, Data{Epoch: 3, Stream: 1, Previous: 2, Base: 9, Batches: batch}}), 1)
	out := r.Step(0, Received{2, Data{Epoch: 3, Stream: 1, Previous: 2, Base: 9, Batches: batch}})
	require.Equal(t, Drop{Epoch: 3, Stream: 1}, sent[Drop](t, out, 2), "a second time it does not continue the log")
}
