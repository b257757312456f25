package wire

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// draw makes any struct of this package that may travel.
func draw(t *rapid.T, v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i), v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, name) {
			v.Set(reflect.New(v.Type().Elem()))
			draw(t, v.Elem(), name)
		}
	case reflect.Slice:
		drawSlice(t, v, name)
	case reflect.String:
		v.SetString(rapid.StringN(-1, -1, 200).Draw(t, name))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Float64:
		v.SetFloat(rapid.Float64().Draw(t, name))
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(rapid.Uint64Range(0, min(uint64(math.MaxInt64), math.MaxUint64>>(64-v.Type().Bits()))).Draw(t, name))
	case reflect.Int8:
		v.SetInt(rapid.Int64Range(-1, 1).Draw(t, name))
	default:
		v.SetInt(rapid.Int64Range(lowest(name), math.MaxInt64>>(64-v.Type().Bits())).Draw(t, name))
	}
}

// lowest is the least value of an integer field.
func lowest(name string) int64 {
	switch name {
	case "At":
		return AtStart
	case "MemberEpoch":
		return -2
	case "Leader", "LeaderEpoch", "BaseOffset", "AppendTimeMs", "LogStart", "Before", "ProducerID", "Epoch",
		"Controller", "HighWatermark", "Lag", "LagMs":
		return -1
	}
	return 0
}

func drawSlice(t *rapid.T, v reflect.Value, name string) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		kind := rapid.IntRange(0, 3).Draw(t, name)
		switch {
		case kind == 0 && (name == "Key" || name == "Value"):
			return // nil is not empty there
		case kind == 1:
			v.SetBytes(make([]byte, copyBelow+rapid.IntRange(-1, 100).Draw(t, name)))
		default:
			v.SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, name))
		}
		return
	}
	n := rapid.IntRange(0, 3).Draw(t, name)
	if n == 0 {
		return // an empty list is decoded as nil
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		draw(t, v.Index(i), name)
	}
}

// requireSame compares quickly, and tells the difference if there is one.
func requireSame(t require.TestingT, want, got any) {
	if !reflect.DeepEqual(want, got) {
		require.Empty(t, cmp.Diff(want, got))
		require.Fail(t, "not the same")
	}
}

// flatten is what goes over the wire.
func flatten(e *encoder) []byte {
	var out []byte
	for _, b := range *e.buffers() {
		out = append(out, b...)
	}
	return out
}

func TestRoundTripOfEveryRequest(t *testing.T) {
	for _, kind := range apiKinds {
		t.Run(kind.name, func(t *testing.T) {
			e, d := newEncoder(), newDecoder()
			rapid.Check(t, func(t *rapid.T) {
				req := kind.newRequest()
				draw(t, reflect.ValueOf(req).Elem(), "")
				correlation := rapid.Uint32().Draw(t, "correlation")
				e.reset()
				n := encodeRequest(e, kind.max, correlation, req)
				frame := flatten(e)
				require.Len(t, frame, n)
				env, err := decodeEnvelope(d, frame[frameHeader:])
				require.NoError(t, err)
				require.Equal(t, envelope{kind.api, kind.max, correlation}, env)
				got, err := decodeBody(d, env)
				require.NoError(t, err)
				requireSame(t, req, got)
				require.Zero(t, d.depth-1, "every array that is entered must be left, but the frame's")
			})
		})
	}
}

func TestRoundTripOfEveryResponse(t *testing.T) {
	for _, kind := range apiKinds {
		t.Run(kind.name, func(t *testing.T) {
			e, d := newEncoder(), newDecoder()
			rapid.Check(t, func(t *rapid.T) {
				resp := kind.newResponse()
				draw(t, reflect.ValueOf(resp).Elem(), "")
				var refusal *Error
				draw(t, reflect.ValueOf(&refusal).Elem(), "refusal")
				e.reset()
				n := encodeResponse(e, envelope{kind.api, kind.max, 77}, resp, refusal)
				frame := flatten(e)
				require.Len(t, frame, n)
				c, err := decodeCorrelation(d, frame[frameHeader:])
				require.NoError(t, err)
				require.EqualValues(t, 77, c)
				got := kind.newResponse()
				gotRefusal, err := decodeAnswer(d, kind.max, got)
				require.NoError(t, err)
				if refusal != nil {
					require.Equal(t, refusal, gotRefusal)
					return
				}
				require.Nil(t, gotRefusal)
				requireSame(t, resp, got)
				require.Zero(t, d.depth-1)
			})
		})
	}
}

