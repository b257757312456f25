package peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/skidway/skidway/replication"
)

// page is the specification. Its parts between "<!-- name -->" and "<!-- end -->" are what the tests here make of the
// code; SKIDWAY_REWRITE=1 go test ./peer writes them anew.
const page = "../docs/format/peer.md"

func rewriting() bool { return os.Getenv("SKIDWAY_REWRITE") != "" }

func checkPart(t *testing.T, name, want string) {
	t.Helper()
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "%s has no part %q", page, name)
	got, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "part %q has no end", name)
	if rewriting() && got != want {
		require.NoError(t, os.WriteFile(page, []byte(before+begin+want+end+after), 0o644))
		return
	}
	require.Equal(t, want, got, "part %q of %s", name, page)
}

func TestPageReasons(t *testing.T) {
	var b strings.Builder
	b.WriteString("| reason | meaning |\n|---|---|\n")
	for r := reasonVersion; r <= reasonMalformed; r++ {
		fmt.Fprintf(&b, "| %d | %s |\n", r, reasonTexts[r])
	}
	require.Len(t, reasonTexts, int(reasonMalformed))
	checkPart(t, "reasons", b.String())
}

// entryFields names the elements of each kind of entry behind its kind.
var entryFields = [...]string{
	kindSubscribe:  "topic, partition, broker, storage, broker epoch, stream, epoch, end, durable end, last epoch, void",
	kindSubscribed: "topic, partition, epoch, stream",
	kindDiverged:   "topic, partition, epoch, stream, floor epoch, end",
	kindRefused:    "topic, partition, epoch, stream",
	kindOutOfRange: "topic, partition, epoch, stream, data start, log start, array of [epoch, start], " +
		"array of [producer id, state]",
	kindData: "topic, partition, epoch, stream, previous epoch, base, high watermark, log start, " +
		"array of [base, end, epoch, bytes]",
	kindAck:      "topic, partition, epoch, stream, durable end",
	kindDrop:     "topic, partition, epoch, stream",
	kindProbe:    "topic, partition, epoch, round",
	kindProbeAck: "topic, partition, broker, storage, epoch, round",
	kindCredit:   "bytes released in all",
	kindCall:     "id, bytes",
	kindAnswer:   "id, bytes",
	kindReleased: "topic, partition, epoch, stream",
}

func TestPageEntries(t *testing.T) {
	names := [...]string{
		kindSubscribe: "subscribe", kindSubscribed: "subscribed", kindDiverged: "diverged", kindRefused: "refused",
		kindOutOfRange: "out of range", kindData: "data", kindAck: "ack", kindDrop: "drop", kindProbe: "probe",
		kindProbeAck: "probe ack", kindCredit: "credit", kindCall: "call", kindAnswer: "answer",
		kindReleased: "released",
	}
	senders := map[Side]string{Follower: "dialler", Leader: "listener"}
	messages := [...]replication.Message{
		kindSubscribe: replication.Subscribe{}, kindSubscribed: replication.Subscribed{},
		kindDiverged: replication.Diverged{}, kindRefused: replication.Refused{},
		kindOutOfRange: replication.OutOfRange{}, kindData: replication.Data{}, kindAck: replication.Ack{},
		kindDrop: replication.Drop{}, kindProbe: replication.Probe{}, kindProbeAck: replication.ProbeAck{},
		kindCredit: nil, kindCall: nil, kindAnswer: nil, kindReleased: replication.Released{},
	}
	var b strings.Builder
	b.WriteString("| kind | name | sent by | elements behind the kind |\n|---|---|---|---|\n")
	for kind := kindSubscribe; kind <= kindReleased; kind++ {
		sender := senders[sideOf(messages[kind])]
		switch kind {
		case kindCredit:
			sender = "dialler"
		case kindCall, kindAnswer:
			sender = "both"
		}
		flat := regexp.MustCompile(` of \[[^]]*\]`).ReplaceAllString(entryFields[kind], "")
		require.Equal(t, fieldsOf[kind], 2+strings.Count(flat, ", "), names[kind])
		fmt.Fprintf(&b, "| %d | %s | %s | %s |\n", kind, names[kind], sender, entryFields[kind])
	}
	checkPart(t, "entries", b.String())
}

