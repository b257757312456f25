package partitionlog

import "github.com/skidway/skidway/kv"

// Receipt is the promise of one change of a log. Safe for concurrent use.
type Receipt struct {
	// Base and Last are the offsets of the batch's first and last record.
	Base, Last int64
	// AppendTime is when the batch was appended, in ms.
	AppendTime int64
	// Duplicate says that the batch was appended before: the offsets are those
	// of the first time.
	Duplicate bool

	commit *kv.Commit    // nil: done is closed
	item   *appendItem   // of a replica's append; else nil
	done   chan struct{} // closed; used where there is no commit
}

// Done is closed when the outcome is known: for a duplicate, that of the
// first append.
func (r Receipt) Done() <-chan struct{} {
	if r.commit != nil {
		return r.commit.Done()
	}
	return r.done
}

// Err is nil when the change is durable, as the store's fsync policy defines
// it; ErrStaleGeneration when a newer generation has dropped it, so that it will
// never appear; otherwise the outcome is unknown. Only to be called after Done is
// closed. A replica's duplicate does not tell whether the first append was dropped:
// the high watermark does.
func (r Receipt) Err() error {
	if r.commit == nil {
		return nil
	}
	err := r.commit.Err()
	if err == nil && r.item != nil && r.item.dropped {
		return ErrStaleGeneration
	}
	return err
}
