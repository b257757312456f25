package peer

import "sync/atomic"

// Stats is a view of a Transport. Counters count from its Start.
type Stats struct {
	// Links are up now.
	Links int
	// BytesIn and BytesOut are those of frames, with length and tag.
	BytesIn, BytesOut int64
	// FramesIn and FramesOut count them, heartbeats too.
	FramesIn, FramesOut int64
	// Connects are links that came up, dialled or accepted; Reconnects those dialled of them
	// that had been up before.
	Connects, Reconnects int64
	// DialFailures are attempts to dial that gave no link.
	DialFailures int64
	// RejectedHandshakes are connections of others that did not become links.
	RejectedHandshakes int64
	// Refused are the events of that name.
	Refused int64
	// Queued are the bytes that wait to be sent; Unreleased the bytes of Data received and
	// not yet released.
	Queued, Unreleased int64
}

// counters are the parts of Stats that only rise.
type counters struct {
	bytesIn, bytesOut, framesIn, framesOut atomic.Int64
	connects, reconnects, dialFailures     atomic.Int64
	rejected, refused                      atomic.Int64
}

// Stats may be called at any time.
func (t *Transport) Stats() Stats {
	c := &t.stats
	st := Stats{
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(), FramesIn: c.framesIn.Load(),
		FramesOut: c.framesOut.Load(), Connects: c.connects.Load(), Reconnects: c.reconnects.Load(),
		DialFailures: c.dialFailures.Load(), RejectedHandshakes: c.rejected.Load(), Refused: c.refused.Load(),
		Queued: t.queue.bytes.Load(),
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	st.Links = len(t.sessions)
	for _, s := range t.sessions {
		st.Unreleased += s.out.held()
	}
	return st
}
