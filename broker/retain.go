package broker

import (
	"fmt"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/retention"
)

// retain raises the start of a partition's log over what its topic's retention gives up at the time now. The log shows
// the new start at once; the bytes go when flushStarts and the store's compaction get to them. While the clock is not
// trusted nothing goes by age (F1).
func (b *Broker) retain(p *partition, log *partitionlog.Log, now int64) error {
	policy := b.policy(p.topic.settings())
	if policy == (retention.Policy{}) {
		return nil
	}
	st := log.Stats()
	cut := retention.Decide(now, retention.Stats{
		Start: st.Start, End: st.End, Bytes: st.Bytes, OldestAppend: st.OldestAppend,
	}, policy)
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
