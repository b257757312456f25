package peer

// session is the one that the link names, or nil if it is over.
func (t *Transport) session(link Link) *session {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if s := t.sessions[link.Session]; s != nil && s.link == link {
		return s
	}
	return nil
}

// options are those of now, and the number of renewals until now.
func (t *Transport) options() (Options, uint64) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.opts
	o.Self.Epoch = t.epoch
	return o, t.renewals
}

// registration tells whether there is one, and when that changes.
func (t *Transport) registration() (registered bool, changed <-chan struct{}) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.epoch != Unregistered, t.changed
}

// warn logs what strangers can cause at will, and so not without limit.
func (t *Transport) warn(msg string, args ...any) {
	if t.warnings.Allow() {
		t.opts.Logger.Warn(msg, args...)
	}
}

// open makes a session of a connection whose handshake is done, in the place of a former one. An
// error is a *refusal where the peer is to know it.
func (t *Transport) open(c secured) (*session, error) {
	at := slot{c.peer.Broker, c.side, c.class}
	t.mu.Lock()
	former := t.current[at]
	if err := t.mayOpen(c, former); err != nil {
		t.mu.Unlock()
		return nil, err
	}
	if former != nil {
		t.endLocked(former, errReplaced)
	}
	t.sessionNumber++
	s := &session{
		t: t, secured: c, link: Link{c.peer.Broker, c.side, c.class, t.sessionNumber},
		out: newOutbox(c.side, c.window, &t.queue), done: make(chan struct{}),
	}
	t.sessions[s.link.Session], t.current[at] = s, s
	if c.side == Leader {
		t.accepted++
	}
	t.tellLocked(Connected{s.link, c.peer})
	t.mu.Unlock()
	t.stats.connects.Add(1)
	if former != nil {
		former.shut()
		t.wrote(0)
	}
	t.opts.Logger.Info("a link is up", "link", s.link.String(), "broker_epoch", c.peer.Epoch,
		"remote", c.conn.RemoteAddr())
	return s, nil
}

// mayOpen tells why there may be no such session now; under mu.
func (t *Transport) mayOpen(c secured, former *session) error {
	switch {
	case t.closed:
		return ErrClosed
	case c.renewals != t.renewals:
		return &refusal{reason: reasonUnregistered}
	case c.dialler != nil && t.targets[c.peer.Broker].dialers[c.class-Live] != c.dialler:
		return errDisconnected
	case former != nil && former.peer.Epoch > c.peer.Epoch:
		return &refusal{reason: reasonStale}
	case c.side == Leader && former == nil && t.accepted >= t.opts.MaxLinks:
		return &refusal{reason: reasonFull}
	}
	return nil
}

// drop ends a session. Only the first reason counts.
func (t *Transport) drop(s *session, why error) {
	t.mu.Lock()
	ended := t.endLocked(s, why)
	t.mu.Unlock()
	if !ended {
		return
	}
	s.shut()
	if why != ErrClosed {
		t.opts.Logger.Warn("a link is over", "link", s.link.String(), "broker_epoch", s.peer.Epoch, "error", why)
	}
	t.wrote(0)
}

// dropAll ends all sessions that are meant.
func (t *Transport) dropAll(why error, meant func(*session) bool) {
	t.mu.RLock()
	var all []*session
	for _, s := range t.sessions {
		if meant(s) {
			all = append(all, s)
		}
	}
	t.mu.RUnlock()
	for _, s := range all {
		t.drop(s, why)
	}
}

// endLocked takes a session out of the books, so that nothing comes of it any more. It tells
// whether it was in them. The caller shuts it when mu is free.
func (t *Transport) endLocked(s *session, why error) bool {
	if s.over {
		return false
	}
	s.over = true
	delete(t.sessions, s.link.Session)
	delete(t.current, slot{s.link.Peer, s.link.Side, s.link.Class})
	if s.link.Side == Leader {
		t.accepted--
	}
	t.tellLocked(Disconnected{s.link, s.peer, why})
	t.room.Broadcast()
	return true
}

// shut ends the goroutines of a session that is over.
func (s *session) shut() {
	close(s.done)
	s.out.close()
	_ = s.conn.Close()
}

// tellLocked adds an event.
func (t *Transport) tellLocked(ev Event) {
	if t.closed {
		return
	}
	t.events = append(t.events, ev)
	select {
	case t.ready <- struct{}{}:
	default:
	}
}

// push adds what a frame of that size brought. It waits while the host has much to take, and
// drops the events if the session ends meanwhile.
func (t *Transport) push(s *session, size int, events []Event) {
	if len(events) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.held > maxHeld && !s.over {
		t.room.Wait()
	}
	if s.over {
		return
	}
	t.held += size
	for _, ev := range events {
		t.tellLocked(ev)
	}
}

// refused tells the host that a process is gone.
func (t *Transport) refused(peer Incarnation) {
	t.stats.refused.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tellLocked(Refused{peer})
}

// wrote notes that so much less waits to be sent, and tells the links that waited for that.
func (t *Transport) wrote(n int64) {
	t.queue.bytes.Add(-n)
	if !t.queue.starved.Swap(false) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		if s.out.recheck() {
			t.tellLocked(CreditBack{s.link})
		}
	}
}

// queued finishes a call of the outbox: a link whose peer leaves too much unread is cut.
func (t *Transport) queued(s *session, overflow bool, err error) error {
	if overflow {
		t.drop(s, errOverflow)
		return ErrNotConnected
	}
	return err
}
