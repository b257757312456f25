package replication

import (
	"bytes"
	"fmt"
	"math"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/skidway/skidway/internal/bounded"
	"github.com/skidway/skidway/metadata"
)

// stateFormat is the first element of a partition's node. It is raised when an older
// broker would misread the node. Fields that are added behind the others leave it.
const stateFormat = 1

const (
	stateFields = 14 // with the format
	maxReplicas = 1024
	maxUnclean  = 1 << 16
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
	d := stateDecoder{bounded.NewDecoder(data)}
	fields := d.Array(math.MaxInt32)
	if format := d.Int(1, math.MaxInt64); d.Err() == nil && format > stateFormat {
		return State{}, fmt.Errorf("partition state: %w: format %d, this version reads up to %d",
			metadata.ErrNewerFormat, format, stateFormat)
	}
	if fields < stateFields {
		d.Fail(fmt.Errorf("%d fields, at least %d are needed", fields, stateFields))
	}
	s := d.state()
	for i := stateFields; i < fields && d.Err() == nil; i++ {
		s.Unknown = append(s.Unknown, bytes.Clone(d.Raw()))
	}
	if err := d.End(); err != nil {
		return State{}, fmt.Errorf("partition state: %w: %w", metadata.ErrCorrupt, err)
	}
	return s, nil
}

type stateDecoder struct{ *bounded.Decoder }

func (d stateDecoder) state() (s State) {
	s.Replicas, s.Adding, s.Removing = d.list(maxReplicas), d.list(maxReplicas), d.list(maxReplicas)
	s.MinISR = d.int32(1, maxReplicas)
	s.Leader = d.int32(NoLeader, math.MaxInt32)
	s.LeaderBrokerEpoch = d.int32(math.MinInt32, math.MaxInt32)
	s.LeaderEpoch = d.int32(0, math.MaxInt32)
	s.ISR, s.ELR = d.members(), d.members()
	s.LastLeader = d.int32(NoLeader, math.MaxInt32)
	s.UncleanEpochs = d.list(maxUnclean)
	s.ControllerEpoch = d.int32(0, math.MaxInt32)
	d.ArrayOf(3)
	s.Change.By = d.int32(math.MinInt32, math.MaxInt32)
	s.Change.BrokerEpoch = d.int32(math.MinInt32, math.MaxInt32)
	s.Change.Seq = d.Int(math.MinInt64, math.MaxInt64)
	return s
}

func (d stateDecoder) int32(low, high int32) int32 { return int32(d.Int(int64(low), int64(high))) }

func (d stateDecoder) list(most int) (out []int32) {
	for range d.Array(most) {
		out = append(out, d.int32(0, math.MaxInt32))
	}
	return out
}

func (d stateDecoder) members() (out []Member) {
	for range d.Array(maxReplicas) {
		d.ArrayOf(2)
		out = append(out, Member{Broker: d.int32(0, math.MaxInt32), Storage: d.Uint()})
	}
	return out
}
