package wire

import (
	"bytes"
	"fmt"
)

// lookalike guesses what speaks to us from the first bytes of a frame that
// cannot be one: the length and, when they are here, some that follow. "" when
// nothing comes to mind. own: this port speaks Skidway's own protocol. It must not
// quote the bytes.
func lookalike(b []byte, own bool) string {
	for _, method := range []string{"GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC", "CONN", "TRAC", "PRI "} {
		if bytes.HasPrefix(b, []byte(method)) {
			return "looks like HTTP: the HTTP address is another port"
		}
	}
	switch {
	case len(b) >= 2 && (b[0] == 0x16 || b[0] == 0x15) && b[1] == 3:
		return "looks like TLS: this port speaks plain TCP"
	case bytes.HasPrefix(b, []byte("SSH-")):
		return "looks like SSH"
	case own && len(b) >= 6 && b[0] == 0 && b[4] == 0:
		return "looks like the Kafka protocol: this port speaks Skidway's own"
	}
	return ""
}

// lengthFault says what is wrong with a frame's length; start is its beginning.
func lengthFault(n, limit int64, start []byte, own bool) error {
	what := fmt.Sprintf("frame length %d, at most %d is taken", n, limit)
	if n < minFrameBytes {
		what = fmt.Sprintf("frame length %d, at least %d is needed", n, minFrameBytes)
	}
	if like := lookalike(start, own); like != "" {
		what += "; " + like
	}
	return fmt.Errorf("wire: %s", what)
}
