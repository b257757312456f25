package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// request is a frame without its length: the envelope of api, then body.
func request(api API, body ...byte) []byte {
	return append([]byte{0x94, byte(api), 1, 9}, body...)
}

// decodeRequest decodes a whole request frame.
func decodeRequest(d *decoder, frame []byte) (Request, error) {
	env, err := decodeEnvelope(d, frame)
	if err != nil {
		return nil, err
	}
	return decodeBody(d, env)
}

// allocated is the number of bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// I-8, I-9, I-10: whatever a hostile client puts where a field is due, the answer
// is a definite error that names the field, and memory follows the bytes sent.
func TestHostileValues(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff}
	values := map[string][]byte{
		"I-8 nested arrays":    bytes.Repeat([]byte{0x91}, 2<<20),
		"I-8 nested maps":      bytes.Repeat([]byte{0x81}, 1000),
		"I-9 array32 2^32-1":   append([]byte{0xdd}, huge...),
		"I-9 map32 2^32-1":     append([]byte{0xdf}, huge...),
		"I-9 str32 2^32-1":     append([]byte{0xdb}, huge...),
		"I-9 bin32 2^32-1":     append([]byte{0xc6}, huge...),
		"I-9 array16, filled":  append([]byte{0xdc, 0xff, 0xff}, bytes.Repeat([]byte{0xc0}, 65535)...),
		"I-10 ext":             {0xd4, 1, 1},
		"I-10 ext32":           append([]byte{0xc9}, huge...),
		"I-10 NaN":             {0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 1},
		"I-10 uint64":          {0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"I-10 unused":          {0xc1},
		"I-10 nil":             {0xc0},
		"I-10 map":             {0x82, 1, 1, 1, 2},
		"I-10 not UTF-8":       {0xa1, 0xff},
		"I-10 cut":             {0xcd, 1},
		"I-10 length cut":      {0xda, 1},
		"I-10 array cut":       {0xdd, 0, 0},
		"I-10 ends":            {},
		"I-10 int64 underflow": {0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0},
	}
	for _, k := range apiKinds {
		req := k.newRequest()
		fill(reflect.ValueOf(req).Elem())
		e := newEncoder()
		req.encode(e)
		body := flatten(e)
		for name, v := range values {
			// The body up to each of its bytes, then the value.
			for n := range body {
				if name == "I-8 nested arrays" && n > 2 || name == "I-10 ends" && n == 0 {
					continue // large; not even an envelope
				}
				frame := request(k.api, append(append([]byte(nil), body[:n]...), v...)...)
				var err error
				used := allocated(func() { _, err = decodeRequest(newDecoder(), frame) })
				var refusal *Error
				require.True(t, errors.As(err, &refusal), "%s, %s after %d bytes: %v", k.name, name, n, err)
				require.Equal(t, CodeMalformedRequest, refusal.Code)
				require.True(t, strings.HasPrefix(refusal.Message, k.name+": "), refusal.Message)
				require.Less(t, used, uint64(64*len(frame)+16<<10), "%s, %s after %d bytes: memory", k.name, name, n)
			}
		}
	}
}

// Messages are precise.
func TestMalformedMessages(t *testing.T) {
	batch := func(tail ...byte) []byte { // a produce up to topics[0].partitions[1].batch
		return request(APIProduce, append([]byte{0x93, 0xff, 0, 0x91, 0x92, 7, 0x92, 0x92, 0, 0xc4, 3, 1, 2, 3, 0x92, 1},
			tail...)...)
	}
	for _, c := range []struct {
		frame []byte
		want  string
	}{
		{batch(0xc6, 4, 0, 0, 0, 1, 2), "produce: topics[0].partitions[1].batch: 67108864 bytes declared, 2 left"},
		{batch(0xc0), "produce: topics[0].partitions[1].batch: bin wanted, nil found"},
		{batch(0xa1, 'x'), "produce: topics[0].partitions[1].batch: bin wanted, str found"},
		{batch(0xc4, 0, 1), "produce: 1 bytes follow the end"},
		{batch(), "produce: topics[0].partitions[1]: 2 elements declared, 1 bytes left"},
		{request(APIProduce, 0x93, 2, 0, 0x90), "produce: acks: 2 is outside -1..1"},
		{request(APIProduce, 0x93, 0xca, 0, 0, 0, 0, 0, 0x90), "produce: acks: integer wanted, float found"},
		{request(APIProduce, 0x92, 0, 0), "produce: 3 fields wanted, 2 found"},
		{request(APIProduce, 0x94, 0, 0, 0x90, 0xc0), "produce: 3 fields wanted, 4 found"},
		{request(APIProduce, 0xc0), "produce: array wanted, nil found"},
		{request(APIProduce, 0x93, 0, 0, 0x91, 0x92, 0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x90),
			"produce: topics[0].id: 9223372036854775808 is above 2^63-1"},
		{request(APIListTopics, 0x91, 0), "list_topics: 0 fields wanted, 1 found"},
		{request(APIHello, 0x92, 0xda, 1, 0, 0xa0), "hello: client_name: 256 bytes declared, 1 left"},
		{request(99, 0x90), "this broker knows no request 99"},
		{[]byte{0x94, 2, 7, 9, 0x90}, "produce: version 7 is not served, versions 1 to 1 are"},
		{[]byte{0x94, 2, 0, 9, 0x90}, "produce: version 0 is not served, versions 1 to 1 are"},
		{[]byte{0x93, 2, 1, 9}, "request: 4 fields wanted, 3 found"},
		{[]byte{0x94, 2, 1, 0xff, 0x90}, "request: correlation: -1 is outside 0..4294967295"},
		{[]byte{0x94, 0xa1, 'x', 1, 1, 0x90}, "request: api: integer wanted, str found"},
	} {
		_, err := decodeRequest(newDecoder(), c.frame)
		require.EqualError(t, err, fmt.Sprintf("%s [E%d]", c.want, err.(*Error).Code))
	}
}

