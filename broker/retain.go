package broker

import (
	"fmt"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/retention"
)

// lookAnyway is the number of ticks after which a log is looked at whatever was expected of it: its leader may have
// been another broker, and the clock may have been paused.
const lookAnyway = 20

// retainer remembers when each open log is due, side by side in memory: to look at 100,000 logs twice a second, a few
// cache misses each, took a twentieth of a core. Used by one goroutine.
type retainer struct {
	b     *Broker
	logs  []watchedLog
	ticks int
}

// watchedLog is an open log and when retention may find something in it. That holds for one state of its topic.
type watchedLog struct {
	p     *partition
	topic *topic
	state *topicState
	due   int64
}

// tick applies retention to all open logs that are due.
func (r *retainer) tick(now int64) {
	r.follow(r.b.opened.snapshot())
	r.ticks++
	for i := range r.logs {
		w := &r.logs[i]
		if w.state == w.topic.state.Load() && now < w.due && (r.ticks+i)%lookAnyway != 0 {
			continue
		}
		r.look(w, now)
	}
}

// follow takes over the list of open logs, which keeps its order.
func (r *retainer) follow(open []*partition) {
	n := len(r.logs)
	if n > len(open) || n > 0 && r.logs[n-1].p != open[n-1] { // some are gone
		r.logs, n = nil, 0
	}
	for _, p := range open[n:] {
		r.logs = append(r.logs, watchedLog{p: p, topic: p.topic})
	}
}

// look applies retention to one log.
func (r *retainer) look(w *watchedLog, now int64) {
	b, p := r.b, w.p
	w.state, w.due = nil, now
	if b.replicas != nil && !b.replicas.leads(p.id()) {
		return // its leader decides
	}
	state, log := w.topic.state.Load(), p.log.Load()
	if err := b.retain(p, log, now); err != nil {
		_ = b.logError(p, err) // notes damage; deletion is not the end of the world
		return
	}
	if b.replicas != nil {
		b.replicas.trimmed(p.id())
	}
	st := retentionStats(log)
	if b.replicas != nil && st.OldestAppend == 0 {
		return // what comes from another leader may be old
	}
	w.state, w.due = state, retention.Due(now, st, b.policy(&state.settings))
}

// retain raises the start of a partition's log over what its topic's retention gives up at the time now. The log shows
// the new start at once; the bytes go when flushStarts and the store's compaction get to them. While the clock is not
// trusted nothing goes by age (F1).
func (b *Broker) retain(p *partition, log *partitionlog.Log, now int64) error {
	policy := b.policy(p.topic.settings())
	if policy == (retention.Policy{}) {
		return nil
	}
	st := retentionStats(log)
	cut := retention.Decide(now, st, policy)
	if cut.None() {
		return nil
	}
	start, err := cutOffset(log, cut)
	if err != nil {
		return fmt.Errorf("deciding retention: %w", err)
	}
	if start > st.Start {
		log.RaiseStart(start)
		b.met.retained(start - st.Start)
	}
	return nil
}

// retentionStats are a log's figures as retention takes them.
func retentionStats(log *partitionlog.Log) retention.Stats {
	st := log.Stats()
	return retention.Stats{Start: st.Start, End: st.End, Bytes: st.Bytes, OldestAppend: st.OldestAppend}
}

// policy is what a topic's settings mean now.
func (b *Broker) policy(s *metadata.Settings) retention.Policy {
	policy := retention.Policy{MaxAge: s.Retention, MaxBytes: s.RetentionBytes}
	if policy.MaxAge > 0 {
		if paused, _ := b.clock.paused(); paused {
			policy.MaxAge = 0
		}
	}
	return policy
}

// cutOffset is the first offset that stays.
func cutOffset(log *partitionlog.Log, cut retention.Cut) (int64, error) {
	var start int64
	if cut.AppendedBefore > 0 {
		byAge, err := log.StartForAge(cut.AppendedBefore)
		if err != nil {
			return 0, err
		}
		start = byAge
	}
	if cut.KeepBytes >= 0 {
		byBytes, err := log.StartForBytes(cut.KeepBytes)
		if err != nil {
			return 0, err
		}
		start = max(start, byBytes)
	}
	return start, nil
}