// Several frames in one encoder stay apart, and one can be taken back.
func TestRewind(t *testing.T) {
	e := newEncoder()
	large := produceOne(1, []byte(strings.Repeat("x", copyBelow)))
	encodeRequest(e, 1, 1, large)
	one := flatten(e)
	m := mark{len(e.buf), len(e.far), e.farLen}
	encodeRequest(e, 1, 2, large)
	require.Len(t, flatten(e), 2*len(one))
	e.rewind(m)
	require.Equal(t, one, flatten(e))
	encodeRequest(e, 1, 1, large)
	require.Equal(t, append(one, one...), flatten(e))
}

// Large byte fields are written from where they are.
func TestBatchesAreNotCopied(t *testing.T) {
	batch := make([]byte, 1<<20)
	e := newEncoder()
	encodeRequest(e, 1, 1, produceOne(1, batch))
	bufs := *e.buffers()
	require.Len(t, bufs, 2)
	require.Same(t, &batch[0], &bufs[1][0])
	require.Less(t, len(bufs[0]), 64)

	frame := flatten(e)[frameHeader:]
	d := newDecoder()
	env, err := decodeEnvelope(d, frame)
	require.NoError(t, err)
	req, err := decodeBody(d, env)
	require.NoError(t, err)
	got := req.(*ProduceRequest).Topics[0].Partitions[0].Batch
	require.Same(t, &frame[len(frame)-1<<20], &got[0])
	require.Equal(t, len(got), cap(got), "append to a batch must not reach the bytes behind it")
}

func TestManyPartitionsAreCheap(t *testing.T) {
	const n = 1000
	req := &ProduceRequest{Topics: []ProduceTopic{{ID: 1, Partitions: make([]ProducePartition, n)}}}
	resp := &FetchResponse{Topics: []FetchTopicResult{{ID: 1, Partitions: make([]FetchResult, n)}}}
	batch := make([]byte, copyBelow)
	for i := range n {
		req.Topics[0].Partitions[i] = ProducePartition{Index: int32(i), Batch: batch}
		resp.Topics[0].Partitions[i] = FetchResult{Index: int32(i), End: int64(i), Batches: batch}
	}
	e, d := newEncoder(), newDecoder()
	encodeRequest(e, 1, 1, req)
	frame := flatten(e)[frameHeader:]
	allocs := testing.AllocsPerRun(20, func() {
		env, _ := decodeEnvelope(d, frame)
		_, _ = decodeBody(d, env)
	})
	require.LessOrEqual(t, allocs, 6.0, "decoding a produce")
	allocs = testing.AllocsPerRun(20, func() {
		e.reset()
		encodeResponse(e, envelope{APIFetch, 1, 1}, resp, nil)
		e.buffers()
	})
	require.LessOrEqual(t, allocs, 2.0, "encoding a fetch response")
	require.Less(t, len(e.buf), 32*n, "what is copied of a fetch response")
}

func BenchmarkDecodeProduce1000Partitions(b *testing.B) {
	req := &ProduceRequest{Topics: []ProduceTopic{{ID: 1, Partitions: make([]ProducePartition, 1000)}}}
	for i := range req.Topics[0].Partitions {
		req.Topics[0].Partitions[i] = ProducePartition{Index: int32(i), Batch: make([]byte, 1024)}
	}
	e, d := newEncoder(), newDecoder()
	encodeRequest(e, 1, 1, req)
	frame := flatten(e)[frameHeader:]
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		env, _ := decodeEnvelope(d, frame)
		if _, err := decodeBody(d, env); err != nil {
			b.Fatal(err)
		}
	}
}
