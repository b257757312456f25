package history

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// parseHistory reads events in short: "3 send ok p0 a@7 b". a is the value of key a and seq 0, "a-2" that of seq 2;
// "@7" alone is an offset without a value; "!" precedes an error.
func parseHistory(t testing.TB, text string) *History {
	t.Helper()
	h := New()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		f := strings.Fields(line)
		require.GreaterOrEqual(t, len(f), 4, line)
		process, err := strconv.Atoi(f[0])
		require.NoError(t, err, line)
		partition, err := strconv.ParseInt(strings.TrimPrefix(f[3], "p"), 10, 32)
		require.NoError(t, err, line)
		e := Event{Process: process, Op: Op(f[1]), Kind: Kind(f[2]), Partition: int32(partition)}
		for _, word := range f[4:] {
			if e.Error = strings.TrimPrefix(word, "!"); e.Error != word {
				continue
			}
			e.Error = ""
			value, at, told := strings.Cut(word, "@")
			if value != "" {
				e.Values = append(e.Values, parseValue(t, value))
			}
			offset := int64(None)
			if told {
				offset, err = strconv.ParseInt(at, 10, 64)
				require.NoError(t, err, line)
			}
			e.Offsets = append(e.Offsets, offset)
		}
		require.NoError(t, e.check(), line)
		h.Add(e)
	}
	return h
}

func parseValue(t testing.TB, text string) (v Value) {
	if !strings.Contains(text, "-") {
		text += "-0"
	}
	require.NoError(t, v.UnmarshalText([]byte(text)))
	return v
}

// show writes findings without the times of events, which are those of the test's run.
func show(findings []Finding) string {
	if len(findings) == 0 {
		return "nothing\n"
	}
	var b strings.Builder
	for _, f := range findings {
		for i := range f.Events {
			f.Events[i].Time = 0
		}
		fmt.Fprintln(&b, strings.ReplaceAll(f.String(), "0.000000s ", ""))
	}
	return b.String()
}

// Histories made by hand, bad in one way each: what Check finds in them. "but=" leaves out anomalies that are not what
// the case is about; "linear" asks CheckLinear.
func TestCheck(t *testing.T) {
	datadriven.Walk(t, "testdata/check", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			h := parseHistory(t, d.Input)
			var found []Finding
			switch d.Cmd {
			case "check":
				found = Check(h)
			case "linear":
				reads := Weak
				if d.HasArg("strict") {
					reads = Strict
				}
				found = CheckLinear(h, reads, patience)
			default:
				d.Fatalf(t, "no such command")
			}
			var but string
			if d.HasArg("but") {
				d.ScanArgs(t, "but", &but)
			}
			kept := found[:0]
			for _, f := range found {
				if string(f.Anomaly) != but {
					kept = append(kept, f)
				}
			}
			return show(kept)
		})
	})
}

