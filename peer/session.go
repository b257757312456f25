package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const (
	readAhead = 64 << 10
	// minBytesPerSecond is the least rate at which a peer must take what is written, beside
	// Options.Silence of grace.
	minBytesPerSecond = 64 << 10
)

// session is one connection whose two ends have authenticated each other: a goroutine that reads
// and one that writes.
type session struct {
	t    *Transport
	link Link
	secured
	out  *outbox
	done chan struct{} // closed when it is over

	// over is set once, with done and the Disconnected; under Transport.mu.
	over bool
}

// secured is a connection after its handshake.
type secured struct {
	conn     *patient
	reader   *bufio.Reader // of conn
	seal     *sealer       // of what is written
	open     *sealer       // of what is read
	peer     Incarnation
	side     Side
	class    Class
	window   int64
	renewals uint64  // of the Transport when the handshake began
	dialler  *dialer // nil: the peer dialled
}

// patient is a connection whose every read has to bring something in time.
type patient struct {
	net.Conn
	silence time.Duration // 0: in its handshake, which has one deadline
}

func (p *patient) Read(b []byte) (int, error) {
	if p.silence == 0 {
		return p.Conn.Read(b)
	}
	if err := p.SetReadDeadline(time.Now().Add(p.silence)); err != nil {
		return 0, err
	}
	return p.Conn.Read(b)
}

// run serves the session until it is over. Two goroutines live as long.
func (s *session) run() {
	s.conn.silence = s.t.opts.Silence
	s.t.running.Go(func() {
		if err := s.writeAll(); err != nil {
			s.t.drop(s, err)
		}
	})
	s.t.drop(s, s.readAll())
}

// readAll reads frames until the connection ends.
func (s *session) readAll() error {
	d := newDecoder()
	for {
		frame, err := readFrame(s.reader, frameHead-lengthBytes+tagBytes, maxFrame)
		if err != nil {
			return s.explain(err)
		}
		s.t.stats.framesIn.Add(1)
		s.t.stats.bytesIn.Add(int64(len(frame)))
		body, err := s.open.open(frame)
		if err != nil {
			return err
		}
		if frame[lengthBytes] != typeEntries {
			return fmt.Errorf("peer: a frame of type %d inside a session", frame[lengthBytes])
		}
		in, err := d.entries(body, s.link)
		if err != nil {
			return err
		}
		if err := s.receive(in, len(frame)); err != nil {
			return err
		}
	}
}

// explain says what the end of reading means.
func (s *session) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("peer: nothing came for %v", s.t.opts.Silence)
	case err == io.EOF:
		return errPeerClosed
	}
	return err
}

// receive passes on what a frame brought.
func (s *session) receive(in inbox, size int) error {
	if in.released >= 0 {
		due, err := s.out.acknowledge(in.released)
		if err != nil {
			return err
		}
		if due {
			in.events = append(in.events, CreditBack{s.link})
		}
	}
	for _, ev := range in.events {
		if r, ok := ev.(Received); ok {
			if err := s.out.receive(r.Data); err != nil {
				return err
			}
		}
	}
	s.t.push(s, size, in.events)
	return nil
}

// writeAll writes what is queued, and heartbeats when nothing is.
func (s *session) writeAll() error {
	beat := time.NewTimer(s.t.opts.Heartbeat)
	defer beat.Stop()
	for {
		heartbeat := false
		select {
		case <-s.done:
			return nil
		case <-s.out.wake:
		case <-beat.C:
			heartbeat = true
			beat.Reset(s.t.opts.Heartbeat)
		}
		frames, waited := s.out.take(heartbeat)
		err := s.write(frames)
		s.t.wrote(waited)
		if err != nil {
			return err
		}
		if len(frames) > 0 {
			beat.Reset(s.t.opts.Heartbeat)
		}
	}
}

func (s *session) write(frames [][]byte) error {
	for _, f := range frames {
		f = s.seal.seal(f)
		grace := s.t.opts.Silence + time.Duration(len(f))*time.Second/minBytesPerSecond
		if err := s.conn.SetWriteDeadline(time.Now().Add(grace)); err != nil {
			return err
		}
		if _, err := s.conn.Write(f); err != nil {
			return err
		}
		s.t.stats.framesOut.Add(1)
		s.t.stats.bytesOut.Add(int64(len(f)))
		s.out.written(f)
	}
	return nil
}
