package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tiny is a load that a busy machine carries out in a moment.
func tiny(mode string) Load {
	return Load{Mode: mode, Partitions: 3, Producers: 2, Consumers: 2, Size: 200, Buffer: 64 << 10, Keys: KeysRandom,
		Bytes: 200 << 10, Batch: 4 << 10}
}

func requireSound(t *testing.T, r *Result) {
	t.Helper()
	require.Empty(t, r.Errors)
	require.True(t, r.OK(), "%+v", r.Verification)
	require.True(t, r.Verification.Checked)
	require.Equal(t, r.Verification.Sent, r.Verification.Received)
	require.GreaterOrEqual(t, r.Verification.Sent, int64(2*(100<<10)/200), "each producer writes its share")
	require.Greater(t, r.Seconds, 0.0)
}

func TestRunProduce(t *testing.T) {
	d, metrics := startBroker(t)
	r, err := Run(t.Context(), d, tiny(ModeProduce), Options{
		Probe:   Probe{PIDs: []int{os.Getpid()}, Metrics: []string{metrics}},
		Version: "test"})
	require.NoError(t, err)
	requireSound(t, r)
	require.Equal(t, r.Produce.Records, r.Produce.Latency.Count, "every record of the window has its latency")
	require.EqualValues(t, 1024, r.Produce.Records)
	require.Nil(t, r.Consume)
	require.Positive(t, r.Broker.Fsyncs)
	require.Positive(t, r.Broker.Commits)
	require.Positive(t, r.Broker.RSS)
	h, err := r.Produce.Latency.Histogram()
	require.NoError(t, err)
	require.Equal(t, r.Produce.Latency.P99, h.ValueAtQuantile(99), "the histogram survives being written")

	topics, _, err := d.Extent(t.Context(), "bench-nothing")
	require.Error(t, err, "found %d partitions", topics)
}

func TestRunE2EOpenLoop(t *testing.T) {
	d, _ := startBroker(t)
	l := tiny(ModeE2E)
	l.Bytes, l.Rate, l.Duration, l.WarmUp = 0, 400, Span(1200*time.Millisecond), Span(100*time.Millisecond)
	var mu sync.Mutex
	var ticks []Tick
	r, err := Run(t.Context(), d, l, Options{Progress: func(k Tick) {
		mu.Lock()
		defer mu.Unlock()
		ticks = append(ticks, k)
	}})
	require.NoError(t, err)
	require.True(t, r.OK(), "%+v %v", r.Verification, r.Errors)
	// 400 a second over 1.2 s are 480, whatever the machine does: an open loop leaves none out.
	require.InDelta(t, 480, r.Produce.Latency.Count, 2)
	require.InDelta(t, 480, r.Consume.Latency.Count, 2)
	require.NotNil(t, r.SendDelay)
	require.InDelta(t, 1.2, r.Seconds, 1e-6)
	require.GreaterOrEqual(t, r.Consume.Latency.Max, r.SendDelay.Max, "latency counts from the intended time")
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, ticks)
	require.Len(t, r.Timeline, len(ticks))
}

func TestRunOneAtATime(t *testing.T) {
	d, _ := startBroker(t)
	l := tiny(ModeE2E)
	l.Producers, l.Outstanding, l.Bytes = 1, 1, 20*200
	r, err := Run(t.Context(), d, l, Options{})
	require.NoError(t, err)
	require.True(t, r.OK(), "%+v", r.Verification)
	require.EqualValues(t, 20, r.Consume.Latency.Count)
}

func TestRunConsume(t *testing.T) {
	d, _ := startBroker(t)
	l := tiny(ModeConsume)
	l.Compression = "lz4"
	r, err := Run(t.Context(), d, l, Options{Keep: KeepTopic})
	require.NoError(t, err)
	requireSound(t, r)
	require.Equal(t, r.Verification.Received, r.Consume.Records)
	require.Nil(t, r.Produce)
}

