package wire

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// syncBuffer is a log to look at while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// take returns what was written since the last take.
func (s *syncBuffer) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.b.String()
	s.b.Reset()
	return out
}

// TestServerScripts runs testdata/server: what a client sends, byte by byte, and
// what it gets. Commands:
//
//	connect                  a new connection replaces the last
//	hello                    the usual hello; prints nothing
//	frame                    each line of input, JSON, is sent as a frame; a
//	                         string "0x..." is bin, "str" is str
//	hex                      the input is sent as it is
//	close                    closes the sending half
//	log                      prints the warnings and errors since the last log
//
// After frame, hex and close follow the responses, until nothing comes for a
// moment, and "closed" when the server closed the connection.
func TestServerScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/server", func(t *testing.T, path string) {
		log := &syncBuffer{}
		s := startServer(t, ServerOptions{MaxFrameBytes: 64 << 10, Logger: slog.New(slog.NewTextHandler(log,
			&slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: dropVolatile}))})
		var c net.Conn
		t.Cleanup(func() {
			if c != nil {
				_ = c.Close()
			}
		})
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "connect":
				if c != nil {
					_ = c.Close()
				}
				var err error
				c, err = net.Dial("tcp", s.addr)
				require.NoError(t, err)
				return ""
			case "hello":
				sendJSON(t, c, `[0, 1, 1, ["script", "1"]]`)
				require.Contains(t, receive(t, c, 1), "test-cluster")
				return ""
			case "frame":
				lines := strings.Split(strings.TrimSpace(d.Input), "\n")
				for _, line := range lines {
					sendJSON(t, c, line)
				}
				return receive(t, c, len(lines))
			case "hex":
				b, err := hex.DecodeString(strings.Join(strings.Fields(d.Input), ""))
				require.NoError(t, err)
				_, err = c.Write(b)
				require.NoError(t, err)
				return receive(t, c, -1)
			case "close":
				require.NoError(t, c.(*net.TCPConn).CloseWrite())
				return receive(t, c, -1)
			case "log":
				return log.take()
			}
			d.Fatalf(t, "unknown command %s", d.Cmd)
			return ""
		})
	})
}

// dropVolatile leaves out of the log what differs from run to run.
func dropVolatile(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey || a.Key == "remote" {
		return slog.Attr{}
	}
	if a.Key == "stack" {
		return slog.String("stack", fmt.Sprint(strings.Contains(a.Value.String(), "memoryLog")))
	}
	return a
}

func sendJSON(t *testing.T, c net.Conn, line string) {
	dec := json.NewDecoder(strings.NewReader(line))
	dec.UseNumber()
	var v any
	require.NoError(t, dec.Decode(&v), line)
	e := newEncoder()
	m := e.begin()
	encodeJSON(t, e, v)
	e.end(m)
	_, err := c.Write(flatten(e))
	require.NoError(t, err)
}

func encodeJSON(t *testing.T, e *encoder, v any) {
	switch v := v.(type) {
	case []any:
		e.array(len(v))
		for _, x := range v {
			encodeJSON(t, e, x)
		}
	case json.Number:
		n, err := v.Int64()
		require.NoError(t, err)
		e.int(n)
	case string:
		if digits, ok := strings.CutPrefix(v, "0x"); ok {
			b, err := hex.DecodeString(digits)
			require.NoError(t, err)
			e.bin(b)
			return
		}
		e.str(v)
	case bool:
		e.bool(v)
	case nil:
		e.null()
	default:
		require.Fail(t, "cannot encode", "%T", v)
	}
}

// receive prints up to n responses, or as many as come; n < 0: and the close.
func receive(t *testing.T, c net.Conn, n int) string {
	var out strings.Builder
	r := newReader(c)
	for n != 0 {
		wait := 3 * time.Second
		if n < 0 {
			wait = 300 * time.Millisecond
		}
		require.NoError(t, c.SetReadDeadline(time.Now().Add(wait)))
		frame, err := readFrame(r, 1<<20)
		var ne net.Error
		switch {
		case errors.As(err, &ne) && ne.Timeout() || errors.Is(err, os.ErrDeadlineExceeded):
			return out.String()
		case err != nil:
			if !errors.Is(err, io.EOF) {
				fmt.Fprintf(&out, "closed by reset\n")
				return out.String()
			}
			out.WriteString("closed\n")
			return out.String()
		}
		v, err := msgpack.NewDecoder(bytes.NewReader(frame)).DecodeInterface()
		require.NoError(t, err)
		out.WriteString(show(v) + "\n")
		n--
	}
	return out.String()
}

// show is v as the scripts write it.
func show(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = show(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []byte:
		return "0x" + hex.EncodeToString(v)
	case string:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
}
