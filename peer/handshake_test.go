package peer

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each mistake of an operator is said at both ends, and makes no link.
func TestMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		dialler func(*Options)
		to      int32
		want    []string // in both logs
	}{
		"wrong secret": {
			func(o *Options) { o.Secret = []byte("another one of 16 bytes") }, 1, []string{"different cluster secrets"},
		},
		"wrong cluster":       {func(o *Options) { o.Cluster = "production" }, 1, []string{"different clusters"}},
		"E18, another broker": {nil, 3, []string{"another broker answers at this address", "broker 1, not broker 3"}},
		"the same broker id":  {func(o *Options) { o.Self.Broker = 1 }, 3, []string{"the same broker id"}},
	} {
		t.Run(name, func(t *testing.T) {
			leader, dialler := start(t, 1, nil), start(t, 2, tc.dialler)
			require.NoError(t, dialler.Connect(tc.to, leader.Addr().String()))
			require.Eventually(t, func() bool {
				return dialler.Stats().DialFailures > 4 && leader.Stats().RejectedHandshakes > 4
			}, patience, time.Millisecond)
			for _, want := range tc.want {
				require.Contains(t, leader.logs.String(), want)
				require.Contains(t, dialler.logs.String(), want)
			}
			require.Equal(t, 2, strings.Count(dialler.logs.String(), "\n"), "once a link: %s", dialler.logs)
			require.NotContains(t, leader.logs.String()+dialler.logs.String(), testSecret)
			require.Empty(t, append(leader.Events(), dialler.Events()...))
		})
	}
}

// A broker that has no registration refuses links, and one of an earlier registration gets none.
func TestUnregisteredAndStale(t *testing.T) {
	leader := start(t, 1, func(o *Options) { o.Self.Epoch = Unregistered })
	follower := start(t, 2, nil)
	require.NoError(t, follower.Connect(1, leader.Addr().String()))
	require.Eventually(t, func() bool { return strings.Contains(follower.logs.String(), "not registered yet") },
		patience, time.Millisecond)
	require.NoError(t, leader.Renew(1))
	follower.connected(1, Follower)
	late := start(t, 2, func(o *Options) { o.Self.Epoch = 19 })
	require.NoError(t, late.Connect(1, leader.Addr().String()))
	require.Eventually(t, func() bool { return strings.Contains(late.logs.String(), "of a later registration") },
		patience, time.Millisecond)
	next := start(t, 2, func(o *Options) { o.Self.Epoch = 21 })
	require.NoError(t, next.Connect(1, leader.Addr().String()))
	next.connected(1, Follower)
	require.ErrorIs(t, await(leader, func(d Disconnected) bool { return d.Peer.Epoch == 20 }).Why, errReplaced)
}

func TestMaxLinks(t *testing.T) {
	leader := start(t, 1, func(o *Options) { o.MaxLinks = 2 })
	first, second := start(t, 2, nil), start(t, 3, nil)
	first.follow(leader)
	await(first, func(c Connected) bool { return c.Link.Class == Bulk })
	require.NoError(t, second.Connect(1, leader.Addr().String()))
	require.Eventually(t, func() bool { return strings.Contains(second.logs.String(), "has its most links") },
		patience, time.Millisecond)
	require.NoError(t, first.Close())
	second.connected(1, Follower)
}

