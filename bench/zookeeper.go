package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// zooKeeperTraffic is what a ZooKeeper server has taken and given since it started.
type zooKeeperTraffic struct {
	in, out           float64 // packets
	bytesIn, bytesOut float64
}

// maxAnswer bounds what is read of a server's counters.
const maxAnswer = 1 << 20

// askZooKeeper reads the counters of a server at HOST:PORT by its command mntr, which must be on its list of
// permitted ones (4lw.commands.whitelist).
func askZooKeeper(ctx context.Context, address string) (t zooKeeperTraffic, err error) {
	fail := func(err error) error { return fmt.Errorf("bench: ZooKeeper at %s: %w", address, err) }
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return t, fail(err)
	}
	defer func() { _ = conn.Close() }() // it is only read
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := conn.Write([]byte("mntr")); err != nil {
		return t, fail(err)
	}
	text, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return t, fail(err)
	}
	t, ok := parseTraffic(string(text))
	if !ok {
		first, _, _ := strings.Cut(string(text), "\n")
		return t, fail(fmt.Errorf("mntr does not tell its traffic but %q; is it in the server's 4lw.commands.whitelist?",
			first))
	}
	return t, nil
}

// parseTraffic reads what mntr answers. False: something is missing.
func parseTraffic(text string) (t zooKeeperTraffic, ok bool) {
	found := 0
	into := map[string]*float64{"zk_packets_received": &t.in, "zk_packets_sent": &t.out,
		"zk_bytes_received_count": &t.bytesIn, "zk_response_bytes": &t.bytesOut}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if place := into[name]; place != nil {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return t, false
			}
			*place, found = n, found+1
		}
	}
	return t, found == len(into)
}

// since is what went on after an earlier reading, in all or a second.
func (t zooKeeperTraffic) since(earlier zooKeeperTraffic, seconds float64) (packets, bytes float64) {
	return (t.in - earlier.in + t.out - earlier.out) / seconds,
		(t.bytesIn - earlier.bytesIn + t.bytesOut - earlier.bytesOut) / seconds
}