// Integers count by their value, whatever format a client's library chose; text
// may come in any length format.
func TestWideFormats(t *testing.T) {
	for _, one := range [][]byte{
		{1}, {0xcc, 1}, {0xcd, 0, 1}, {0xce, 0, 0, 0, 1}, {0xcf, 0, 0, 0, 0, 0, 0, 0, 1},
		{0xd0, 1}, {0xd1, 0, 1}, {0xd2, 0, 0, 0, 1}, {0xd3, 0, 0, 0, 0, 0, 0, 0, 1},
	} {
		body := slices.Concat([]byte{0xdc, 0, 2}, one, one)
		req, err := decodeRequest(newDecoder(), request(APIInitProducerID, body...))
		require.NoError(t, err)
		require.Equal(t, &InitProducerIDRequest{1, 1}, req)
	}
	for _, minus := range [][]byte{
		{0xff}, {0xd0, 0xff}, {0xd1, 0xff, 0xff}, {0xd3, 255, 255, 255, 255, 255, 255, 255, 255},
	} {
		body := slices.Concat([]byte{0x92}, minus, minus)
		req, err := decodeRequest(newDecoder(), request(APIInitProducerID, body...))
		require.NoError(t, err)
		require.Equal(t, &InitProducerIDRequest{-1, -1}, req)
	}
	for _, x := range [][]byte{{0xa1}, {0xd9, 1}, {0xda, 0, 1}, {0xdb, 0, 0, 0, 1}} {
		req, err := decodeRequest(newDecoder(), request(APIHello, append(append([]byte{0x92}, x...), 'x', 0xa0)...))
		require.NoError(t, err)
		require.Equal(t, &HelloRequest{"x", ""}, req)
	}
}

// Thin clients may send keys and values as str, and nil is not empty.
func TestThinValues(t *testing.T) {
	req, err := decodeRequest(newDecoder(), request(APIThinProduce,
		0x94, 0xa1, 't', 0xff, 1, 0x92,
		0x94, 0xa1, 'k', 0xc4, 1, 'v', 0x90, 0,
		0x94, 0xc0, 0xa0, 0x91, 0x92, 0xa1, 'h', 0xc0, 5))
	require.NoError(t, err)
	require.Equal(t, []ThinRecord{
		{Key: []byte("k"), Value: []byte("v")},
		{Value: []byte{}, Headers: []ThinHeader{{Key: "h"}}, TimestampMs: 5},
	}, req.(*ThinProduceRequest).Records)
}

// A response is as hostile as a request: clients talk to strangers, too.
func TestHostileResponses(t *testing.T) {
	for _, k := range apiKinds {
		resp := k.newResponse()
		fill(reflect.ValueOf(resp).Elem())
		e := newEncoder()
		encodeResponse(e, envelope{k.api, 1, 9}, resp, nil)
		frame := flatten(e)[frameHeader:]
		for n := range frame {
			for _, bad := range [][]byte{{0xc1}, {0xdd, 255, 255, 255, 255}, {0xc6, 255, 255, 255, 255}, {0x81}, {}} {
				b := append(append([]byte(nil), frame[:n]...), bad...)
				d := newDecoder()
				used := allocated(func() {
					_, err := decodeCorrelation(d, b)
					if err == nil {
						_, err = decodeAnswer(d, 1, k.newResponse())
					}
					require.Error(t, err)
				})
				require.Less(t, used, uint64(64<<10))
			}
		}
	}
}

