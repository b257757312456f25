package peer

import (
	"encoding/binary"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/skidway/skidway/replication"
)

// The kinds of entries: the first element of each. Numbers are never used twice.
const (
	kindSubscribe = iota + 1
	kindSubscribed
	kindDiverged
	kindRefused
	kindOutOfRange
	kindData
	kindAck
	kindDrop
	kindProbe
	kindProbeAck
	kindCredit
	kindCall
	kindAnswer
	kindReleased
)

const (
	maxHistory   = 1 << 16 // leader epochs in an OutOfRange
	maxProducers = 1 << 16 // producers in an OutOfRange
)

// encoder builds one frame of entries in buf. Not safe for concurrent use.
type encoder struct {
	buf   []byte
	count uint32 // entries
	mp    *msgpack.Encoder
}

func newEncoder() *encoder {
	e := &encoder{}
	e.mp = msgpack.NewEncoder(e)
	return e
}

// begin starts a frame in the memory of buf, which is overwritten. The array's count is filled in at its end.
func (e *encoder) begin(buf []byte) {
	e.buf = append(buf[:0], 0, 0, 0, 0, typeEntries, msgpcode.Array32, 0, 0, 0, 0)
	e.count = 0
}

// end gives the frame away, complete but for its length and tag.
func (e *encoder) end() []byte {
	binary.BigEndian.PutUint32(e.buf[frameHead+1:], e.count)
	frame := e.buf
	e.buf, e.count = nil, 0
	return frame
}

// Write makes the encoder a target of msgpack.Encoder. It never fails.
func (e *encoder) Write(p []byte) (int, error) {
	e.buf = append(e.buf, p...)
	return len(p), nil
}

// WriteByte makes the encoder a target of msgpack.Encoder. It never fails.
func (e *encoder) WriteByte(c byte) error {
	e.buf = append(e.buf, c)
	return nil
}

// ok states an invariant: writing into memory does not fail.
func (e *encoder) ok(err error) {
	if err != nil {
		panic("peer: encoding into memory failed: " + err.Error())
	}
}

func (e *encoder) array(n int) { e.ok(e.mp.EncodeArrayLen(n)) }

func (e *encoder) ints(vs ...int64) {
	for _, v := range vs {
		e.ok(e.mp.EncodeInt(v))
	}
}

func (e *encoder) uint(v uint64) { e.ok(e.mp.EncodeUint(v)) }

func (e *encoder) bytes(b []byte) {
	e.ok(e.mp.EncodeBytesLen(len(b)))
	e.buf = append(e.buf, b...)
}

// entry begins an entry of a partition with that many fields behind the partition.
func (e *encoder) entry(kind int64, p Partition, fields int) {
	e.count++
	e.array(3 + fields)
	e.ints(kind)
	e.uint(p.Topic)
	e.ints(int64(p.Index))
}

// stream begins an entry whose first fields are an epoch and a stream.
func (e *encoder) stream(kind int64, p Partition, epoch int32, stream uint64, more ...int64) {
	e.entry(kind, p, 2+len(more))
	e.ints(int64(epoch))
	e.uint(stream)
	e.ints(more...)
}

// message adds a message. Its kind is one that sideOf knows.
func (e *encoder) message(p Partition, m replication.Message) {
	switch m := m.(type) {
	case replication.Subscribe:
		e.subscribe(p, m)
	case replication.Subscribed:
		e.stream(kindSubscribed, p, m.Epoch, m.Stream)
	case replication.Diverged:
		e.stream(kindDiverged, p, m.Epoch, m.Stream, int64(m.Floor), m.End)
	case replication.Refused:
		e.stream(kindRefused, p, m.Epoch, m.Stream)
	case replication.Released:
		e.stream(kindReleased, p, m.Epoch, m.Stream)
	case replication.OutOfRange:
		e.outOfRange(p, m)
	case replication.Data:
		e.data(p, m)
	case replication.Ack:
		e.stream(kindAck, p, m.Epoch, m.Stream, m.Durable)
	case replication.Drop:
		e.stream(kindDrop, p, m.Epoch, m.Stream)
	case replication.Probe:
		e.stream(kindProbe, p, m.Epoch, m.Round)
	case replication.ProbeAck:
		e.entry(kindProbeAck, p, 4)
		e.ints(int64(m.From.Broker))
		e.uint(m.From.Storage)
		e.ints(int64(m.Epoch))
		e.uint(m.Round)
	}
}

func (e *encoder) subscribe(p Partition, m replication.Subscribe) {
	void := int64(0)
	if m.Void {
		void = 1
	}
	e.entry(kindSubscribe, p, 9)
	e.ints(int64(m.From.Broker))
	e.uint(m.From.Storage)
	e.ints(int64(m.BrokerEpoch))
	e.uint(m.Stream)
	e.ints(int64(m.Epoch), m.End, m.Durable, int64(m.LastEpoch), void)
}

func (e *encoder) outOfRange(p Partition, m replication.OutOfRange) {
	e.entry(kindOutOfRange, p, 6)
	e.ints(int64(m.Epoch))
	e.uint(m.Stream)
	e.ints(m.DataStart, m.LogStart)
	e.array(len(m.History))
	for _, h := range m.History {
		e.array(2)
		e.ints(int64(h.Epoch), h.Start)
	}
	e.array(len(m.Producers))
	for _, x := range m.Producers {
		e.array(2)
		e.ints(x.ID)
		e.bytes(x.State)
	}
}

func (e *encoder) data(p Partition, m replication.Data) {
	e.entry(kindData, p, 7)
	e.ints(int64(m.Epoch))
	e.uint(m.Stream)
	e.ints(int64(m.Previous), m.Base, m.HW, m.LogStart)
	e.array(len(m.Batches))
	for _, b := range m.Batches {
		e.array(4)
		e.ints(b.Base, b.End, int64(b.Epoch))
		e.bytes(b.Bytes)
	}
}

// credit adds how many bytes of Data were released in all.
func (e *encoder) credit(released int64) {
	e.count++
	e.array(2)
	e.ints(kindCredit, released)
}

// call adds a call or an answer.
func (e *encoder) call(kind int64, id uint64, body []byte) {
	e.count++
	e.array(3)
	e.ints(kind)
	e.uint(id)
	e.bytes(body)
}

// sideOf tells which side sends a message; 0: it is none that can be sent.
func sideOf(m replication.Message) Side {
	switch m.(type) {
	case replication.Subscribe, replication.Ack, replication.Drop, replication.ProbeAck:
		return Follower
	case replication.Subscribed, replication.Diverged, replication.Refused, replication.Released,
		replication.OutOfRange, replication.Data, replication.Probe:
		return Leader
	}
	return 0
}
