package replication

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/skidway/skidway/metadata"
)

// stateFormat is the first element of a partition's node. It is raised when an older
// broker would misread the node. Fields that are added behind the others leave it.
const stateFormat = 1

const (
	stateFields = 14 // with the format
	maxReplicas = 1024
	maxUnclean  = 1 << 16
	maxDepth    = 16
	maxInt32    = math.MaxInt32
)

// EncodeState returns the data of a partition's node: the same bytes for the same state.
//
//	msgpack array: format, replicas, adding, removing, minIsr, leader, leaderBrokerEpoch,
//	  leaderEpoch, isr, elr, lastLeader, uncleanEpochs, controllerEpoch,
//	  [by, brokerEpoch, seq] + unknown elements as they came; a member is [broker, storage]
func EncodeState(s State) []byte {
	var buf bytes.Buffer
	e := stateEncoder{msgpack.NewEncoder(&buf)}
	must(e.EncodeArrayLen(stateFields + len(s.Unknown)))
	e.ints(stateFormat)
	e.list(s.Replicas)
	e.list(s.Adding)
	e.list(s.Removing)
	e.ints(s.MinISR, s.Leader, s.LeaderBrokerEpoch, s.LeaderEpoch)
	e.members(s.ISR)
	e.members(s.ELR)
	e.ints(s.LastLeader)
	e.list(s.UncleanEpochs)
	e.ints(s.ControllerEpoch)
	must(e.EncodeArrayLen(3))
	e.ints(s.Change.By, s.Change.BrokerEpoch)
	must(e.EncodeInt(s.Change.Seq))
	for _, raw := range s.Unknown {
		buf.Write(raw)
	}
	return buf.Bytes()
}

type stateEncoder struct{ *msgpack.Encoder }

func (e stateEncoder) ints(vs ...int32) {
	for _, v := range vs {
		must(e.EncodeInt(int64(v)))
	}
}

func (e stateEncoder) list(vs []int32) {
	must(e.EncodeArrayLen(len(vs)))
	e.ints(vs...)
}

func (e stateEncoder) members(ms []Member) {
	must(e.EncodeArrayLen(len(ms)))
	for _, m := range ms {
		must(e.EncodeArrayLen(2))
		must(e.EncodeInt(int64(m.Broker)))
		must(e.EncodeUint(m.Storage))
	}
}

// must panics on an error that only a broken invariant can cause: encoding into memory does not fail.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("replication: encoding into memory failed: %v", err))
	}
}

// DecodeState reads the data of a partition's node. The error wraps
// metadata.ErrCorrupt or metadata.ErrNewerFormat. The result shares no memory with data.
func DecodeState(data []byte) (State, error) {
	d := stateDecoder{size: len(data)}
	d.r.Reset(data)
	d.Decoder = msgpack.NewDecoder(&d.r)
	fields := d.array(math.MaxInt32)
	if format := d.int(1, math.MaxInt64); d.err == nil && format > stateFormat {
		return State{}, fmt.Errorf("partition state: %w: format %d, this version reads up to %d",
			metadata.ErrNewerFormat, format, stateFormat)
	}
	if d.err == nil && fields < stateFields {
		d.err = fmt.Errorf("%d fields, at least %d are needed", fields, stateFields)
	}
	s := d.state()
	for i := stateFields; i < fields && d.err == nil; i++ {
		start := d.size - d.r.Len()
		if d.err = d.skip(maxDepth); d.err == nil {
			s.Unknown = append(s.Unknown, bytes.Clone(data[start:d.size-d.r.Len()]))
		}
	}
	if d.err == nil && d.r.Len() > 0 {
		d.err = fmt.Errorf("%d bytes left over", d.r.Len())
	}
	if d.err != nil {
		return State{}, fmt.Errorf("partition state: %w: %w", metadata.ErrCorrupt, d.err)
	}
	return s, nil
}

// stateDecoder keeps the first fault; all that is read after it is zero. Nothing is
// allocated for a count before it was held against the bytes that are left.
type stateDecoder struct {
	*msgpack.Decoder
	r    bytes.Reader
	size int
	err  error
}

