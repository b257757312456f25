package peer

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/replication"
)

// anyMessage draws one that the side may send.
func anyMessage(t *rapid.T, side Side) replication.Message {
	epoch := rapid.Int32Range(-1, math.MaxInt32)
	offset := rapid.Int64Range(-1, math.MaxInt64)
	number := rapid.Uint64()
	member := func() replication.Member {
		broker := rapid.Int32Range(0, math.MaxInt32).Draw(t, "broker")
		return replication.Member{Broker: broker, Storage: number.Draw(t, "storage")}
	}
	e, s := epoch.Draw(t, "epoch"), number.Draw(t, "stream")
	off := func(name string) int64 { return offset.Draw(t, name) }
	n := 10
	if side == Follower {
		n = 4
	}
	switch kind := rapid.IntRange(1, n).Draw(t, "kind"); {
	case side == Follower && kind == 1:
		return replication.Subscribe{From: member(), BrokerEpoch: epoch.Draw(t, "be"), Stream: s, Epoch: e, End: off("end"),
			Durable: off("durable"), LastEpoch: epoch.Draw(t, "last"), Void: rapid.Bool().Draw(t, "void")}
	case side == Follower && kind == 2:
		return replication.Ack{Epoch: e, Stream: s, Durable: off("durable")}
	case side == Follower && kind == 3:
		return replication.Drop{Epoch: e, Stream: s}
	case side == Follower:
		return replication.ProbeAck{From: member(), Epoch: e, Round: s}
	case kind == 1:
		return replication.Subscribed{Epoch: e, Stream: s}
	case kind == 2:
		return replication.Diverged{Epoch: e, Stream: s, Floor: epoch.Draw(t, "floor"), End: off("end")}
	case kind == 3:
		return replication.Refused{Epoch: e, Stream: s}
	case kind == 4:
		return replication.Probe{Epoch: e, Round: s}
	case kind == 6:
		return replication.Released{Epoch: e, Stream: s}
	case kind == 5:
		m := replication.OutOfRange{Epoch: e, Stream: s, DataStart: off("data"), LogStart: off("log")}
		for range rapid.IntRange(0, 5).Draw(t, "epochs") {
			m.History = append(m.History, replication.EpochStart{Epoch: epoch.Draw(t, "epoch"), Start: off("start")})
		}
		for range rapid.IntRange(0, 3).Draw(t, "producers") {
			m.Producers = append(m.Producers, replication.Producer{ID: max(off("producer"), 0), State: []byte("state")})
		}
		return m
	}
	m := replication.Data{Epoch: e, Stream: s, Previous: epoch.Draw(t, "previous"), Base: off("base"), HW: off("hw"),
		LogStart: off("log")}
	for range rapid.IntRange(0, 4).Draw(t, "batches") {
		size := rapid.IntRange(0, 400).Draw(t, "size")
		m.Batches = append(m.Batches, replication.Batch{Base: off("base"), End: off("end"), Epoch: epoch.Draw(t, "epoch"),
			Bytes: bytes.Repeat([]byte{7}, size)})
	}
	return m
}

// Whatever is sent comes back equal, in its order, and its batches lie in the frame.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.SampledFrom([]Side{Follower, Leader}).Draw(t, "side")
		from := Link{2, Leader + Follower - side, Live, 1}
		e := newEncoder()
		e.begin(nil)
		var want []Addressed
		sum := 0
		for range rapid.IntRange(0, 20).Draw(t, "messages") {
			p := Partition{rapid.Uint64().Draw(t, "topic"), rapid.Int32Range(0, math.MaxInt32).Draw(t, "index")}
			m := anyMessage(t, side)
			e.message(p, m)
			want = append(want, Addressed{p, m})
			sum += DataBytes(m)
		}
		in, err := newDecoder().entries(e.end()[frameHead:], from)
		require.NoError(t, err)
		if len(want) == 0 {
			require.Empty(t, in.events)
			return
		}
		require.Equal(t, []Event{Received{from, want, sum}}, in.events)
	})
}

// frameOf is the body of a frame of entries.
func frameOf(build func(*encoder)) []byte {
	e := newEncoder()
	e.begin(nil)
	build(e)
	return e.end()[frameHead:]
}