// Error codes.
func TestErrors(t *testing.T) {
	err := fmt.Errorf("create: %w", Errorf(CodeUnknownTopic, "no topic %q", "oders"))
	require.EqualError(t, err, `create: no topic "oders" [E110]`)
	require.ErrorIs(t, err, CodeUnknownTopic)
	require.NotErrorIs(t, err, CodeTopicExists)
	require.Equal(t, CodeUnknownTopic, AsError(err).Code)
	require.Equal(t, CodeInternal, AsError(errors.New("x")).Code)
	require.Equal(t, CodeTimedOut, AsError(context.DeadlineExceeded).Code)
	require.Equal(t, CodeDiskFull, AsError(fmt.Errorf("x: %w", CodeDiskFull)).Code)
	require.Nil(t, AsError(nil))
	require.Equal(t, "There is no topic of that name. [E110]", (&Error{Code: CodeUnknownTopic}).Error())
	require.True(t, CodeTimedOut.Retriable())
	require.Equal(t, RetryUnknown, CodeTimedOut.Retry())
	require.Equal(t, "CODE_9", Code(9).Name())
	require.False(t, Code(9).Retriable())
	for _, c := range codes {
		require.NotEmpty(t, c.hint)
		require.True(t, strings.HasSuffix(c.sentence, "."), c.sentence)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	e := newEncoder()
	encodeResponse(e, envelope{APIFetch, 1, 1}, nil, &Error{CodeInternal, strings.Repeat("é", maxMessage) + "\xff"})
	d := newDecoder()
	_, err := decodeCorrelation(d, flatten(e)[frameHeader:])
	require.NoError(t, err)
	refusal, err := decodeAnswer(d, 1, new(FetchResponse))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("é", maxMessage/2), refusal.Message)
}

// addGoldens seeds a fuzz target with the worked frames.
func addGoldens(f *testing.F, add func(frame []byte)) {
	files, err := filepath.Glob(filepath.Join(goldens, "*.txt"))
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		add(parseFrame(f, string(text)))
	}
}

// FuzzRequest: no request panics, takes memory beyond its bytes, or is read
// otherwise than it is written.
func FuzzRequest(f *testing.F) {
	addGoldens(f, func(frame []byte) { f.Add(frame[frameHeader:]) })
	for _, k := range apiKinds {
		req := k.newRequest()
		fill(reflect.ValueOf(req).Elem())
		e := newEncoder()
		encodeRequest(e, k.max, 1, req)
		f.Add(flatten(e)[frameHeader:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		d := newDecoder()
		env, err := decodeEnvelope(d, frame)
		if err != nil {
			return
		}
		req, err := decodeBody(d, env)
		if err != nil {
			return
		}
		e := newEncoder()
		encodeRequest(e, env.version, env.correlation, req)
		again, err := decodeRequest(newDecoder(), flatten(e)[frameHeader:])
		require.NoError(t, err)
		require.True(t, reflect.DeepEqual(req, again), "%+v read as %+v", req, again)
	})
}

// FuzzResponse: as FuzzRequest, for what a client reads.
func FuzzResponse(f *testing.F) {
	for i, k := range apiKinds {
		resp := k.newResponse()
		fill(reflect.ValueOf(resp).Elem())
		e := newEncoder()
		encodeResponse(e, envelope{k.api, 1, 9}, resp, nil)
		f.Add(uint8(i), flatten(e)[frameHeader:])
	}
	addGoldens(f, func(frame []byte) { f.Add(uint8(3), frame[frameHeader:]) })
	f.Fuzz(func(t *testing.T, api uint8, frame []byte) {
		k := apiKinds[int(api)%len(apiKinds)]
		d := newDecoder()
		c, err := decodeCorrelation(d, frame)
		if err != nil {
			return
		}
		resp := k.newResponse()
		refusal, err := decodeAnswer(d, 1, resp)
		if err != nil {
			return
		}
		e := newEncoder()
		encodeResponse(e, envelope{k.api, 1, c}, resp, refusal)
		_, err = decodeCorrelation(d, flatten(e)[frameHeader:])
		require.NoError(t, err)
		again := k.newResponse()
		refusalAgain, err := decodeAnswer(d, 1, again)
		require.NoError(t, err)
		require.Equal(t, refusal, refusalAgain)
		require.True(t, reflect.DeepEqual(resp, again), "%+v read as %+v", resp, again)
	})
}

// Lengths of frames are read as unsigned and bounded before anything else.
func TestFrameLengths(t *testing.T) {
	for _, n := range []uint32{0, 4, 1 << 20, math.MaxInt32, math.MaxUint32} {
		err := lengthFault(int64(n), 1<<16, binary.BigEndian.AppendUint32(nil, n), true)
		require.ErrorContains(t, err, fmt.Sprint(n))
		require.NotContains(t, err.Error(), "looks like")
	}
	for start, like := range map[string]string{
		"GET / HTTP/1.1": "HTTP", "POST /": "HTTP", "\x16\x03\x01\x02\x00\x01": "TLS", "\x15\x03\x03\x00\x02": "TLS",
		"SSH-2.0": "SSH", "\x00\x00\x00\x1a\x00\x12\x00\x03": "Kafka",
	} {
		require.Contains(t, lengthFault(1<<30, 1<<16, []byte(start), true).Error(), "looks like")
		require.Contains(t, lookalike([]byte(start), true), like)
		require.NotContains(t, lengthFault(1<<30, 1<<16, []byte(start), true).Error(), start)
	}
}
