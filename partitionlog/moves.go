package partitionlog

import "sync"

// Moves collects the replicas' logs that have moved, so that one goroutine can
// drive any number of replicas. Its methods are safe for concurrent use.
//
//	for range moves.C() {
//		for _, m := range moves.Take(buf[:0]) { ... }
//	}
type Moves struct {
	c chan struct{}

	mu   sync.Mutex // guards logs; nothing is locked under it
	logs []*Log     // each once: those whose moved is set
}

// NewMoves makes a set that is empty.
func NewMoves() *Moves { return &Moves{c: make(chan struct{}, 1)} }

// C has a value when a log has moved since the last receive. A value may come
// for moves that Take gave already.
func (m *Moves) C() <-chan struct{} { return m.c }

// Move is where a log has got to. All of it is of one moment.
type Move struct {
	Log *Log
	// Generation is the newest that the log was given. The ends below belong to
	// it: what an older one was to append, and had not, is dropped.
	Generation uint64
	// Applied is the end of what is in the store's order for good and may be
	// shipped; Durable <= Applied is the end of what is durable.
	Applied, Durable int64
	// Change is set once, when the Promise, Truncate or Reset that began
	// Generation has become durable.
	Change *Change
}

// Take appends to dst the logs that have moved since the last Take, each once and
// with its newest ends, in the order in which they first moved.
func (m *Moves) Take(dst []Move) []Move {
	m.mu.Lock()
	logs := m.logs
	m.logs = nil
	m.mu.Unlock()
	for _, l := range logs {
		if mv, ok := l.takeMove(m); ok {
			dst = append(dst, mv)
		}
	}
	return dst
}

// add takes a log that is not there.
func (m *Moves) add(l *Log) {
	m.mu.Lock()
	m.logs = append(m.logs, l)
	m.mu.Unlock()
	select {
	case m.c <- struct{}{}:
	default:
	}
}
