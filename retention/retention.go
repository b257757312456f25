package retention

import (
	"math"
	"time"
)

// Policy is what a topic's settings say about how long records are kept.
type Policy struct {
	// MaxAge is how long a record is kept after the broker appended it, exact to the
	// millisecond (a fraction of one is rounded up). Zero or less: forever.
	MaxAge time.Duration
	// MaxBytes is how many of the newest bytes of a partition are kept. Zero or less: no limit.
	MaxBytes int64
}

// Stats is what Decide needs to know of one partition's log.
type Stats struct {
	Start int64 // first offset kept
	End   int64 // one more than the last durable offset; Start == End: empty
	Bytes int64 // size of the records kept
	// OldestAppend is when the broker appended the oldest record kept, in ms since
	// 1970. Zero: not known, or empty. The clients' timestamps play no part (F3).
	OldestAppend int64
}

// Cut is what is to be removed from the front of a log. Where both fields say
// something, the log is cut at the higher of the two offsets.
type Cut struct {
	AppendedBefore int64 // remove what was appended before this, in ms since 1970; 0: nothing by age
	KeepBytes      int64 // keep the newest batches of about this many bytes, remove what is older; < 0: nothing by size
}

// None tells whether nothing is to be removed. It is false for the zero Cut, whose KeepBytes is 0.
func (c Cut) None() bool { return c.AppendedBefore <= 0 && c.KeepBytes < 0 }

// Decide returns what the policy removes from a log at the time now, in ms since
// 1970 (Clock.Now, not the wall clock). A record goes when it is older than MaxAge,
// not when it is just as old. An append time in the future is an age of zero,
// never a negative one (F2). No argument makes it panic or overflow. While the
// clock is paused the caller passes a policy without MaxAge: the limit of bytes
// holds in any case.
func Decide(now int64, st Stats, p Policy) Cut {
	cut := Cut{KeepBytes: -1}
	if st.Start >= st.End {
		return cut
	}
	if p.MaxAge > 0 && st.OldestAppend > 0 {
		if limit := satSub(now, ceilMillis(p.MaxAge)); limit > st.OldestAppend {
			cut.AppendedBefore = limit
		}
	}
	if p.MaxBytes > 0 && st.Bytes > p.MaxBytes {
		cut.KeepBytes = p.MaxBytes
	}
	return cut
}

// Due returns the first time, on the clock of Decide, at which the policy may remove something of a log that is only
// appended to until then, at the time of each append: before it, Decide need not be asked. It is now where only a look
// at the log can tell, which is always so under a limit of bytes.
func Due(now int64, st Stats, p Policy) int64 {
	switch {
	case p.MaxBytes > 0:
		return now
	case p.MaxAge <= 0:
		return math.MaxInt64
	case st.OldestAppend > 0:
		return satAdd(satAdd(st.OldestAppend, ceilMillis(p.MaxAge)), 1)
	case st.Start >= st.End:
		return satAdd(satAdd(now, ceilMillis(p.MaxAge)), 1)
	}
	return now
}

// ceilMillis rounds up to whole milliseconds, so that nothing goes too early.
func ceilMillis(d time.Duration) int64 {
	ms := int64(d / time.Millisecond)
	if d%time.Millisecond > 0 {
		ms++
	}
	return ms
}

// satAdd is a + b, held at the ends of int64.
func satAdd(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// satSub is a - b, held at the ends of int64.
func satSub(a, b int64) int64 {
	switch {
	case b < 0 && a > math.MaxInt64+b:
		return math.MaxInt64
	case b > 0 && a < math.MinInt64+b:
		return math.MinInt64
	}
	return a - b
}
