package cluster

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/skidway/skidway/metadata"
)

// OrderKind is what an operator asks for.
type OrderKind int8

// The kinds of order.
const (
	Reassign     OrderKind = iota + 1 // a partition is to have other replicas
	ElectUnclean                      // a partition is to be led by a broker, though what was acknowledged may be lost
	Preferred                         // leaderships are to go back to the first of the replicas now
	Drain                             // a broker is to lead nothing
	Decommission                      // a broker is to hold nothing
)

// String returns the name of the kind's node.
func (k OrderKind) String() string {
	switch k {
	case Reassign:
		return "reassign"
	case ElectUnclean:
		return "elect"
	case Preferred:
		return "preferred"
	case Drain:
		return "drain"
	case Decommission:
		return "decommission"
	}
	return fmt.Sprintf("order(%d)", int8(k))
}

// ordersPath is above the nodes of all orders, one a kind. Preferred is itself one; the others have a child an order.
const ordersPath = "/admin"

// orderKinds that have a child an order.
var orderKinds = []OrderKind{Reassign, ElectUnclean, Drain, Decommission}

func (k OrderKind) path() string { return ordersPath + "/" + k.String() }

// ofPartition tells whether orders of the kind are about a partition, and not about a broker.
func (k OrderKind) ofPartition() bool { return k == Reassign || k == ElectUnclean }

// orderKey names an order: there is one of a kind about a thing.
type orderKey struct {
	kind      OrderKind
	partition PartitionID // of kinds that are about one
	broker    int32       // of the others
}

func (k orderKey) compare(o orderKey) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), k.partition.compare(o.partition), cmp.Compare(k.broker, o.broker))
}

func (k orderKey) path() string {
	switch {
	case k.kind == Preferred:
		return k.kind.path()
	case k.kind.ofPartition():
		return fmt.Sprintf("%s/%d-%d", k.kind.path(), k.partition.Topic, k.partition.Index)
	}
	return k.kind.path() + "/" + strconv.Itoa(int(k.broker))
}

// isOrder tells whether the path is that of an order, or of what orders lie below.
func isOrder(path string) bool { return strings.HasPrefix(path, ordersPath+"/") }

// isOrderList tells whether orders lie below the path.
func isOrderList(path string) bool {
	return slices.ContainsFunc(orderKinds, func(k OrderKind) bool { return k.path() == path })
}

// parseOrder reads the path of an order's node.
func parseOrder(path string) (key orderKey, ok bool) {
	if path == Preferred.path() {
		return orderKey{kind: Preferred}, true
	}
	for _, kind := range orderKinds {
		name, found := strings.CutPrefix(path, kind.path()+"/")
		switch {
		case !found:
		case kind.ofPartition():
			topic, index, dash := strings.Cut(name, "-")
			id, ok := parsePartition(partitionsPath + "/" + topic + "/" + index)
			key = orderKey{kind: kind, partition: id}
			return key, dash && ok && key.path() == path
		default:
			id, err := strconv.ParseInt(name, 10, 32)
			key = orderKey{kind: kind, broker: int32(id)}
			return key, err == nil && id >= 0 && key.path() == path
		}
	}
	return orderKey{}, false
}

// Order is what an operator asked for, as the metadata store holds it: until the controller has carried it out or, of
// Drain and Decommission, until it is withdrawn.
type Order struct {
	Kind      OrderKind
	Partition PartitionID // of Reassign and ElectUnclean
	Broker    int32       // of ElectUnclean, Drain and Decommission
	// LeaderEpoch is the one that the operator saw, of ElectUnclean: in another one the order does nothing.
	LeaderEpoch int32
	// Target are the replicas that a partition is to have, and Before those that it had when the first order was
	// given that is not carried out yet: to go back to. Of Reassign.
	Target, Before []int32
	// Throttle bounds the bytes a second that each broker ships to replicas that are added by orders of that rate; 0: no
	// bound of the order's own. Of Reassign.
	Throttle int64

	unknown [][]byte // fields that only a newer version knows, encoded; kept when the order is written again
	version int32    // of the node
}

func (o *Order) key() orderKey {
	k := orderKey{kind: o.Kind}
	switch {
	case o.Kind == Preferred:
	case o.Kind.ofPartition():
		k.partition = o.Partition
	default:
		k.broker = o.Broker
	}
	return k
}

const (
	orderFormat = 1
	orderFields = 6
	// maxOrderReplicas bounds the replicas that an order names.
	maxOrderReplicas = 1024
)

// encode returns the data of the order's node.
//
//	msgpack array: format, broker, leader epoch, target, before, throttle + unknown elements as they came
func (o *Order) encode() []byte {
	e := newEncoder(orderFields+len(o.unknown), orderFormat)
	e.int(int64(o.Broker))
	e.int(int64(o.LeaderEpoch))
	e.ids(o.Target)
	e.ids(o.Before)
	e.int(o.Throttle)
	for _, raw := range o.unknown {
		e.buf.Write(raw)
	}
	return e.buf.Bytes()
}

func decodeOrder(key orderKey, node metadata.Node) (Order, error) {
	d := newDecoder(node.Data, orderFields, orderFormat)
	o := Order{
		Kind: key.kind, Partition: key.partition, Broker: int32(d.Int(0, math.MaxInt32)),
		LeaderEpoch: int32(d.Int(0, math.MaxInt32)), Target: d.ids(), Before: d.ids(),
		Throttle: d.Int(0, math.MaxInt64), version: node.Version,
	}
	if d.Err() == nil && d.newer == nil {
		for ; d.more > 0 && d.Err() == nil; d.more-- {
			o.unknown = append(o.unknown, bytes.Clone(d.Raw()))
		}
	}
	switch {
	case !key.kind.ofPartition() && o.Broker != key.broker:
		d.Fail(fmt.Errorf("the order is about broker %d", o.Broker))
	case key.kind == Reassign && (len(o.Target) == 0 || len(o.Before) == 0):
		d.Fail(fmt.Errorf("%d replicas, after %d", len(o.Target), len(o.Before)))
	}
	return o, d.end(node.Path)
}

func (e encoder) ids(list []int32) {
	must(e.enc.EncodeArrayLen(len(list)))
	for _, id := range list {
		e.int(int64(id))
	}
}

func (d *decoder) ids() (list []int32) {
	for range d.Array(maxOrderReplicas) {
		list = append(list, int32(d.Int(0, math.MaxInt32)))
	}
	return list
}