func TestRunReadsAnExistingTopic(t *testing.T) {
	d, _ := startBroker(t)
	require.NoError(t, d.CreateTopic(t.Context(), NewTopic{Name: "old", Partitions: 2,
		Settings: map[string]string{"retention": "1d"}}))
	l, err := tiny(ModeProduce).Complete()
	require.NoError(t, err)
	p, err := d.NewProducer(t.Context(), "old", &l)
	require.NoError(t, err)
	failed := make(chan error, 5)
	for range 5 {
		p.Sender(func(err error) { failed <- err }).Send(t.Context(), nil, []byte("no record of a run"))
	}
	require.NoError(t, p.Flush(t.Context()))
	for range 5 {
		require.NoError(t, <-failed)
	}
	require.NoError(t, p.Close(t.Context()))
	r, err := Run(t.Context(), d, Load{Mode: ModeConsume, Size: 18 + HeaderBytes}, Options{Topic: "old"})
	require.NoError(t, err)
	require.EqualValues(t, 5, r.Consume.Records)
	require.Equal(t, 2, r.Load.Partitions)
	require.False(t, r.Verification.Checked)
	require.Contains(t, strings.Join(r.Warnings, "\n"), "not verified")
	partitions, records, err := d.Extent(t.Context(), "old")
	require.NoError(t, err, "a topic that was there stays")
	require.Equal(t, 2, partitions)
	require.EqualValues(t, 5, records)
}

func TestRunRefuses(t *testing.T) {
	d, _ := startBroker(t)
	_, err := Run(t.Context(), d, Load{Mode: "no"}, Options{})
	require.ErrorContains(t, err, `mode: "no" is none of`)
	_, err = Run(t.Context(), d, tiny(ModeProduce), Options{Topic: "old"})
	require.ErrorContains(t, err, "existing topic")
	_, err = Run(t.Context(), d, Load{Mode: ModeConsume}, Options{Topic: "missing"})
	require.ErrorContains(t, err, "missing")
	bad := tiny(ModeProduce)
	bad.Settings = map[string]string{"no_such_setting": "1"}
	_, err = Run(t.Context(), d, bad, Options{})
	require.ErrorContains(t, err, "no_such_setting")
}

func TestRunIsInterrupted(t *testing.T) {
	d, _ := startBroker(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	enough := errors.New("enough")
	l := tiny(ModeE2E)
	l.Bytes, l.Duration = 0, Span(time.Hour)
	_, err := Run(ctx, d, l, Options{Progress: func(Tick) { cancel(enough) }})
	require.ErrorIs(t, err, enough)
}

// A broker that stops answering in the middle of a run must show in the result, and not as a good figure.
func TestFailuresCount(t *testing.T) {
	f := &failing{every: 3}
	r := &run{load: Load{Size: 100, Buffer: 100 * 10, Producers: 1}, epoch: time.Now(), awaited: awaitAnswer, own: true,
		ledger: newLedger(7, 1, 1), filler: newFiller(100, 7)}
	r.window.set(0, 1<<62)
	r.writers = []*writer{newWriter(r, 0, f)}
	require.NoError(t, r.send(t.Context(), 0, 30))
	v := r.verification()
	require.EqualValues(t, 30, v.Sent)
	require.EqualValues(t, 20, v.Acked)
	require.EqualValues(t, 10, v.Failed)
	require.False(t, v.OK())
	require.Equal(t, []string{"refused"}, r.faults)
}

// failing is a producer whose every n-th record fails.
type failing struct{ every, n int }

type failingSender struct {
	f    *failing
	done func(error)
}

func (f *failing) Sender(done func(error)) Sender { return failingSender{f, done} }
func (f *failing) Flush(context.Context) error    { return nil }
func (f *failing) Close(context.Context) error    { return nil }

func (s failingSender) Send(context.Context, []byte, []byte) {
	if s.f.n++; s.f.n%s.f.every == 0 {
		s.done(errors.New("refused"))
		return
	}
	s.done(nil)
}

func TestResultsSurviveAFile(t *testing.T) {
	one := &Result{Format: resultFormat, Driver: "skidway", Load: Load{Size: 100, Duration: Span(90 * time.Second)},
		Started: time.Unix(9, 0).UTC()}
	two := &Result{Format: resultFormat, Driver: "kafka", Load: Load{Batch: 16 << 10}, Produce: &Flow{Records: 3},
		Started: time.Unix(9, 0).UTC()}
	var file bytes.Buffer
	require.NoError(t, WriteResults(&file, one))
	require.NoError(t, WriteResults(&file, two))
	got, err := ReadResults(&file)
	require.NoError(t, err)
	require.Equal(t, []*Result{one, two}, got)

	_, err = ReadResults(strings.NewReader(`{"format":99}`))
	require.ErrorContains(t, err, "format 99")
	_, err = ReadResults(strings.NewReader(`{"format":1} {"form`))
	require.ErrorContains(t, err, "result 2")
}
