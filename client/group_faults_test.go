package client_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// shortSessions makes a silent member one that is removed soon.
func shortSessions(c *broker.Config) {
	c.Groups.SessionTimeout, c.Groups.HeartbeatInterval = time.Second, 200*time.Millisecond
}

// quick repeats soon.
var quick = client.Options{RetryMin: time.Millisecond, RetryMax: 20 * time.Millisecond}

// Heartbeats, commits and look-ups that are lost on the way there or back, and refused for the moment: the group goes
// on, nobody is fenced for it, nothing is passed over, and in the end all is committed.
func TestGroupLostAnswers(t *testing.T) {
	x, _, c := throughProxy(t, quick)
	create(t, c, "demo", 6)
	x.rule(func(api client.API, n int) action {
		if api != wire.APIGroupHeartbeat && api != wire.APICommitOffsets && api != wire.APIFetchOffsets {
			return pass
		}
		switch {
		case n%3 == 0:
			return dropAnswer
		case n%5 == 0:
			return cutBefore
		case n%7 == 0:
			return refuse
		}
		return pass
	})
	s := newSeen(t)
	stop := load(t, c)
	o := client.GroupOptions{CommitInterval: 5 * time.Millisecond}
	a := startWorker(t, c, "a", o, func(r client.Record) { s.add("a", r) })
	a.await(6)
	b := startWorker(t, c, "b", o, func(r client.Record) { s.add("b", r) })
	a.await(3)
	b.await(3)
	b.close()
	a.await(6)
	n := stop()
	s.await(testContext(t), n)
	x.rule(nil)
	require.NoError(t, a.g.Commit(testContext(t)))
	offsets, err := a.g.Committed(testContext(t), "demo")
	require.NoError(t, err)
	require.EqualValues(t, n, sum(offsets))
	for _, w := range []*worker{a, b} {
		require.NotContains(t, strings.Join(w.happenedNow(), "; "), "lost")
	}
}

func sum(offsets []client.Offset) (total int64) {
	for _, o := range offsets {
		total += o.Offset
	}
	return total
}

// A commit whose answer is lost is repeated; one of which nothing is heard until the program gives up is unknown.
func TestGroupCommitUnknown(t *testing.T) {
	x, _, c := throughProxy(t, quick)
	create(t, c, "demo", 1)
	sendTo(t, c, "demo", 10)
	ctx := testContext(t)
	g, err := client.JoinGroup(ctx, c, "g", []string{"demo"}, client.GroupOptions{Commit: client.CommitManual})
	require.NoError(t, err)
	records, err := g.Poll(ctx)
	require.NoError(t, err)
	x.rule(nth(wire.APICommitOffsets, 1, dropAnswer))
	g.Mark(records[4])
	require.NoError(t, g.Commit(ctx))
	x.rule(func(api client.API, _ int) action {
		if api == wire.APICommitOffsets {
			return swallow
		}
		return pass
	})
	g.Mark(records[9])
	soon, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	err = g.Commit(soon)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.ErrorIs(t, err, client.ErrTimedOut)
	require.Equal(t, client.OutcomeUnknown, e.Outcome)
	require.Equal(t, "demo", e.Topic)
	x.rule(nil)
	x.cutAll()
	require.NoError(t, g.Commit(ctx)) // it is still marked
	offsets, err := g.Committed(ctx, "demo")
	require.NoError(t, err)
	require.EqualValues(t, 10, sum(offsets))
	require.EqualValues(t, []int64{2, 1}, []int64{g.Stats().Commits, g.Stats().CommitErrors})
	require.NoError(t, g.Close(ctx))
}

// A coordinator that goes silent is given up after RequestTimeout, and found again.
func TestGroupSilentCoordinator(t *testing.T) {
	x, _, patient := throughProxy(t, quick)
	create(t, patient, "demo", 2)
	a := startWorker(t, connectInHaste(t, x.address(), quick), "a", client.GroupOptions{}, ignore)
	a.await(2)
	silent := make(chan struct{})
	x.rule(func(api client.API, n int) action {
		if api == wire.APIGroupHeartbeat && n == 1 {
			close(silent)
			return swallow
		}
		return pass
	})
	x.cutAll() // whatever is under way
	<-silent
	b := startWorker(t, patient, "b", client.GroupOptions{}, ignore)
	a.await(1)
	b.await(1)
	require.NotContains(t, a.happenedNow(), "lost 2")
}

// A broker that goes and comes back under a group's load: the members keep what they have, and nothing is passed over.
func TestGroupBrokerRestarts(t *testing.T) {
	s := startServer(t, nil)
	c := connect(t, s.address(), quick)
	create(t, c, "demo", 4)
	group := newSeen(t)
	o := client.GroupOptions{CommitInterval: 5 * time.Millisecond}
	a := startWorker(t, c, "a", o, func(r client.Record) { group.add("a", r) })
	b := startWorker(t, c, "b", o, func(r client.Record) { group.add("b", r) })
	a.await(2)
	b.await(2)
	sent := 0
	for range 3 {
		stop := load(t, c)
		group.until(testContext(t), "some records", func() bool { return len(group.times) > sent })
		s.stop()
		s.start()
		sent += stop()
		group.await(testContext(t), sent)
	}
	require.Zero(t, group.again(), "a restart is no rebalance")
	require.Equal(t, []string{"assigned 2"}, b.happenedNow())
	require.NoError(t, a.g.Commit(testContext(t)))
	require.NoError(t, b.g.Commit(testContext(t)))
	offsets, err := c.FetchOffsets(testContext(t), "g", "demo")
	require.NoError(t, err)
	require.EqualValues(t, sent, sum(offsets))
}

// What the coordinator will never take is said by JoinGroup, and names what.
func TestJoinGroupRefused(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	ctx := testContext(t)
	for _, tc := range []struct {
		group, says string
		o           client.GroupOptions
	}{
		{"g", "E128", client.GroupOptions{Regex: "("}},
		{"g", "E129", client.GroupOptions{Assignor: "fair"}},
		{"a\nb", "E132", client.GroupOptions{}},
		{"g", "CommitInterval: -1ns, must be positive", client.GroupOptions{CommitInterval: -1}},
		{"g", "Commit: 7 is unknown", client.GroupOptions{Commit: 7}},
	} {
		_, err := client.JoinGroup(ctx, c, tc.group, []string{"demo"}, tc.o)
		require.ErrorContains(t, err, tc.says)
	}
	_, err := client.JoinGroup(ctx, c, "g", nil, client.GroupOptions{})
	require.ErrorContains(t, err, "neither topics nor GroupOptions.Regex")
}
