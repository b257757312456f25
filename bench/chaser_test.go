package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A long run in little: retention at work, one reader at the end, and one that starts anew.
func TestRunWithRetentionAndAChaser(t *testing.T) {
	d, metrics := startBroker(t)
	l := tiny(ModeE2E)
	l.Bytes, l.Rate, l.Duration, l.WarmUp, l.CatchUp = 0, 500, Span(3200*time.Millisecond), Span(100*time.Millisecond), 2
	l.Settings = map[string]string{"retention": "1s"}
	r, err := Run(t.Context(), d, l, Options{Probe: Probe{Metrics: []string{metrics}}})
	require.NoError(t, err)
	require.True(t, r.OK(), "what retention deletes was read before: %+v %v", r.Verification, r.Errors)
	require.Empty(t, r.Errors)
	caughtUp, fsyncs := 0.0, 0.0
	for _, k := range r.Timeline {
		caughtUp, fsyncs = caughtUp+k.CaughtUp, fsyncs+k.Fsyncs
	}
	require.Positive(t, caughtUp)
	require.Positive(t, r.CaughtUp.Records)
	require.Equal(t, r.Produce.Bytes+r.Consume.Bytes+r.CaughtUp.Bytes, r.moved(), "all that the broker gave costs it")
	require.Positive(t, fsyncs, "the broker's page is read each second")
	require.Empty(t, r.Trends, "too short to tell")
}

// What a chaser reads is checked, too.
func TestChaserFindsDamageAndDisorder(t *testing.T) {
	d, _ := startBroker(t)
	l, err := tiny(ModeE2E).Complete()
	require.NoError(t, err)
	l.Partitions = 1
	require.NoError(t, d.CreateTopic(t.Context(), NewTopic{Name: "chased", Partitions: 1}))
	r := &run{load: l, driver: d, topic: "chased", ledger: newLedger(7, 2, 1), filler: newFiller(int(l.Size), 7)}
	p, err := d.NewProducer(t.Context(), "chased", &l)
	require.NoError(t, err)
	send := func(sequence uint64, damage byte) {
		value := make([]byte, l.Size)
		r.filler.write(value, &tag{run: 7, sequence: sequence})
		value[len(value)-1] ^= damage
		done := make(chan error, 1)
		p.Sender(func(err error) { done <- err }).Send(t.Context(), nil, value)
		require.NoError(t, <-done)
	}
	for _, sequence := range []uint64{0, 1, 3, 2, 4} {
		send(sequence, 0)
	}
	send(5, 1)
	require.NoError(t, p.Close(t.Context()))
	c := &chaser{r: r}
	require.NoError(t, c.round(t.Context()))
	require.EqualValues(t, 6, c.received.Load())
	require.EqualValues(t, 1, r.ledger.reordered.Load())
	require.EqualValues(t, 1, r.ledger.damaged.Load())
	require.NoError(t, c.round(t.Context()), "each round begins anew")
	require.EqualValues(t, 12, c.received.Load())
	require.EqualValues(t, 2, r.ledger.reordered.Load())
}
