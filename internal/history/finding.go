package history

import (
	"fmt"
	"strings"
)

// Anomaly is a way in which a history breaks the promise.
type Anomaly string

// The anomalies.
const (
	InconsistentOffsets Anomaly = "inconsistent-offsets" // an offset with two values
	Duplicate           Anomaly = "duplicate"            // a value at two offsets
	AbortedRead         Anomaly = "aborted-read"         // a value was read of which the send failed definitely
	Phantom             Anomaly = "phantom"              // a value was read that nobody had sent there
	LostWrite           Anomaly = "lost-write"           // an acknowledged value is not there
	Vanished            Anomaly = "vanished"             // a value that was read is not there at the end
	Unseen              Anomaly = "unseen"               // an acknowledged value that nobody read, and nobody reached
	Unfinished          Anomaly = "unfinished"           // nobody read the partition to its end at the end
	Gap                 Anomaly = "gap"                  // at the end an offset is missing between two others

	PollSkip         Anomaly = "poll-skip"         // a reader was not given a value between two polls
	NonmonotonicPoll Anomaly = "nonmonotonic-poll" // a reader was taken back between two polls
	InnerPollSkip    Anomaly = "int-poll-skip"     // the same within one poll
	InnerPollOrder   Anomaly = "int-nonmonotonic-poll"
	SendOrder        Anomaly = "nonmonotonic-send" // a process' sends are in another order in the log
	InnerSendOrder   Anomaly = "int-nonmonotonic-send"

	RealTimeOrder Anomaly = "real-time-order" // a send that began after an offset was known to be taken got a lower one
	VisibleBack   Anomaly = "visible-back"    // what a process could see of a log became less
	DamagedRead   Anomaly = "damaged-read"    // a reader was told that records are damaged

	NotLinearizable Anomaly = "not-linearizable" // no order of the operations explains what they returned
	Inconclusive    Anomaly = "inconclusive"     // the check was not done or did not end

	Divergence   Anomaly = "divergence"    // two stores hold different records at a committed offset
	EpochHistory Anomaly = "epoch-history" // two stores know of different epochs for committed offsets
	ShortReplica Anomaly = "short-replica" // a store does not hold what it must
)

// Finding is one place where the promise is broken.
type Finding struct {
	Anomaly   Anomaly
	Partition int32
	Offset    int64 // None: of no offset
	Values    []Value
	Events    []Event // those that show it
	Note      string
}

// String is a few lines: what, where, and the events.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s in partition %d", f.Anomaly, f.Partition)
	if f.Offset != None {
		fmt.Fprintf(&b, " at offset %d", f.Offset)
	}
	if len(f.Values) > 0 {
		fmt.Fprintf(&b, ", values %v", f.Values)
	}
	if f.Note != "" {
		b.WriteString(": " + f.Note)
	}
	for i := range f.Events {
		b.WriteString("\n  " + f.Events[i].String())
	}
	return b.String()
}

// shownValues bounds what is shown of an event.
const shownValues = 8

// String is one line.
func (e *Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%.6fs process %d %s %s", float64(e.Time)/1e9, e.Process, e.Op, e.Kind)
	for i, v := range e.Values {
		if i == shownValues {
			fmt.Fprintf(&b, " and %d more", len(e.Values)-i)
			break
		}
		fmt.Fprintf(&b, " %v", v)
		if at := e.offset(i); at != None {
			fmt.Fprintf(&b, "@%d", at)
		}
	}
	if len(e.Values) == 0 && len(e.Offsets) > 0 {
		fmt.Fprintf(&b, " at %v", e.Offsets)
	}
	if e.Error != "" {
		b.WriteString(" " + e.Error)
	}
	return b.String()
}
