package bench

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestHighestFindsTheCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Float64Range(1, 1e6).Draw(t, "most")
		capacity := most * rapid.Float64Range(0.02, 1).Draw(t, "share")
		got, err := highest(most, func(rate float64) (bool, error) { return rate <= capacity, nil })
		require.NoError(t, err)
		require.LessOrEqual(t, got, capacity, "a rate that was shown to be kept up with")
		require.InDelta(t, capacity, got, 1.001*most/(1<<maxSteps))
	})
	_, err := highest(640, func(float64) (bool, error) { return false, nil })
	require.ErrorContains(t, err, "no rate down to 10 records a second")
	refused := errors.New("refused")
	_, err = highest(640, func(float64) (bool, error) { return false, refused })
	require.ErrorIs(t, err, refused)
}

// Against a real broker: nothing keeps to a limit of a nanosecond, and all steps are told.
func TestMaxTellsWhatItTried(t *testing.T) {
	d, _ := startBroker(t)
	l := tiny(ModeProduce)
	l.Bytes, l.Duration, l.WarmUp = 0, Span(50*time.Millisecond), -1
	var told []Verdict
	step := func(_ *Result, v Verdict) { told = append(told, v) }
	_, err := Max(t.Context(), d, l, Search{Limit: 1, Step: step}, Options{})
	require.ErrorContains(t, err, "no rate down to")
	require.Equal(t, []Verdict{ClosedLoop, TooMuch, TooMuch, TooMuch, TooMuch, TooMuch, TooMuch}, told)
	l.Mode, l.Duration, l.Bytes = ModeConsume, 0, 10<<10
	_, err = Max(t.Context(), d, l, Search{Limit: 1, Step: func(*Result, Verdict) {}}, Options{})
	require.ErrorContains(t, err, `mode "consume" has no rate`)
}

func TestSustained(t *testing.T) {
	r := sample("x", 1, 10_000)
	r.Load.Rate, r.Produce.PerSecond = 1000, 985
	require.True(t, r.sustained(10*time.Millisecond))
	require.False(t, r.sustained(9*time.Millisecond), "too slow")
	r.Produce.PerSecond = 970
	require.False(t, r.sustained(10*time.Millisecond), "behind the rate")
	r.Produce.PerSecond, r.Verification = 1000, Verification{Failed: 1}
	require.False(t, r.sustained(time.Second), "a record failed")
}
