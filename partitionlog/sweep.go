package partitionlog

import "github.com/skidway/skidway/kv"

const (
	// sweepMs is the least append time between two sweeps of the producers.
	sweepMs = 10_000
	// idleMs is how long a log without idempotent appends keeps its producers in
	// memory.
	idleMs = 60_000
)

// expiredProducers are rows of one log that nobody needs any more.
type expiredProducers struct {
	log *Log
	ids []int64
}

// rows deletes them, but not that of a producer that has come back meanwhile:
// its new row may lie before in the queue.
func (e *expiredProducers) rows(w *kv.Rows) {
	e.log.mu.Lock()
	defer e.log.mu.Unlock()
	if e.log.producers == nil { // who came back is not known: they stay until the next load
		return
	}
	for _, id := range e.ids {
		if e.log.producers.get(id) == nil {
			w.DeleteProducer(e.log.part, id)
		}
	}
}

// sweepProducers forgets producers that have expired, and takes the producers of
// idle logs out of memory. Time is the newest append time of any log.
func (ls *Logs) sweepProducers() (expired []expiredProducers) {
	now := ls.now.Load()
	ls.mu.Lock()
	var logs []*Log
	if now >= ls.swept+sweepMs {
		ls.swept = now
		for l := range ls.writers {
			logs = append(logs, l)
		}
	}
	ls.mu.Unlock()
	for _, l := range logs {
		if ids := l.sweep(now); len(ids) > 0 {
			expired = append(expired, expiredProducers{log: l, ids: ids})
		}
	}
	return expired
}

func (l *Log) sweep(now int64) (ids []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	table := l.producers
	if table == nil {
		return nil
	}
	ids = table.expire(now - l.logs.opts.ProducerExpiry.Milliseconds())
	if table.used+idleMs <= now && len(ids) == 0 && l.state == stateOpen && l.settledDown() {
		l.dropProducers()
	}
	return ids
}

// settledDown says whether nothing of l is on its way: what is not durable yet
// might not be applied either, and so not be read again by a load. Called with
// mu held.
func (l *Log) settledDown() bool {
	if l.last == nil {
		return true
	}
	select {
	case <-l.last.Done():
		return l.last.Err() == nil
	default:
		return false
	}
}

// setProducers makes the table of found, which lie in the order of their last
// append. Called with mu held.
func (l *Log) setProducers(found []*producer) {
	l.producers = newProducerTable(l.logs)
	for _, p := range found {
		l.producers.put(p)
	}
	l.producers.used = l.logs.now.Load()
	l.loaded |= loadedProducers
	l.logs.mu.Lock()
	defer l.logs.mu.Unlock()
	l.logs.writers[l] = struct{}{}
}

// dropProducers takes the table out of memory; the rows stay. Called with mu
// held.
func (l *Log) dropProducers() {
	if l.producers == nil {
		return
	}
	l.logs.producers.Add(-int64(l.producers.len()))
	l.producers = nil
	l.loaded &^= loadedProducers
	l.logs.mu.Lock()
	defer l.logs.mu.Unlock()
	delete(l.logs.writers, l)
}