func TestPageLimits(t *testing.T) {
	checkPart(t, "limits", fmt.Sprintf(`| what | at most |
|---|---|
| frame of the handshake | %d |
| frame after it | %d |
| batches of one data | %d |
| call, answer | %d |
| leader epochs of an out of range | %d |
| producers of an out of range | %d |
| state of a producer | %d |
| cluster id | %d |
| text of a refusal | %d |
| window | %d to %d |
| connections in their handshake | %d |
`, maxHandshake, maxFrame, MaxDataBytes, MaxCallBytes, maxHistory, maxProducers, maxProducerState, maxCluster,
		maxReason, minWindow, maxWindow, maxPending))
}

// TestPageFrames holds the worked frames: a handshake with nonces of 1s and 2s, and the first frame after it.
func TestPageFrames(t *testing.T) {
	k := keys{[]byte("correct horse battery staple")}
	var ours, theirs nonce
	copy(ours[:], bytes.Repeat([]byte{1}, nonceBytes))
	copy(theirs[:], bytes.Repeat([]byte{2}, nonceBytes))
	first := challenge{ours}.encode()
	second := hello{"c1", Incarnation{2, 5, 0xabcdef}, 1, Live, 8 << 20, theirs}.encode(k, first)
	third := welcome{Incarnation{1, 4, 0x123456}, 8 << 20}.encode(k, first, second)
	dialler, _, err := k.sealers(first, second, third)
	require.NoError(t, err)
	e := newEncoder()
	e.begin(nil)
	e.message(Partition{7, 3}, replication.Ack{Epoch: 2, Stream: 1, Durable: 1000})
	e.credit(4096)
	fourth := dialler.seal(e.end())
	refused := (&refusal{reason: reasonSecret}).encode()
	for name, f := range map[string]struct {
		frame   []byte
		trailer int
	}{
		"challenge": {first, 0}, "hello": {second, macBytes}, "welcome": {third, macBytes}, "refusal": {refused, 0},
		"entries": {fourth, tagBytes},
	} {
		checkPart(t, "frame "+name, "```\n"+annotate(t, f.frame, f.trailer)+"```\n")
	}
}

// annotate writes a frame as a table of bytes and their meaning.
func annotate(t *testing.T, frame []byte, trailer int) string {
	var out strings.Builder
	line := func(b []byte, format string, args ...any) {
		meaning := " " + fmt.Sprintf(format, args...)
		for first := true; len(b) > 0; first = false {
			if !first {
				meaning = ""
			}
			n := min(16, len(b))
			fmt.Fprintf(&out, "%-47s |%s\n", fmt.Sprintf("% x", b[:n]), meaning)
			b = b[n:]
		}
	}
	require.EqualValues(t, len(frame)-lengthBytes, binary.BigEndian.Uint32(frame))
	line(frame[:lengthBytes], "length %d", len(frame)-lengthBytes)
	line(frame[lengthBytes:frameHead], "type")
	body := frame[frameHead : len(frame)-trailer]
	var depths []int // values left, by array
	r := bytes.NewReader(body)
	d := msgpack.NewDecoder(r)
	for r.Len() > 0 {
		at := len(body) - r.Len()
		indent := strings.Repeat("  ", len(depths))
		if n := len(depths); n > 0 {
			depths[n-1]--
		}
		c, err := d.PeekCode()
		require.NoError(t, err)
		what := ""
		switch {
		case msgpcode.IsFixedArray(c) || c == msgpcode.Array32:
			n, err := d.DecodeArrayLen()
			require.NoError(t, err)
			what = fmt.Sprintf("array of %d", n)
			depths = append(depths, n)
		case msgpcode.IsBin(c):
			b, err := d.DecodeBytes()
			require.NoError(t, err)
			what = fmt.Sprintf("%d bytes", len(b))
		default:
			v, err := d.DecodeUint64()
			require.NoError(t, err)
			what = fmt.Sprint(v)
		}
		line(body[at:len(body)-r.Len()], "%s%s", indent, what)
		for len(depths) > 0 && depths[len(depths)-1] == 0 {
			depths = depths[:len(depths)-1]
		}
	}
	line(frame[len(frame)-trailer:], "proof of what precedes")
	return out.String()
}