func TestMalformedEntries(t *testing.T) {
	leader, follower := Link{2, Leader, Live, 1}, Link{2, Follower, Live, 1}
	tooLong := make([]byte, MaxCallBytes+1)
	for name, tc := range map[string]struct {
		link Link
		body []byte
		want string
	}{
		"nothing":            {leader, nil, "EOF"},
		"no entries but one": {leader, []byte{0xdd, 0, 0, 0, 1}, "1 elements, with 0 bytes left"},
		"4 Gi entries":       {leader, []byte{0xdd, 255, 255, 255, 255}, "elements"},
		"unknown kind":       {leader, []byte{0x91, 0x92, 15, 0}, "15 is not in 1..14"},
		"kind 0":             {leader, []byte{0x91, 0x92, 0, 0}, "0 is not in 1..14"},
		"a field too few":    {leader, []byte{0x91, 0x91, kindCredit}, "1 elements, want 2"},
		"left over":          {leader, append(frameOf(func(*encoder) {}), 0), "1 bytes left over"},
		"data of a follower": {leader, frameOf(func(e *encoder) { e.message(p0, data(0, 1)) }), "from the wrong side"},
		"an ack of a leader": {follower, frameOf(func(e *encoder) { e.message(p0, ack(1)) }), "from the wrong side"},
		"credit of a leader": {follower, frameOf(func(e *encoder) { e.credit(1) }), "credit 1"},
		"credit that falls":  {leader, frameOf(func(e *encoder) { e.credit(2); e.credit(1) }), "credit 1 behind 2"},
		"a call too long":    {leader, frameOf(func(e *encoder) { e.call(kindCall, 1, tooLong) }), "at most"},
		"a negative offset":  {leader, frameOf(func(e *encoder) { e.message(p0, ack(-2)) }), "-2 is not in -1"},
		"a negative partition": {leader, frameOf(func(e *encoder) { e.message(Partition{1, -1}, ack(1)) }),
			"-1 is not in 0..2147483647"},
	} {
		t.Run(name, func(t *testing.T) {
			in, err := newDecoder().entries(tc.body, tc.link)
			require.ErrorContains(t, err, tc.want)
			require.Empty(t, in.events)
		})
	}
}

// FuzzEntries: no body makes the decoder panic; what it takes is encoded and read again as the same.
func FuzzEntries(f *testing.F) {
	f.Add(frameOf(func(e *encoder) { e.message(p0, data(3, 70)); e.message(p0, replication.Subscribed{Epoch: 1}) }), true)
	f.Add(frameOf(func(e *encoder) { e.message(p0, ack(3)); e.credit(9); e.call(kindCall, 1, []byte("x")) }), false)
	f.Add(frameOf(func(e *encoder) { e.message(p0, replication.Subscribe{Void: true}) }), false)
	outOfRange := replication.OutOfRange{History: replication.History{{Epoch: 1, Start: 2}}}
	f.Add(frameOf(func(e *encoder) { e.message(p0, outOfRange) }), true)
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff}, true)
	f.Fuzz(func(t *testing.T, body []byte, follower bool) {
		link := Link{1, Leader, Live, 1}
		if follower {
			link.Side = Follower
		}
		in, err := newDecoder().entries(body, link)
		if err != nil {
			return
		}
		again, err := newDecoder().entries(frameOf(func(e *encoder) {
			if in.released >= 0 {
				e.credit(in.released)
			}
			for _, ev := range in.events {
				switch ev := ev.(type) {
				case Received:
					for _, m := range ev.Messages {
						e.message(m.Partition, m.Message)
					}
				case Called:
					e.call(kindCall, ev.ID, ev.Body)
				case Answered:
					e.call(kindAnswer, ev.ID, ev.Body)
				}
			}
		}), link)
		require.NoError(t, err)
		require.Equal(t, in, again)
	})
}

