package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// creditModel is a connection as naively as it can be said: where each Data is, by its size.
type creditModel struct {
	window   int64
	flying   []int64 // sent, and not there yet
	held     []int64 // there, and not released
	released int64   // and the sender was not told
	telling  []int64 // totals on their way to the sender
	told     int64   // the last of them that was sent
	waiting  int64   // 0: nothing is wanted
	out      int64   // sent, and not known by the sender to be given back
	heard    int64   // the last total that arrived
}

func (m *creditModel) fits(n int64) bool { return m.out == 0 || m.out+n <= m.window }

// Whatever is sent, late, given back in parts and begun anew: credit allows what the naive count allows, an honest
// sender is never found to be none, and what is under way stays within the window, but for one Data alone.
func TestCreditIsTheNaiveCount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const largest = 1500
		window := rapid.Int64Range(1, 1000).Draw(t, "window")
		m := &creditModel{window: window}
		c, g := NewCredit(window), NewGrant(window, largest)
		always := func(int64) bool { return true }
		send := func(n int64) {
			allowed := m.waiting == 0 && m.fits(n)
			require.Equal(t, allowed, c.Takes(n))
			if !allowed {
				c.Want(n)
				m.waiting = max(m.waiting, n)
				require.Zero(t, c.Room())
				return
			}
			alone := m.out == 0
			c.Sent(n)
			m.flying, m.out = append(m.flying, n), m.out+n
			require.True(t, alone || c.Outstanding() <= window)
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				require.Equal(t, m.out, c.Outstanding())
				held := int64(0)
				for _, n := range m.held {
					held += n
				}
				require.Equal(t, held, g.Held())
				require.LessOrEqual(t, held, max(window, largest))
				if m.waiting == 0 && m.out < window {
					require.Equal(t, window-m.out, c.Room())
				} else {
					require.Zero(t, c.Room())
				}
			},
			"send": func(t *rapid.T) { send(rapid.Int64Range(1, largest).Draw(t, "bytes")) },
			"arrive": func(t *rapid.T) {
				if len(m.flying) == 0 {
					t.Skip()
				}
				require.NoError(t, g.Receive(m.flying[0]), "an honest sender")
				m.held, m.flying = append(m.held, m.flying[0]), m.flying[1:]
			},
			"release": func(t *rapid.T) {
				if len(m.held) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(m.held)-1).Draw(t, "which")
				g.Release(m.held[i])
				m.released += m.held[i]
				m.held = append(m.held[:i:i], m.held[i+1:]...)
			},
			"tell": func(t *rapid.T) {
				total, news := g.Tell()
				require.Equal(t, m.released > 0, news)
				m.told += m.released
				m.released = 0
				require.Equal(t, m.told, total)
				m.telling = append(m.telling, total)
			},
			"hear": func(t *rapid.T) {
				if len(m.telling) == 0 {
					t.Skip()
				}
				require.NoError(t, c.GivenBack(m.telling[0]))
				m.out -= m.telling[0] - m.heard
				m.heard, m.telling = m.telling[0], m.telling[1:]
			},
			"due": func(t *rapid.T) {
				more := rapid.Bool().Draw(t, "fits elsewhere")
				due := m.waiting > 0 && m.fits(m.waiting) && more
				require.Equal(t, due, c.Due(func(n int64) bool {
					require.Equal(t, m.waiting, n)
					return more
				}))
				if due {
					m.waiting = 0
				}
			},
			"connect anew": func(*rapid.T) {
				m = &creditModel{window: window}
				c, g = NewCredit(window), NewGrant(window, largest)
			},
			"lie": func(t *rapid.T) {
				if err := c.GivenBack(m.heard + m.out + rapid.Int64Range(1, 1<<40).Draw(t, "too much")); err == nil {
					t.Fatal("credit for what was never sent")
				}
				held := m.released // the sender has not heard of it
				for _, n := range m.held {
					held += n
				}
				if held > 0 {
					require.Error(t, g.Receive(max(window-held, 0)+1))
				}
				require.Error(t, g.Receive(max(window, largest)+1))
			},
		})
		if m.waiting == 0 { // once all is given back, whatever is wanted may go: nothing starves
			c.WantSome()
		}
		total := m.heard + m.out
		require.NoError(t, c.GivenBack(total))
		require.True(t, c.Due(always))
		require.False(t, c.Due(always), "once")
		require.Positive(t, c.Room())
	})
}

// What cannot be: a count that goes back, bytes that were not held, sizes below 0.
func TestCreditBounds(t *testing.T) {
	c, g := NewCredit(100), NewGrant(100, 1000)
	c.Sent(60)
	require.NoError(t, c.GivenBack(60))
	require.EqualError(t, c.GivenBack(59), "credit for 59 bytes of 60 that were sent, after 60")
	require.Error(t, g.Receive(-1))
	require.NoError(t, g.Receive(1000), "one alone may be larger than the window")
	require.EqualError(t, g.Receive(1), "1 bytes of data beside 1000 unreleased, with a window of 100")
	require.NoError(t, g.Receive(0), "what has no batches needs no credit")
	require.False(t, g.Release(1), "the first byte is not worth a message")
	require.True(t, g.Release(999))
	require.Panics(t, func() { g.Release(1) })
	require.Panics(t, func() { g.Release(-1) })
}
