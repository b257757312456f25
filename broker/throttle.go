package broker

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// throttles bound how fast this broker ships what followers that are not in sync lack: one limit for each rate that was
// ever asked for, which all copies of that rate share. Safe for concurrent use.
type throttles struct {
	mu     sync.Mutex // guards byRate
	byRate map[int64]*throttle
}

// throttle is one limit. A nil one lets everything through.
type throttle struct{ limit *rate.Limiter }

// of gives the limit of a rate in bytes a second; 0: none.
func (t *throttles) of(bytes int64) *throttle {
	if bytes <= 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byRate == nil {
		t.byRate = make(map[int64]*throttle)
	}
	known := t.byRate[bytes]
	if known == nil {
		// What may be sent at once lasts until the next tick, which finds out that there is more.
		burst := bytes/int64(time.Second/replicaTick/2) + 1
		known = &throttle{rate.NewLimiter(rate.Limit(bytes), int(burst))}
		t.byRate[bytes] = known
	}
	return known
}

// open tells whether something may be sent now. If not, the replica's next tick asks again.
func (t *throttle) open(now time.Time) bool { return t == nil || t.limit.TokensAt(now) > 0 }

// spend counts what was sent, which may be more than there was room for: then the limit is closed for longer.
func (t *throttle) spend(now time.Time, bytes int) {
	if t == nil {
		return
	}
	for bytes > 0 {
		n := min(bytes, t.limit.Burst())
		t.limit.ReserveN(now, n)
		bytes -= n
	}
}
