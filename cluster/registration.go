package cluster

import (
	"bytes"
	"fmt"
	"math"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/skidway/skidway/internal/bounded"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// Registration is what a broker that is there says of itself.
type Registration struct {
	Member   replication.Member
	Epoch    int32  // of the broker: another one with each registration
	Client   string // host:port for clients
	Peer     string // host:port for brokers
	Rack     string // "": not known
	Draining bool   // gives its leaderships away, and takes none
	Kafka    string // host:port for Kafka's clients; "": it serves none

	version int32 // of the node
	session int64 // whose end removes it
}

// Formats of the nodes, the first element of each. It is raised when an older broker
// would misread the node; fields that are added behind the others leave it.
const (
	registrationFormat = 1
	registrationFields = 8 // at least; Kafka's address may follow
	claimFormat        = 1
	claimFields        = 3
	controllerFormat   = 1
	controllerFields   = 4
	maxText            = 1024
)

// encode returns the data of the broker's node below /brokers/ids.
//
//	msgpack array: format, broker, storage id, epoch, client address, peer address, rack, draining (0 or 1),
//	address for Kafka's clients ("": none; an older broker leaves it out)
func (r Registration) encode() []byte {
	e := newEncoder(registrationFields+1, registrationFormat)
	e.int(int64(r.Member.Broker))
	e.uint(r.Member.Storage)
	e.int(int64(r.Epoch))
	e.text(r.Client)
	e.text(r.Peer)
	e.text(r.Rack)
	e.bool(r.Draining)
	e.text(r.Kafka)
	return e.buf.Bytes()
}

func decodeRegistration(node metadata.Node) (Registration, error) {
	d := newDecoder(node.Data, registrationFields, registrationFormat)
	r := Registration{
		Member: replication.Member{Broker: d.int32(), Storage: d.Uint()}, Epoch: d.int32(),
		Client: d.Text(maxText), Peer: d.Text(maxText), Rack: d.Text(maxText), Draining: d.Int(0, 1) == 1,
		version: node.Version, session: node.Session,
	}
	if d.more > 0 {
		r.Kafka = d.Text(maxText)
		d.more--
	}
	return r, d.end(node.Path)
}

// encodeClaim returns the data of the broker's node below /brokers/epochs.
//
//	msgpack array: format, storage id, epoch of the store at its last registration
func encodeClaim(c kv.Claim) []byte {
	e := newEncoder(claimFields, claimFormat)
	e.uint(c.StorageID)
	e.int(int64(c.Epoch))
	return e.buf.Bytes()
}

func decodeClaim(node metadata.Node) (kv.Claim, error) {
	d := newDecoder(node.Data, claimFields, claimFormat)
	c := kv.Claim{StorageID: d.Uint(), Epoch: d.int32()}
	return c, d.end(node.Path)
}

// Controller is who controls the cluster.
type Controller struct {
	Broker      int32
	BrokerEpoch int32
	Epoch       int32 // of the controller: the version of /controller_epoch that its writes are guarded by

	version int32 // of the node
	session int64
}

// encode returns the data of /controller.
//
//	msgpack array: format, broker, broker epoch, controller epoch
func (c Controller) encode() []byte {
	e := newEncoder(controllerFields, controllerFormat)
	e.int(int64(c.Broker))
	e.int(int64(c.BrokerEpoch))
	e.int(int64(c.Epoch))
	return e.buf.Bytes()
}

func decodeController(node metadata.Node) (Controller, error) {
	d := newDecoder(node.Data, controllerFields, controllerFormat)
	c := Controller{
		Broker: d.int32(), BrokerEpoch: d.int32(), Epoch: d.int32(), version: node.Version, session: node.Session,
	}
	return c, d.end(node.Path)
}

type encoder struct {
	buf *bytes.Buffer
	enc *msgpack.Encoder
}

func newEncoder(fields int, format int64) encoder {
	buf := new(bytes.Buffer)
	e := encoder{buf, msgpack.NewEncoder(buf)}
	must(e.enc.EncodeArrayLen(fields))
	e.int(format)
	return e
}

func (e encoder) int(v int64)   { must(e.enc.EncodeInt(v)) }
func (e encoder) uint(v uint64) { must(e.enc.EncodeUint(v)) }
func (e encoder) text(v string) { must(e.enc.EncodeString(v)) }

func (e encoder) bool(v bool) {
	if v {
		e.int(1)
		return
	}
	e.int(0)
}

// must panics on an error that only a broken invariant can cause: encoding into memory does not fail.
func must(err error) {
	if err != nil {
		panic(fmt.Sprintf("cluster: encoding into memory failed: %v", err))
	}
}

type decoder struct {
	*bounded.Decoder
	more  int // fields that only a newer version knows
	newer error
}

func newDecoder(data []byte, fields int, format int64) *decoder {
	d := &decoder{Decoder: bounded.NewDecoder(data)}
	n := d.Array(math.MaxInt32)
	if f := d.Int(1, math.MaxInt64); d.Err() == nil && f > format {
		d.newer = fmt.Errorf("%w: format %d, this version reads up to %d", metadata.ErrNewerFormat, f, format)
	}
	if d.more = n - fields; d.more < 0 {
		d.Fail(fmt.Errorf("%d fields, at least %d are needed", n, fields))
	}
	return d
}

func (d *decoder) int32() int32 { return int32(d.Int(math.MinInt32, math.MaxInt32)) }

// end returns what is wrong with the data of the node at path.
func (d *decoder) end(path string) error {
	if d.newer != nil {
		return fmt.Errorf("%s: %w", path, d.newer)
	}
	for range d.more {
		d.Raw()
	}
	if err := d.End(); err != nil {
		return fmt.Errorf("%s: %w: %w", path, metadata.ErrCorrupt, err)
	}
	return nil
}
