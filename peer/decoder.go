package peer

import (
	"bytes"
	"fmt"
	"math"

	"github.com/skidway/skidway/internal/bounded"
	"github.com/skidway/skidway/replication"
)

// inbox takes what a frame holds, in its order.
type inbox struct {
	messages []Addressed
	data     int // DataBytes of messages
	events   []Event
	released int64 // the peer's newest credit; -1: it told none
	link     Link
}

// flush turns the messages so far into an event.
func (in *inbox) flush() {
	if len(in.messages) > 0 {
		in.events = append(in.events, Received{in.link, in.messages, in.data})
		in.messages, in.data = nil, 0
	}
}

// decoder reads the entries of a frame's body. Batches stay where they are. It is not safe for
// concurrent use.
type decoder struct{ *bounded.Decoder }

func newDecoder() decoder { return decoder{bounded.NewDecoder(nil)} }

// entries reads a body that came on the link. A fault ends the link, so what was read before
// it does not count.
func (d decoder) entries(body []byte, link Link) (inbox, error) {
	d.Reset(body)
	in := inbox{released: -1, link: link}
	n := d.Array(math.MaxInt32)
	for range n {
		if d.Err() != nil {
			break
		}
		d.entry(&in)
	}
	if err := d.End(); err != nil {
		return inbox{}, fmt.Errorf("peer: malformed frame: %w", err)
	}
	in.flush()
	return in, nil
}

// fieldsOf is how many elements an entry of each kind has.
var fieldsOf = [...]int{
	kindSubscribe: 12, kindSubscribed: 5, kindDiverged: 7, kindRefused: 5, kindOutOfRange: 9, kindData: 10,
	kindAck: 6, kindDrop: 5, kindProbe: 5, kindProbeAck: 7, kindCredit: 2, kindCall: 3, kindAnswer: 3,
	kindReleased: 5,
}

func (d decoder) entry(in *inbox) {
	fields := d.Array(math.MaxInt32)
	kind := d.Int(1, int64(len(fieldsOf)-1))
	if d.Err() != nil {
		return
	}
	if fields != fieldsOf[kind] {
		d.Fail(fmt.Errorf("entry of kind %d: %d elements, want %d", kind, fields, fieldsOf[kind]))
		return
	}
	switch kind {
	case kindCredit:
		released := d.Int(0, math.MaxInt64)
		if in.link.Side != Leader || released < in.released {
			d.Fail(fmt.Errorf("credit %d behind %d", released, in.released))
		}
		in.released = released
	case kindCall, kindAnswer:
		id := d.Uint()
		body := bytes.Clone(d.Bytes(MaxCallBytes))
		in.flush()
		if kind == kindCall {
			in.events = append(in.events, Called{in.link, id, body})
		} else {
			in.events = append(in.events, Answered{in.link, id, body})
		}
	default:
		p := Partition{d.Uint(), d.int32(0)}
		m := d.message(kind)
		if sideOf(m) == in.link.Side {
			d.Fail(fmt.Errorf("%T from the wrong side of a link", m))
		}
		in.messages = append(in.messages, Addressed{p, m})
		in.data += DataBytes(m)
	}
}

func (d decoder) int32(low int64) int32 { return int32(d.Int(low, math.MaxInt32)) }

// epoch reads a leader epoch, or NoEpoch.
func (d decoder) epoch() int32 { return d.int32(int64(replication.NoEpoch)) }

// offset reads an offset, or -1 for none.
func (d decoder) offset() int64 { return d.Int(-1, math.MaxInt64) }

func (d decoder) member() replication.Member {
	return replication.Member{Broker: d.int32(0), Storage: d.Uint()}
}

// message reads the fields behind the partition. Go evaluates operands in order, left to right.
func (d decoder) message(kind int64) replication.Message {
	switch kind {
	case kindSubscribe:
		return replication.Subscribe{
			From: d.member(), BrokerEpoch: d.int32(int64(Unregistered)), Stream: d.Uint(), Epoch: d.epoch(),
			End: d.offset(), Durable: d.offset(), LastEpoch: d.epoch(), Void: d.Int(0, 1) == 1,
		}
	case kindSubscribed:
		return replication.Subscribed{Epoch: d.epoch(), Stream: d.Uint()}
	case kindDiverged:
		return replication.Diverged{Epoch: d.epoch(), Stream: d.Uint(), Floor: d.epoch(), End: d.offset()}
	case kindReleased:
		return replication.Released{Epoch: d.epoch(), Stream: d.Uint()}
	case kindRefused:
		return replication.Refused{Epoch: d.epoch(), Stream: d.Uint()}
	case kindOutOfRange:
		return replication.OutOfRange{
			Epoch: d.epoch(), Stream: d.Uint(), DataStart: d.offset(), LogStart: d.offset(), History: d.history(),
			Producers: d.producers(),
		}
	case kindData:
		return replication.Data{
			Epoch: d.epoch(), Stream: d.Uint(), Previous: d.epoch(), Base: d.offset(), HW: d.offset(),
			LogStart: d.offset(), Batches: d.batches(),
		}
	case kindAck:
		return replication.Ack{Epoch: d.epoch(), Stream: d.Uint(), Durable: d.offset()}
	case kindDrop:
		return replication.Drop{Epoch: d.epoch(), Stream: d.Uint()}
	case kindProbe:
		return replication.Probe{Epoch: d.epoch(), Round: d.Uint()}
	}
	return replication.ProbeAck{From: d.member(), Epoch: d.epoch(), Round: d.Uint()}
}

// maxProducerState bounds what a log knows of one producer.
const maxProducerState = 4096

func (d decoder) producers() (list []replication.Producer) {
	for range d.Array(maxProducers) {
		d.ArrayOf(2)
		p := replication.Producer{ID: d.Int(0, math.MaxInt64), State: bytes.Clone(d.Bytes(maxProducerState))}
		if d.Err() != nil {
			return nil
		}
		list = append(list, p)
	}
	return list
}

func (d decoder) history() (h replication.History) {
	for range d.Array(maxHistory) {
		if d.Err() != nil {
			return nil
		}
		d.ArrayOf(2)
		h = append(h, replication.EpochStart{Epoch: d.epoch(), Start: d.offset()})
	}
	return h
}

// leastBatch is the fewest bytes that a batch takes in a frame.
const leastBatch = 6

func (d decoder) batches() []replication.Batch {
	n := d.Array(maxFrame / leastBatch)
	if n == 0 {
		return nil
	}
	batches := make([]replication.Batch, 0, min(n, 64))
	for range n {
		if d.Err() != nil {
			return nil
		}
		d.ArrayOf(4)
		batches = append(batches, replication.Batch{
			Base: d.offset(), End: d.offset(), Epoch: d.epoch(), Bytes: d.Bytes(MaxDataBytes),
		})
	}
	return batches
}
