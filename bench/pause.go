package bench

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// Pause is a time without any ack.
type Pause struct {
	Longest Span    `json:"longest"`
	At      float64 `json:"at"` // s since the run began, at its start
}

// Pauses are the longest times without an ack within what was measured, from one ack to the next, or to the end if none
// came any more.
type Pauses struct {
	All       Pause   `json:"all"`       // of all producers together
	Producers []Pause `json:"producers"` // of each by itself
}

// pauseMeter finds the longest pause between acks within a window. Safe for concurrent use: acks may come on any
// goroutine, and one that comes late with an earlier time changes nothing.
type pauseMeter struct {
	last    atomic.Int64 // the newest ack, ns since the epoch
	longest atomic.Int64
	at      atomic.Int64 // when the longest began
}

// ack takes note of an ack at a time. What lies before the window does not count, so a pause that began there counts
// from the window's start; one that began within it counts in full, also where it ends behind the window.
func (m *pauseMeter) ack(now int64, w *window) {
	for {
		last := m.last.Load()
		if now <= last {
			return
		}
		if m.last.CompareAndSwap(last, now) {
			m.note(last, now, w)
			return
		}
	}
}

func (m *pauseMeter) note(from, to int64, w *window) {
	start := w.start.Load()
	if to <= start || from >= w.end.Load() {
		return
	}
	from = max(from, start)
	for {
		longest := m.longest.Load()
		if to-from <= longest {
			return
		}
		if m.longest.CompareAndSwap(longest, to-from) {
			m.at.Store(from) // with another one at the same moment, that of either
			return
		}
	}
}

// result is the longest pause. It is called when no more acks come: what is missing up to the window's end was one,
// too.
func (m *pauseMeter) result(w *window) Pause {
	if end := w.end.Load(); m.last.Load() < end {
		m.note(m.last.Load(), end, w)
	}
	return Pause{Longest: Span(m.longest.Load()), At: time.Duration(m.at.Load()).Seconds()}
}

// String is the length, to a tenth of a ms.
func (p Pause) String() string {
	return time.Duration(p.Longest).Round(100 * time.Microsecond).String()
}

// others tells of the producer with the longest pause, where there are several.
func (s *Pauses) others() string {
	if len(s.Producers) < 2 {
		return ""
	}
	longest := slices.MaxFunc(s.Producers, func(a, b Pause) int { return cmp.Compare(a.Longest, b.Longest) })
	return fmt.Sprintf("; of one producer %v, at %.1fs", longest, longest.At)
}
