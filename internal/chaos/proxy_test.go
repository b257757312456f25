//go:build linux

package chaos

import (
	"bufio"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// patience bounds every wait for what must happen.
const patience = time.Minute

// echo answers each line with itself until the test ends, and tells of the lines that it saw.
func echo(t *testing.T, h *Host) (address string, lines chan string) {
	t.Helper()
	var l net.Listener
	require.NoError(t, h.Do(func() (err error) {
		l, err = net.Listen("tcp", net.JoinHostPort(h.IP, "0"))
		return err
	}))
	lines = make(chan string, 1000)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer conn.Close()
				for s := bufio.NewScanner(conn); s.Scan(); {
					lines <- s.Text()
					_, _ = io.WriteString(conn, s.Text()+"\n")
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		done.Wait()
	})
	return l.Addr().String(), lines
}

// talk is a client of echo.
type talk struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialEcho(t *testing.T, dial func() (net.Conn, error)) *talk {
	t.Helper()
	conn, err := dial()
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &talk{t, conn, bufio.NewReader(conn)}
}

func (k *talk) say(line string) {
	k.t.Helper()
	_, err := io.WriteString(k.conn, line+"\n")
	require.NoError(k.t, err)
}

func (k *talk) hears(line string) {
	k.t.Helper()
	require.NoError(k.t, k.conn.SetReadDeadline(time.Now().Add(patience)))
	got, err := k.in.ReadString('\n')
	require.NoError(k.t, err)
	require.Equal(k.t, line+"\n", got)
}

// hearsNothing holds that no byte comes for a while, and that the connection stays.
func (k *talk) hearsNothing() {
	k.t.Helper()
	require.NoError(k.t, k.conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	_, err := k.in.Peek(1)
	var timeout net.Error
	require.ErrorAs(k.t, err, &timeout)
	require.True(k.t, timeout.Timeout(), err)
}

// A proxy passes on; stands still in one direction and loses nothing; is late; is slow; repeats; resets.
func TestProxy(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("lines", func(t *testing.T) {
		address, seen := echo(t, &Host{IP: "127.0.0.1"})
		p, err := StartProxy("127.0.0.1:0", address)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		k := dialEcho(t, func() (net.Conn, error) { return net.Dial("tcp", p.Address()) })
		k.say("plain")
		k.hears("plain")

		p.Set(Line{}, Line{Stall: true})
		k.say("half open")
		require.Equal(t, []string{"plain", "half open"}, []string{<-seen, <-seen}, "it arrives")
		k.hearsNothing()
		p.Set(Line{Stall: true}, Line{})
		k.hears("half open")
		k.say("kept back")
		k.hearsNothing()
		require.Empty(t, seen)

		const delay = 150 * time.Millisecond
		p.Set(Line{Delay: delay}, Line{Delay: delay})
		k.hears("kept back")
		<-seen
		began := time.Now()
		k.say("late")
		k.hears("late")
		<-seen
		require.GreaterOrEqual(t, time.Since(began), 2*delay)

		p.Set(Line{BytesPerSecond: 100}, Line{})
		began = time.Now()
		k.say("slow as a line of a hundred bytes a second is, and then")
		k.hears("slow as a line of a hundred bytes a second is, and then")
		<-seen
		require.GreaterOrEqual(t, time.Since(began), 500*time.Millisecond)

		p.Set(Line{}, Line{})
		k.say("again")
		k.hears("again")
		require.Equal(t, 1, p.Replay())
		k.hears("again")
		require.Equal(t, 1, p.Reset())
		require.NoError(t, k.conn.SetReadDeadline(time.Now().Add(patience)))
		_, err = k.in.ReadByte()
		require.Error(t, err)
		forward, backward := p.Passed()
		require.Equal(t, forward+int64(len("again\n")), backward, "what was repeated was sent once")
	})
}

// A proxy whose target is gone, and one that is closed while it stands still, end their connections.
func TestProxyEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	p, err := StartProxy("127.0.0.1:0", l.Addr().String())
	require.NoError(t, err)
	conn, err := net.Dial("tcp", p.Address())
	if err == nil { // else it was reset before it was used
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		_, err = conn.Read(make([]byte, 1))
		require.NoError(t, conn.Close())
	}
	require.Error(t, err)
	require.NoError(t, p.Close())

	t.Run("stalled", func(t *testing.T) {
		address, _ := echo(t, &Host{IP: "127.0.0.1"})
		p, err := StartProxy("127.0.0.1:0", address)
		require.NoError(t, err)
		p.Set(Line{Stall: true}, Line{Stall: true})
		k := dialEcho(t, func() (net.Conn, error) { return net.Dial("tcp", p.Address()) })
		k.say("never")
		require.NoError(t, p.Close())
	})
}
