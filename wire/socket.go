package wire

import (
	"net"
	"time"
)

// Tune sets what every connection needs, also one between brokers: no delay of
// small frames, and keepalives that find a peer which vanished without a word,
// within timeout. What is no TCP connection stays as it is. A peer that does not
// confirm data is found by unconfirmed, if that is not 0; but that also ends a
// connection whose peer is alive and does not read for as long.
func Tune(c net.Conn, timeout, unconfirmed time.Duration) error {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	if err := t.SetNoDelay(true); err != nil {
		return err
	}
	// The kernel counts in whole seconds.
	err := t.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable:   true,
		Idle:     max(timeout*2/5, time.Second),
		Interval: max(timeout/5, time.Second),
		Count:    3,
	})
	if err != nil || unconfirmed == 0 {
		return err
	}
	return setUserTimeout(t, unconfirmed)
}

// defaultConnections leaves half of the files that may be open to others.
func defaultConnections() int {
	return int(min(max(openFiles()/2, 64), 100_000))
}