func (d *stateDecoder) state() (s State) {
	s.Replicas, s.Adding, s.Removing = d.list(maxReplicas, 0), d.list(maxReplicas, 0), d.list(maxReplicas, 0)
	s.MinISR = int32(d.int(1, maxReplicas))
	s.Leader = int32(d.int(int64(NoLeader), maxInt32))
	s.LeaderBrokerEpoch = int32(d.int(math.MinInt32, maxInt32))
	s.LeaderEpoch = int32(d.int(0, maxInt32))
	s.ISR, s.ELR = d.members(), d.members()
	s.LastLeader = int32(d.int(int64(NoLeader), maxInt32))
	s.UncleanEpochs = d.list(maxUnclean, 0)
	s.ControllerEpoch = int32(d.int(0, maxInt32))
	if n := d.array(3); d.err == nil && n != 3 {
		d.err = fmt.Errorf("change of %d fields", n)
	}
	s.Change.By = int32(d.int(math.MinInt32, maxInt32))
	s.Change.BrokerEpoch = int32(d.int(math.MinInt32, maxInt32))
	s.Change.Seq = d.int(math.MinInt64, math.MaxInt64)
	return s
}

func (d *stateDecoder) array(most int) int {
	if d.err != nil {
		return 0
	}
	c, err := d.PeekCode()
	if err == nil && !msgpcode.IsFixedArray(c) && c != msgpcode.Array16 && c != msgpcode.Array32 {
		err = fmt.Errorf("no array (code %#x)", c)
	}
	n := 0
	if err == nil {
		n, err = d.DecodeArrayLen()
	}
	if err == nil && (n > d.r.Len() || n > most) {
		err = fmt.Errorf("array of %d elements, at most %d fit", n, min(most, d.r.Len()))
	}
	if d.err = err; err != nil {
		return 0
	}
	return n
}

func (d *stateDecoder) int(low, high int64) int64 {
	if d.err != nil {
		return 0
	}
	c, err := d.PeekCode()
	if err == nil && !isInt(c) {
		err = fmt.Errorf("no integer (code %#x)", c)
	}
	var v int64
	if err == nil {
		v, err = d.DecodeInt64()
	}
	if err == nil && (v < low || v > high) {
		err = fmt.Errorf("number %d, must be from %d to %d", v, low, high)
	}
	if d.err = err; err != nil {
		return 0
	}
	return v
}

func isInt(c byte) bool {
	return msgpcode.IsFixedNum(c) || c >= msgpcode.Uint8 && c <= msgpcode.Int64
}

func (d *stateDecoder) list(most int, low int64) (out []int32) {
	for range d.array(most) {
		out = append(out, int32(d.int(low, maxInt32)))
	}
	return out
}

func (d *stateDecoder) members() (out []Member) {
	for range d.array(maxReplicas) {
		if n := d.array(2); d.err == nil && n != 2 {
			d.err = fmt.Errorf("member of %d fields", n)
		}
		m := Member{Broker: int32(d.int(0, maxInt32))}
		if d.err == nil {
			c, err := d.PeekCode()
			if err == nil && !isInt(c) {
				err = fmt.Errorf("no integer (code %#x)", c)
			}
			if err == nil {
				m.Storage, err = d.DecodeUint64()
			}
			d.err = err
		}
		out = append(out, m)
	}
	return out
}

// skip moves past one value of any type, at most depth deep, and allocates nothing for it.
func (d *stateDecoder) skip(depth int) error {
	if depth == 0 {
		return errors.New("nested too deep")
	}
	c, err := d.PeekCode()
	if err != nil {
		return err
	}
	values, size := 0, 0 // that follow
	switch {
	case msgpcode.IsFixedMap(c), c == msgpcode.Map16, c == msgpcode.Map32:
		values, err = d.DecodeMapLen()
		values *= 2
	case msgpcode.IsFixedArray(c), c == msgpcode.Array16, c == msgpcode.Array32:
		values, err = d.DecodeArrayLen()
	case msgpcode.IsString(c), msgpcode.IsBin(c):
		size, err = d.DecodeBytesLen()
	case msgpcode.IsExt(c):
		_, size, err = d.DecodeExtHeader()
	default:
		return d.Skip()
	}
	if err == nil && (values > d.r.Len() || size > d.r.Len()) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	for range values {
		if err := d.skip(depth - 1); err != nil {
			return err
		}
	}
	_, err = d.r.Seek(int64(size), io.SeekCurrent)
	return err
}
