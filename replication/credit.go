package replication

import "fmt"

// Credit is what the sending end of a connection between brokers keeps: how many bytes of batches it may send before
// the other end has given back what came before. The window is what may be under way, sent and not given back; one
// Data may always go if nothing is, whatever its size (G23).
//
// A Credit belongs to one connection: the next one begins with a new Credit and a new Grant, for of what was sent on a
// connection that is over nothing is given back. Not safe for concurrent use.
type Credit struct {
	window int64
	// Both only rise. Invariants: back <= sent; sent - back <= window, but for one Data that was sent alone.
	sent, back int64
	wanted     int64 // the room that Due waits for; 0: none
}

// NewCredit returns the credit of a new connection; window is in bytes, at least 1.
func NewCredit(window int64) Credit { return Credit{window: window} }

// Takes tells whether n bytes may be sent now. While room is wanted none may, or small ones would starve a large one.
func (c *Credit) Takes(n int64) bool { return c.wanted == 0 && c.fits(n) }

func (c *Credit) fits(n int64) bool { return c.sent == c.back || n <= c.window-c.Outstanding() }

// Room is how many bytes may be sent now, at least 0.
func (c *Credit) Room() int64 {
	if !c.Takes(1) {
		return 0
	}
	return c.window - c.Outstanding()
}

// Outstanding is how many bytes were sent and not given back.
func (c *Credit) Outstanding() int64 { return c.sent - c.back }

// Sent notes that n bytes were sent, for which Takes was asked.
func (c *Credit) Sent(n int64) { c.sent += n }

// Want notes that n bytes could not be sent: nothing is, until Due has told of room for them.
func (c *Credit) Want(n int64) { c.wanted = max(c.wanted, n) }

// WantSome is Want of whoever does not know yet how much there is to send.
func (c *Credit) WantSome() { c.Want(max(1, c.window/4)) }

// GivenBack notes how many bytes the other end gave back in all. An error says that this cannot be: the count goes
// back, or is of more than was sent.
func (c *Credit) GivenBack(total int64) error {
	if total < c.back || total > c.sent {
		return fmt.Errorf("credit for %d bytes of %d that were sent, after %d", total, c.sent, c.back)
	}
	c.back = total
	return nil
}

// Due tells, once, that the room which was wanted is there, fits being what else it has to fit.
func (c *Credit) Due(fits func(n int64) bool) bool {
	if c.wanted == 0 || !c.fits(c.wanted) || !fits(c.wanted) {
		return false
	}
	c.wanted = 0
	return true
}

// Grant is what the receiving end of a connection keeps: it counts what came, gives back what is appended or dropped,
// and finds out who sends more than he may. Not safe for concurrent use.
type Grant struct {
	window int64
	most   int64 // in one Data that comes alone
	// All only rise. Invariant: told <= released <= received.
	received, released, told int64
}

// NewGrant returns that of a new connection. window is the sender's; largest, in bytes, is the most of one Data.
func NewGrant(window, largest int64) Grant { return Grant{window: window, most: max(window, largest)} }

// Receive notes n bytes that came. An error says that the sender had no credit for them. What it was not told to be
// given back it may not use.
func (g *Grant) Receive(n int64) error {
	held := g.received - g.told
	if n < 0 || n > 0 && held > 0 && n > g.window-held || n > g.most {
		return fmt.Errorf("%d bytes of data beside %d unreleased, with a window of %d", n, held, g.window)
	}
	g.received += n
	return nil
}

// Release notes that n bytes are appended or dropped. It tells whether the sender should hear of it now, and need not
// wait for the next message that goes there anyway. To release more than is held is the caller's bug, and panics.
func (g *Grant) Release(n int64) (tell bool) {
	if n < 0 || n > g.Held() {
		panic(fmt.Sprintf("replication: %d bytes released of %d that are held", n, g.Held()))
	}
	g.released += n
	return g.released-g.told >= g.window/8 || g.released == g.received
}

// Held is how many bytes came and are not released.
func (g *Grant) Held() int64 { return g.received - g.released }

// Tell gives the count for Credit.GivenBack, and whether it is news; the sender is taken to be told.
func (g *Grant) Tell() (total int64, news bool) {
	news = g.released > g.told
	g.told = g.released
	return g.told, news
}
