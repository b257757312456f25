package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A second belongs to the phase in which most of it lay, whatever the phase is at its end.
func TestPhaseOfASecond(t *testing.T) {
	r := &run{epoch: time.Now(), load: Load{Mode: ModeProduce}}
	r.window.set(int64(2300*time.Millisecond), int64(10300*time.Millisecond))
	at := func(ms int) time.Time { return r.epoch.Add(time.Duration(ms) * time.Millisecond) }
	for _, c := range []struct {
		from, to  int
		now, want string
	}{
		{400, 1400, PhaseWarmUp, PhaseWarmUp},
		{1400, 2400, PhaseMeasuring, PhaseWarmUp},
		{1900, 2900, PhaseMeasuring, PhaseMeasuring},
		{9400, 10400, PhaseDraining, PhaseMeasuring},
		{10000, 11000, PhaseDraining, PhaseDraining},
		{11000, 12000, PhaseVerifying, PhaseVerifying},
	} {
		s := newSampler(r)
		s.timeline, s.before = []Tick{{Phase: PhaseWarmUp}}, at(c.from)
		s.phase.Store(&c.now)
		require.Equal(t, c.want, s.phaseOf(at(c.to)), "%d..%d", c.from, c.to)
	}
}