// stranger dials a broker, says first, and returns all that it is told until the broker closes.
func stranger(t *testing.T, b *broker, first []byte) []byte {
	c, err := net.Dial("tcp", b.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, _ = c.Write(first)
	_ = c.(*net.TCPConn).CloseWrite()
	told, err := io.ReadAll(c)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the broker did not close")
	return told
}

// I-16: a hello cut at any byte, too long, or of garbage gives no link, and no more than the challenge and a
// refusal are said.
func TestI16Strangers(t *testing.T) {
	b := start(t, 1, nil)
	k := keys{[]byte(testSecret)}
	h := hello{cluster: "test", from: Incarnation{2, 3, 4}, to: 1, class: Live, window: minWindow}
	whole := h.encode(k, challenge{}.encode()) // of another challenge than it will get
	tries := [][]byte{
		nil, []byte("GET / HTTP/1.1\r\n\r\n"), bytes.Repeat([]byte{0xff}, 4096), bytes.Repeat([]byte{0}, 4096),
		binary.BigEndian.AppendUint32(nil, maxHandshake+1), challenge{}.encode(), (&refusal{reasonFull, "x"}).encode(),
		welcome{Incarnation{1, 1, 1}, minWindow}.encode(k, challenge{}.encode(), whole),
	}
	for n := range whole {
		tries = append(tries, whole[:n])
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		spoilt := bytes.Clone(whole)
		spoilt[lengthBytes+rng.IntN(len(spoilt)-lengthBytes)] ^= byte(1 + rng.IntN(255))
		tries = append(tries, spoilt)
	}
	for _, first := range append(tries, whole) {
		told := stranger(t, b, first)
		require.LessOrEqual(t, len(told), len(challenge{}.encode())+maxHandshake)
	}
	require.Eventually(t, func() bool { return b.Stats().RejectedHandshakes == int64(len(tries)+1) },
		patience, time.Millisecond)
	require.Zero(t, b.Stats().Connects)
	require.Empty(t, b.Events())
}

// The same proof, made for the challenge that the listener gave, is taken: the test above refuses for the
// right reason.
func TestHelloOfOwn(t *testing.T) {
	b := start(t, 1, nil)
	c, err := net.Dial("tcp", b.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	first, err := readFrame(c, 1, maxHandshake)
	require.NoError(t, err)
	h := hello{cluster: "test", from: Incarnation{2, 3, 4}, to: 1, class: Live, window: minWindow}
	_, err = c.Write(h.encode(keys{[]byte(testSecret)}, first))
	require.NoError(t, err)
	require.Equal(t, Incarnation{2, 3, 4}, await(b, func(Connected) bool { return true }).Peer)
}

// Slow strangers, who hold their connections open, are cut in time and keep no broker out.
func TestSlowStrangers(t *testing.T) {
	leader, follower := start(t, 1, nil), start(t, 2, nil)
	for range 3 * maxPending {
		c, err := net.Dial("tcp", leader.Addr().String())
		require.NoError(t, err)
		defer c.Close()
		_, _ = c.Write([]byte{0, 0})
	}
	follower.follow(leader)
	brief := start(t, 3, func(o *Options) { o.HandshakeTimeout = 100 * time.Millisecond })
	c, err := net.Dial("tcp", brief.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	for i := range 4 << 10 { // a byte now and then does not help; the pauses are the attack
		if _, err := c.Write([]byte{0}); err != nil {
			break
		}
		require.Less(t, i, 4000)
		time.Sleep(5 * time.Millisecond)
	}
	require.Positive(t, brief.Stats().RejectedHandshakes)
}

// fakeListener answers the first dialler with what say makes of the listener's challenge and the hello that came.
func fakeListener(t *testing.T, first []byte, say func(hello []byte) []byte) net.Addr {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write(first)
			if second, err := readFrame(c, 1, maxHandshake); err == nil {
				_, _ = c.Write(say(second))
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr()
}

// A listener that does not hold the secret makes no link, whatever it says: not the dialler's own words either.
func TestFalseListeners(t *testing.T) {
	first := challenge{}.encode()
	w := welcome{Incarnation{1, 1, 1}, minWindow}
	right, wrong := keys{[]byte(testSecret)}, keys{[]byte("a secret of its own, long enough")}
	for name, tc := range map[string]struct {
		first []byte
		say   func([]byte) []byte
		want  string
	}{
		"another secret": {
			first, func(h []byte) []byte { return w.encode(wrong, first, h) }, "have different cluster secrets",
		},
		"of another hello": {
			first, func([]byte) []byte { return w.encode(right, first, first) }, "different cluster secrets",
		},
		"reflected":        {first, func(h []byte) []byte { return h }, "what came is no hello"},
		"no challenge":     {[]byte("HTTP/1.1 400\r\n\r\n"), nil, "the address is not one for brokers"},
		"nothing more":     {first, func([]byte) []byte { return nil }, "no answer to the hello"},
		"unknown reason":   {first, func([]byte) []byte { return (&refusal{77, "because\n"}).encode() }, "know (77)"},
		"too long":         {first, func([]byte) []byte { return []byte{0, 0, 2, 1} }, "a frame of 513 bytes"},
		"a later protocol": {[]byte{0, 0, 0, 4, 1, 0x92, 2, 0xc0}, nil, "version 2, this broker speaks 1"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, 2, nil)
			require.NoError(t, b.Connect(1, fakeListener(t, tc.first, tc.say).String()))
			require.Eventually(t, func() bool { return strings.Contains(b.logs.String(), tc.want) },
				patience, time.Millisecond, "log: %s", b.logs)
			require.Zero(t, b.Stats().Connects)
			require.NotContains(t, b.logs.String(), "because\n")
		})
	}
}

// A failure that comes again is logged once, whatever port each attempt had.
func TestLogsOnce(t *testing.T) {
	b := start(t, 2, func(o *Options) { o.HandshakeTimeout, o.MaxBackoff = 200*time.Millisecond, firstPause })
	l, err := net.Listen("tcp", "127.0.0.1:0") // says nothing
	require.NoError(t, err)
	require.NoError(t, b.Connect(1, l.Addr().String()))
	require.Eventually(t, func() bool { return b.Stats().DialFailures > 5 }, patience, time.Millisecond)
	require.LessOrEqual(t, strings.Count(b.logs.String(), "\n"), 4, "two links, two ways to be late: %s", b.logs)
	require.NoError(t, l.Close())
}

// A hello that is reflected to the dialler's own listener is refused there.
func TestReflectedHello(t *testing.T) {
	b := start(t, 2, nil)
	c, err := net.Dial("tcp", b.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	first, err := readFrame(c, 1, maxHandshake)
	require.NoError(t, err)
	answer := make(chan []byte, 16)
	require.NoError(t, b.Connect(1, fakeListener(t, first, func(h []byte) []byte {
		_, _ = c.Write(h)
		told, _ := io.ReadAll(c)
		answer <- told
		return told
	}).String()))
	require.Equal(t, &refusal{reason: reasonSameBroker}, decodeRefusal(<-answer))
	require.Zero(t, b.Stats().Connects)
}