// FuzzHandshake: no frame makes a decoder of the handshake panic, and one that is taken is what its encoder makes.
func FuzzHandshake(f *testing.F) {
	k := keys{[]byte(testSecret)}
	c := challenge{}.encode()
	h := hello{cluster: "c", from: Incarnation{2, 3, 4}, to: 1, class: Bulk, window: minWindow}
	f.Add(c)
	f.Add(h.encode(k, c))
	f.Add(welcome{Incarnation{1, 2, 3}, maxWindow}.encode(k, c, c))
	f.Add((&refusal{reasonFull, "text"}).encode())
	f.Fuzz(func(t *testing.T, frame []byte) {
		if ch, err := decodeChallenge(frame); err == nil {
			again, err := decodeChallenge(ch.encode())
			require.NoError(t, err)
			require.Equal(t, ch, again)
		}
		if h, err := decodeHello(frame); err == nil {
			again, err := decodeHello(h.encode(k, c))
			require.NoError(t, err)
			require.Equal(t, h, again)
		}
		if w, err := decodeWelcome(frame, 1); err == nil {
			again, err := decodeWelcome(w.encode(k, c, c), 1)
			require.NoError(t, err)
			require.Equal(t, w, again)
		}
		require.Error(t, decodeRefusal(frame))
	})
}

// FuzzReadFrame: however the bytes come, a frame is its length's and no more is allocated than twice what came.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 5}, uint16(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 5}, uint16(9))
	f.Fuzz(func(t *testing.T, b []byte, least uint16) {
		frame, err := readFrame(bytes.NewReader(b), int(least), maxFrame)
		if err == nil {
			require.Equal(t, b[:len(frame)], frame)
			require.GreaterOrEqual(t, len(frame), lengthBytes+int(least))
			require.LessOrEqual(t, cap(frame), max(2*len(b), lengthBytes+firstChunk))
		}
	})
}

// A frame grows beyond what is allocated at first, whatever its size.
func TestReadLargeFrame(t *testing.T) {
	for _, n := range []int{firstChunk - 1, firstChunk, firstChunk + 1, 5*firstChunk + 3} {
		s := newTestSealer(t)
		frame := s.seal(append([]byte{0, 0, 0, 0, typeEntries}, bytes.Repeat([]byte{3}, n)...))
		got, err := readFrame(bytes.NewReader(frame), 1, maxFrame)
		require.NoError(t, err)
		require.True(t, bytes.Equal(frame, got))
		_, err = readFrame(bytes.NewReader(frame[:len(frame)-1]), 1, maxFrame)
		require.ErrorContains(t, err, "unexpected EOF")
		body, err := newTestSealer(t).open(got)
		require.NoError(t, err)
		require.Len(t, body, n)
	}
}

func newTestSealer(t testing.TB) *sealer {
	s, err := newSealer(make([]byte, 16))
	require.NoError(t, err)
	return s
}

// A tag counts for one frame, as it is, in its place of its session, and in its direction.
func TestTags(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "body")
		at := rapid.IntRange(0, frameHead+len(body)+tagBytes-1).Draw(rt, "at")
		flip := byte(rapid.IntRange(1, 255).Draw(rt, "flip"))
		out, in := newTestSealer(t), newTestSealer(t)
		first := out.seal(append([]byte{0, 0, 0, 0, typeEntries}, body...))
		second := out.seal([]byte{0, 0, 0, 0, typeEntries})
		spoilt := bytes.Clone(first)
		spoilt[at] ^= flip
		for _, frame := range [][]byte{spoilt, second, first[:at], nil} {
			_, err := in.open(frame)
			require.ErrorIs(t, err, errTag)
		}
		got, err := in.open(first)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, got))
		_, err = in.open(first)
		require.ErrorIs(t, err, errTag)
	})
	k := keys{[]byte(testSecret)}
	dialler, listener, err := k.sealers([]byte("a"), []byte("b"))
	require.NoError(t, err)
	frame := dialler.seal([]byte{0, 0, 0, 0, typeEntries})
	_, err = listener.open(frame)
	require.ErrorIs(t, err, errTag, "each direction has its own key")
	other, _, err := k.sealers([]byte("a"), []byte("c"))
	require.NoError(t, err)
	_, err = other.open(frame)
	require.ErrorIs(t, err, errTag, "each session has its own key")
}
