package client

import (
	"slices"

	"github.com/skidway/skidway/wire"
)

// senderOf returns the sender to a broker, nil for no broker.
func (p *Producer) senderOf(broker int32) *sender {
	if broker < 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.senders[broker]
	if s == nil {
		s = newSender(p, broker)
		p.senders[broker] = s
		p.tasks.Go(s.run)
	}
	return s
}

// want has a topic asked for, soon.
func (p *Producer) want(t *topic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted[t.name] = t
	if !p.asking && p.ctx.Err() == nil {
		p.asking = true
		p.tasks.Go(p.ask)
	}
}

// wantOf has the topics asked for that have partitions with a sender.
func (p *Producer) wantOf(s *sender) {
	p.each(func(t *topic) {
		if parts := t.parts.Load(); parts != nil && slices.ContainsFunc(*parts, s.has) {
			p.want(t)
		}
	})
}

// has tells whether a partition is the sender's.
func (s *sender) has(t *partition) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sender == s
}

// ask asks for topics as long as some are wanted.
func (p *Producer) ask() {
	for pauses := p.c.opts.pauses(); ; {
		p.mu.Lock()
		wanted := p.wanted
		p.wanted = map[string]*topic{}
		if len(wanted) == 0 || p.ctx.Err() != nil {
			p.asking = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		names := make([]string, 0, len(wanted))
		for name := range wanted {
			names = append(names, name)
		}
		r := p.c.meta.ask(names, p.opts.Missing)
		select {
		case <-r.done:
		case <-p.ctx.Done():
			continue
		}
		again := false
		for name, t := range wanted {
			again = p.learn(t, r, name) || again
		}
		if again {
			sleep(p.ctx, pauses.NextBackOff())
		}
	}
}

// learn applies what was found out about a topic. True: it is to be asked for again, after a pause.
func (p *Producer) learn(t *topic, r *round, name string) bool {
	info, err := r.result(name)
	switch {
	case err == nil:
		p.trouble.Store(nil)
		t.apply(info)
		return false
	case err.Retriable():
		if p.trouble.Swap(err) == nil {
			p.c.opts.Logger.Warn("producer cannot learn of a topic", "topic", name, "error", err)
		}
		p.c.opts.Hooks.retry(wire.APIMetadata, err)
		p.mu.Lock()
		p.wanted[name] = t
		p.mu.Unlock()
		return true
	default:
		t.fall(err)
		return false
	}
}

// identityAfter returns the latest identity if it is newer than that of a partition. False: it is asked for, and the
// partition is listed when it is there.
func (p *Producer) identityAfter(t *partition) (identity, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ident.gen > t.ident.gen {
		return p.ident, true
	}
	p.nameless = append(p.nameless, t)
	if !p.naming && p.ctx.Err() == nil {
		p.naming = true
		p.tasks.Go(p.name)
	}
	return identity{}, false
}

// renewed tells whether there is a newer identity than id.
func (p *Producer) renewed(id identity) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ident.gen > id.gen
}

// name asks for an identity: the next epoch of the one that there is, which fences what may still be under way of the
// old one (KIP-360), or a new one if the broker does not give that.
func (p *Producer) name() {
	p.mu.Lock()
	old := p.ident
	p.mu.Unlock()
	fresh := old.id < 0
	for pauses := p.c.opts.pauses(); p.ctx.Err() == nil; {
		q := &wire.InitProducerIDRequest{ProducerID: old.id, Epoch: old.epoch}
		if fresh {
			q.ProducerID, q.Epoch = -1, -1
		}
		r, err := consult[*wire.InitProducerIDResponse](p.ctx, p.c, q)
		if err == nil {
			p.named(identity{id: r.ProducerID, epoch: r.Epoch, gen: old.gen + 1})
			return
		}
		e := err.(*Error)
		switch {
		case e.Retriable() || p.ctx.Err() != nil:
			sleep(p.ctx, pauses.NextBackOff())
		case !fresh:
			fresh = true
		default:
			p.unnamed(e)
			return
		}
	}
}

// named lists the partitions that waited for an identity.
func (p *Producer) named(id identity) {
	p.mu.Lock()
	p.ident, p.naming = id, false
	waiting := p.nameless
	p.nameless = nil
	p.mu.Unlock()
	for _, t := range waiting {
		t.relist()
	}
}

// unnamed fails what waits for an identity that the broker refuses to give.
func (p *Producer) unnamed(why *Error) {
	p.mu.Lock()
	p.naming = false
	waiting := p.nameless
	p.nameless = nil
	p.mu.Unlock()
	for _, t := range waiting {
		t.giveUp(why)
	}
}
