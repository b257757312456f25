package group

import (
	"fmt"
	"math"
	"time"
)

// Node is the data of a group's node. A broker that takes a group over reads it, puts itself in as the
// coordinator, writes it with the version that it read, and only then reads the rest and calls Restore.
type Node struct {
	GID         uint64
	Created     time.Time // to the millisecond
	Coordinator Coordinator
	Epoch       int32 // the group epoch
	TargetEpoch int32 // the group epoch that the target was computed for
	Assignor    Assignor
	History     []Rebalance
	Unknown     []byte // encoded fields that only a newer version knows
	UnknownLen  int    // how many
}

// nodeFields counts the elements of a group's node, the format included.
const nodeFields = 9

// Encode returns the data: the same bytes for the same node. docs/format/groups.md draws them.
func (n Node) Encode() []byte {
	e := newEncoder(nodeFields + n.UnknownLen)
	e.uint(n.GID)
	e.int(n.Created.UnixMilli())
	e.int(int64(n.Coordinator.Broker))
	e.int(n.Coordinator.Epoch)
	e.int(int64(n.Epoch))
	e.int(int64(n.TargetEpoch))
	e.int(int64(n.Assignor))
	e.history(n.History)
	e.raw(n.Unknown)
	return e.buf.Bytes()
}

// DecodeNode reads the data of a group's node. The error wraps ErrCorrupt or ErrNewerFormat.
func DecodeNode(data []byte) (Node, error) {
	d, more := newDecoder(data, nodeFields)
	var n Node
	n.GID = d.Uint()
	n.Created = d.time()
	n.Coordinator.Broker = d.int32(math.MinInt32)
	n.Coordinator.Epoch = d.Int(math.MinInt64, math.MaxInt64)
	n.Epoch = d.epoch()
	n.TargetEpoch = d.epoch()
	n.Assignor = Assignor(d.Int(int64(Range), int64(Uniform)))
	n.History = d.history()
	if d.Err() == nil && (n.GID == 0 || n.TargetEpoch > n.Epoch) {
		d.Fail(fmt.Errorf("gid %d, target epoch %d of %d", n.GID, n.TargetEpoch, n.Epoch))
	}
	var err error
	n.UnknownLen = more
	if n.Unknown, err = d.tail(more); err != nil {
		return Node{}, fmt.Errorf("node of a group: %w", err)
	}
	return n, nil
}

func (e *encoder) history(list []Rebalance) {
	e.array(len(list))
	for _, r := range list {
		e.array(7)
		e.int(r.Time.UnixMilli())
		e.int(int64(r.Epoch))
		e.int(int64(r.Reason))
		e.text(r.Detail)
		e.int(int64(r.Events))
		e.int(int64(r.Moved))
		if r.Duration < 0 {
			e.int(-1)
		} else {
			e.int(r.Duration.Microseconds())
		}
	}
}

func (d decoder) history() (list []Rebalance) {
	for range d.Array(MaxHistory) {
		d.ArrayOf(7)
		r := Rebalance{
			Time: d.time(), Epoch: d.epoch(), Reason: Reason(d.Int(1, math.MaxInt8)), Detail: d.Text(maxDetailBytes),
			Events: int(d.int32(0)), Moved: int(d.int32(0)), Duration: -1,
		}
		if us := d.Int(-1, math.MaxInt64/1000); us >= 0 {
			r.Duration = time.Duration(us) * time.Microsecond
		}
		list = append(list, r)
	}
	return list
}

func (d decoder) int32(low int64) int32 { return int32(d.Int(low, math.MaxInt32)) }

// maxEpoch bounds epochs that are read: a damaged one must not use up those that are left.
const maxEpoch = 1 << 30

func (d decoder) epoch() int32 { return int32(d.Int(0, maxEpoch)) }

// time reads milliseconds since 1970.
func (d decoder) time() time.Time { return time.UnixMilli(d.Int(math.MinInt64, math.MaxInt64)) }

func (g *Group) encodeNode() []byte {
	return Node{
		GID: g.identity.GID, Created: g.identity.Created, Coordinator: g.identity.Coordinator, Epoch: g.epoch,
		TargetEpoch: g.targetEpoch, Assignor: g.assignor, History: g.history, Unknown: g.tail, UnknownLen: g.tailLen,
	}.Encode()
}

// memberFields counts the elements of a member's node, the format included.
const memberFields = 12

// encodeMember returns the data of a member's node. The id is in the path.
func encodeMember(m *member) []byte {
	e := newEncoder(memberFields + m.tailLen)
	e.int(int64(m.epoch))
	e.int(int64(m.confirmed))
	e.text(m.instance)
	e.text(m.clientID)
	e.text(m.host)
	e.text(m.rack)
	e.int(m.rebalanceTimeout.Milliseconds())
	e.int(int64(m.assignor))
	if m.away {
		e.int(1)
	} else {
		e.int(0)
	}
	e.text(m.regex)
	e.array(len(m.names))
	for _, name := range m.names {
		e.text(name)
	}
	e.raw(m.tail)
	return e.buf.Bytes()
}

// decodeMember reads the data of the node of the member of that id.
func decodeMember(id string, data []byte) (*member, error) {
	d, more := newDecoder(data, memberFields)
	m := &member{id: id, epoch: d.epoch(), confirmed: d.epoch()}
	m.instance, m.clientID = d.Text(MaxTextBytes), d.Text(MaxTextBytes)
	m.host, m.rack = d.Text(MaxTextBytes), d.Text(MaxTextBytes)
	m.rebalanceTimeout = time.Duration(d.Int(1, MaxRebalanceTimeout.Milliseconds())) * time.Millisecond
	m.assignor = Assignor(d.Int(0, int64(Uniform)))
	m.away = d.Int(0, 1) == 1
	m.regex = d.Text(MaxRegexBytes)
	for i := range d.Array(MaxSubscribedTopics) {
		name := d.Text(MaxTextBytes)
		if i > 0 && name <= m.names[i-1] && d.Err() == nil {
			d.Fail(fmt.Errorf("topic %q out of order", clip(name)))
		}
		m.names = append(m.names, name)
	}
	if d.Err() == nil && (m.confirmed > m.epoch || m.away && m.instance == "") {
		d.Fail(fmt.Errorf("epoch %d confirmed of %d, away %v, instance %q", m.confirmed, m.epoch, m.away, m.instance))
	}
	if d.Err() == nil && m.regex != "" {
		if _, err := compile(m.regex); err != nil {
			d.Fail(err)
		}
	}
	var err error
	m.tailLen = more
	if m.tail, err = d.tail(more); err != nil {
		return nil, fmt.Errorf("member %q of a group: %w", clip(id), err)
	}
	return m, nil
}
