package kafka

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// conn is one client's connection.
type conn struct {
	*dialect
	peer *wire.Peer
	// opened: a request was started. Of the reader goroutine.
	opened bool
}

// header is what comes before the body of a request.
type header struct {
	key, version int16
	correlation  int32
	clientID     string // "": the client did not say
}

// headerBytes are those of a header before the client id.
const headerBytes = 8

// readHeader reads the first fields of a request, which all versions have alike, and returns what follows the client
// id.
func readHeader(frame []byte) (h header, rest []byte, err error) {
	if len(frame) < headerBytes+2 {
		return h, nil, fmt.Errorf("a request of %d bytes is shorter than its header", len(frame))
	}
	h.key = int16(binary.BigEndian.Uint16(frame))
	h.version = int16(binary.BigEndian.Uint16(frame[2:]))
	h.correlation = int32(binary.BigEndian.Uint32(frame[4:]))
	n := int(int16(binary.BigEndian.Uint16(frame[headerBytes:])))
	rest = frame[headerBytes+2:]
	if n < -1 || n > len(rest) {
		return h, nil, fmt.Errorf("a client id of %d bytes", n)
	}
	n = max(n, 0)
	h.clientID = string(rest[:n])
	return h, rest[n:], nil
}

// Start reads a request and starts it.
func (c *conn) Start(ctx context.Context, frame []byte) (wire.Reply, error) {
	h, body, err := readHeader(frame)
	if err != nil {
		return nil, err
	}
	k := find(c.kinds, h.key)
	if k == nil {
		return nil, fmt.Errorf("a request of kind %d (%s), which is not served", h.key, kmsg.NameForKey(h.key))
	}
	r := &request{conn: c, kind: k, header: h}
	if h.version < k.min || h.version > k.max {
		if h.key != keyAPIVersions {
			return nil, fmt.Errorf("%s of version %d; %d to %d are served", r, h.version, k.min, k.max)
		}
		r.answer = r.versionUnknown()
		return r, nil
	}
	req := kmsg.RequestForKey(h.key)
	req.SetVersion(h.version)
	if body, err = k.checked(req, body); err != nil {
		return nil, fmt.Errorf("%s of version %d: %w", r, h.version, err)
	}
	if err := req.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%s of version %d: %w", r, h.version, err)
	}
	r.flexible = req.IsFlexible()
	r.answer = k.start(ctx, r, req)
	c.opened = true
	return r, nil
}

// checked holds what follows the client id against the layout of the request, and returns its body.
func (k *kind) checked(req kmsg.Request, rest []byte) (body []byte, err error) {
	flexible := req.IsFlexible()
	s := scanner{src: rest, whole: rest, flexible: flexible}
	s.tags() // of the header
	if s.fault != nil {
		return nil, s.fault
	}
	return k.layout.check(s.src, req.GetVersion(), flexible)
}