// A history is the same once it was written and read.
func TestWriteRead(t *testing.T) {
	h := parseHistory(t, `
		1 send invoke p0 a
		1 send ok p0 a@0
		2 poll invoke p-1
		2 poll ok p0 a@0
		2 poll fail p0 !OFFSET_OUT_OF_RANGE
		2 latest ok p0 @1`)
	var text bytes.Buffer
	require.NoError(t, h.Write(&text))
	require.Equal(t, 6, strings.Count(text.String(), "\n"))
	again, err := Read(bytes.NewReader(text.Bytes()))
	require.NoError(t, err)
	require.Equal(t, h.Events(), again.Events())
	require.Equal(t, 3, again.NewProcess())
	again.Add(Event{Op: Crash, Kind: Info})
	events := again.Events()
	require.GreaterOrEqual(t, events[6].Time, events[5].Time)
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"kind":"maybe","op":"send"}`:                                                    "event 1: kind \"maybe\"",
		`{"kind":"ok","op":"sent"}`:                                                       "event 1: op \"sent\"",
		`{"kind":"ok","op":"send","values":["1-2","1-3"],"offsets":[1]}`:                  "event 1: 2 values and 1 offsets",
		`{"kind":"ok","op":"send","values":["x"]}`:                                        "is no value",
		`{"kind":"ok","op":"poll","more":1}`:                                              "unknown field",
		"{\"time\":2,\"kind\":\"ok\",\"op\":\"poll\"}\n{\"kind\":\"ok\",\"op\":\"poll\"}": "event 2: its time",
		`{"kind":`: "event 1: unexpected EOF",
	} {
		_, err := Read(strings.NewReader(text))
		require.ErrorContains(t, err, want, text)
	}
}

// Every value comes back from its bytes; bytes that were changed are nobody's value.
func TestValueBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Value{Key: rapid.Uint64Min(1).Draw(t, "key"), Seq: rapid.Uint64().Draw(t, "seq")}
		b := v.Encode(rapid.IntRange(0, 60).Draw(t, "size"))
		require.Equal(t, v, DecodeValue(b))
		b[rapid.IntRange(0, len(b)-1).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "bits"))
		require.Zero(t, DecodeValue(b).Key)
		require.Zero(t, DecodeValue(b[:ValueBytes-1]).Key)
	})
}

// model makes the history of a log that keeps its promise: sends that overlap, some of them with an unknown outcome,
// and readers that go back at times.
func model(t *rapid.T) *History {
	h := New()
	type sent struct{ event Event }
	var log []Value
	var open []sent
	next := map[int]uint64{}
	polled := map[int]int64{}
	for range rapid.IntRange(0, 60).Draw(t, "steps") {
		process := rapid.IntRange(1, 3).Draw(t, "process")
		switch rapid.IntRange(0, 4).Draw(t, "step") {
		case 0:
			v := Value{Key: uint64(process), Seq: next[process]}
			next[process]++
			e := Event{Process: process, Op: Send, Kind: Invoke, Values: []Value{v}}
			h.Add(e)
			e.Kind = rapid.SampledFrom([]Kind{OK, OK, Info, Fail}).Draw(t, "kind")
			if e.Kind == OK || e.Kind == Info && rapid.Bool().Draw(t, "taken") {
				if e.Kind == OK {
					e.Offsets = []int64{int64(len(log))}
				}
				log = append(log, v)
			}
			open = append(open, sent{e})
		case 1:
			if len(open) > 0 {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "settled")
				h.Add(open[i].event)
				open = append(open[:i], open[i+1:]...)
			}
		case 2, 3:
			reader := process + 10
			h.Add(Event{Process: reader, Op: Poll, Kind: Invoke, Partition: None})
			from := polled[reader]
			n := rapid.Int64Range(0, int64(len(log))-from).Draw(t, "records")
			e := Event{Process: reader, Op: Poll, Kind: OK}
			for at := from; at < from+n; at++ {
				e.Values, e.Offsets = append(e.Values, log[at]), append(e.Offsets, at)
			}
			h.Add(e)
			polled[reader] = from + n
		case 4:
			reader := process + 10
			polled[reader] = rapid.Int64Range(0, polled[reader]).Draw(t, "back")
			h.Add(Event{Process: reader, Op: Assign, Kind: OK, Offsets: []int64{polled[reader]}})
		}
	}
	for _, s := range open {
		h.Add(s.event)
	}
	e := Event{Process: 99, Op: Final, Kind: OK}
	for at, v := range log {
		e.Values, e.Offsets = append(e.Values, v), append(e.Offsets, int64(at))
	}
	h.Add(e)
	return h
}

// In the history of a log that keeps its promise nothing is found.
func TestGoodHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := model(t)
		require.Empty(t, Check(h))
		require.Empty(t, CheckLinear(h, Weak, patience))
	})
}

// However a history is mangled, the checks do not panic; and what is taken from the end of the log is missed.
func TestMangledHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := model(t)
		end := &h.events[len(h.events)-1]
		if n := len(end.Values); n > 0 {
			cut := rapid.IntRange(0, n-1).Draw(t, "cut")
			lost := end.Values[cut]
			end.Values = append(append([]Value{}, end.Values[:cut]...), end.Values[cut+1:]...)
			end.Offsets = append(append([]int64{}, end.Offsets[:cut]...), end.Offsets[cut+1:]...)
			known := false // that the log had it
			for _, e := range h.events {
				for _, v := range e.Values {
					known = known || v == lost && (e.Op == Poll || e.Op == Send && e.Kind == OK)
				}
			}
			require.Equal(t, known, len(Check(h)) > 0 && hasAny(Check(h), LostWrite, Vanished))
		}
		for range rapid.IntRange(1, 5).Draw(t, "mangled") {
			e := &h.events[rapid.IntRange(0, len(h.events)-1).Draw(t, "event")]
			e.Op = rapid.SampledFrom([]Op{Send, Poll, Assign, Latest, Final}).Draw(t, "op")
			e.Kind = rapid.SampledFrom([]Kind{Invoke, OK, Fail, Info}).Draw(t, "kind")
			e.Offsets = rapid.SliceOfN(rapid.Int64Range(-1, 9), 0, 3).Draw(t, "offsets")
			e.Values = e.Values[:min(len(e.Values), len(e.Offsets))]
			e.Offsets = e.Offsets[:max(len(e.Values), min(1, len(e.Offsets)))]
		}
		Check(h)
		CheckLinear(h, Strict, patience)
	})
}

func hasAny(findings []Finding, some ...Anomaly) bool {
	for _, f := range findings {
		for _, a := range some {
			if f.Anomaly == a {
				return true
			}
		}
	}
	return false
}

// Many findings of a kind are cut short, and counted.
func TestManyFindings(t *testing.T) {
	h := New()
	for i := range 3 * maxFindings {
		v := []Value{{Key: 1, Seq: uint64(i)}}
		h.Add(Event{Process: 1, Op: Send, Kind: Invoke, Values: v})
		h.Add(Event{Process: 1, Op: Send, Kind: OK, Values: v, Offsets: []int64{int64(i)}})
	}
	h.Add(Event{Process: 2, Op: Final, Kind: OK})
	found := Check(h)
	require.Len(t, found, maxFindings)
	require.Equal(t, LostWrite, found[0].Anomaly)
	require.Contains(t, found[0].Note, "the first of 60")
}
