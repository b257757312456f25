package broker

import (
	"context"
	"errors"
	"time"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
)

// The paces of what a broker does by itself.
const (
	tickEvery       = 500 * time.Millisecond // retention is decided
	sampleEvery     = time.Second            // rates are computed
	flushEvery      = 20 * time.Second       // new starts are made durable, and their records deleted
	reclaimEvery    = 30 * time.Second       // space of deleted records is given back
	deletionsEvery  = 10 * time.Second       // unfinished deletions of topics are tried again
	warmPause       = 20 * time.Millisecond  // between warmBatch partitions that nobody asked for yet
	warmBatch       = 64
	warmEvery       = 10 * time.Second // in a cluster, where a broker comes to lead other partitions
	tombstonesEvery = time.Hour
	tombstoneAge    = 7 * 24 * time.Hour
)

// knobs are for tests; zero fields take the constants above and the machine's clock.
type knobs struct {
	clock   clockSource
	tick    time.Duration
	flush   time.Duration
	reclaim time.Duration
	// meta puts faults around the metadata store; nil: none.
	meta func(metadata.Store) metadata.Store
	warm time.Duration // pause between warmBatch partitions; negative: unopened logs stay unopened
}

func (k *knobs) defaults() {
	if k.clock == nil {
		k.clock = systemClock()
	}
	setDefault(&k.tick, tickEvery)
	setDefault(&k.flush, flushEvery)
	setDefault(&k.reclaim, reclaimEvery)
	setDefault(&k.warm, warmPause)
}

// startTasks starts what runs until ctx ends.
func (b *Broker) startTasks(ctx context.Context) {
	b.task(ctx, b.tick)
	b.task(ctx, b.warm)
	b.task(ctx, b.reclaim)
	b.task(ctx, b.finishDeletions)
	b.task(ctx, b.groups.run)
	if b.member != nil {
		b.task(ctx, b.replicas.run)
		b.task(ctx, b.runMember)
	}
}

// task runs f on a goroutine that Shutdown waits for. A panic ends the process, as anywhere: no half-alive broker
// (A19).
func (b *Broker) task(ctx context.Context, f func(context.Context)) {
	b.tasks.Add(1)
	go func() {
		defer b.tasks.Done()
		f(ctx)
	}()
}

// tick decides retention, computes rates, and makes new starts durable.
func (b *Broker) tick(ctx context.Context) {
	ticker := time.NewTicker(b.cfg.knobs.tick)
	defer ticker.Stop()
	flushed, sampled := time.Now(), time.Now()
	alarmed := false
	retained := retainer{b: b}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := b.clock.now()
		alarmed = b.watchClock(alarmed)
		retained.tick(now)
		if d := time.Since(sampled); d >= sampleEvery {
			sampled = sampled.Add(d)
			for _, t := range b.topics.all() {
				t.counters.sample(d)
			}
		}
		if time.Since(flushed) >= b.cfg.knobs.flush {
			flushed = time.Now()
			b.flushStarts()
		}
	}
}

// watchClock logs once when the clock is no longer trusted, and once when it is again.
func (b *Broker) watchClock(alarmed bool) bool {
	paused, reason := b.clock.paused()
	switch {
	case paused && !alarmed:
		b.log.Error("the wall clock jumped; nothing is deleted by age until it is steady", "reason", reason)
	case !paused && alarmed:
		b.log.Warn("the clock is trusted again; records are deleted by age")
	}
	return paused
}

// flushStarts makes the starts that retention raised durable, and deletes what is below them.
func (b *Broker) flushStarts() {
	receipt, any := b.logs.FlushStarts()
	if !any {
		return
	}
	<-receipt.Done()
	if err := receipt.Err(); err != nil && !errors.Is(err, kv.ErrClosed) {
		b.log.Error("deleting expired records", "error", err)
	}
}

// reclaim gives back the space of deleted records.
func (b *Broker) reclaim(ctx context.Context) {
	b.every(ctx, b.cfg.knobs.reclaim, func() {
		if err := b.store.Reclaim(ctx); err != nil && ctx.Err() == nil {
			b.log.Warn("giving back the space of deleted records failed; it is tried again", "error", err)
		}
	})
}

// warm opens the logs that nobody has asked for, gently, so that their retention runs too.
func (b *Broker) warm(ctx context.Context) {
	switch {
	case b.cfg.knobs.warm < 0:
	case b.replicas == nil:
		b.warmOnce(ctx)
	default:
		b.every(ctx, warmEvery, func() { b.warmOnce(ctx) })
	}
}

func (b *Broker) warmOnce(ctx context.Context) {
	pause := time.NewTimer(b.cfg.knobs.warm)
	defer pause.Stop()
	n := 0
	for _, t := range b.topics.all() {
		for _, p := range t.partitions() {
			if p.log.Load() != nil || b.replicas != nil && !b.replicas.leads(p.id()) {
				continue
			}
			if _, err := b.openLog(p); err != nil {
				_ = b.logError(p, err)
			}
			if n++; n%warmBatch != 0 {
				continue
			}
			pause.Reset(b.cfg.knobs.warm)
			select {
			case <-ctx.Done():
				return
			case <-pause.C:
			}
		}
	}
}

// every calls f at a pace until ctx ends.
func (b *Broker) every(ctx context.Context, pace time.Duration, f func()) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f()
		}
	}
}
