package kv

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
)

// FormatVersion is the version of the key layout that this package writes,
// and the newest that it reads.
const FormatVersion uint32 = 1

// The names of the 's' rows. Integers are big endian.
const (
	rowFormat  = "format"  // 4 bytes: FormatVersion
	rowCluster = "cluster" // text
	rowBroker  = "broker"  // 4 bytes
	rowStorage = "storage" // 8 bytes, random: another store, another id
	rowEpoch   = "epoch"   // 4 bytes: the standalone broker's leader epoch
	rowStop    = "stop"    // 1 byte: how the store was last left
	rowClaim   = "claim"   // 4 bytes: Identity.ClaimEpoch; absent: 0
	rowMember  = "member"  // 1 byte, 1: Identity.Member; absent: false
)

// The values of the stop row. While the store is open it says what a crash
// would mean.
const (
	stopClean   byte = 1 // closed in good order
	stopSynced  byte = 2 // open, nothing acknowledged can be lost
	stopRelaxed byte = 3 // open with a policy that may lose what it acknowledged
)

// Identity is what a store says of itself.
type Identity struct {
	// ClusterID is the cluster's name, made when the store was.
	ClusterID string
	// BrokerID is the broker's number in its cluster.
	BrokerID int32
	// StorageID is random, made with the store: a wiped disk has another one, and so has a store that no longer
	// holds all that it acknowledged. It is the broker's promise to its cluster (docs/design/0009, rule R7).
	StorageID uint64
	// ClaimEpoch is the newest that SaveClaimEpoch made durable.
	ClaimEpoch int32
	// Member says that the broker is one of a cluster, whose metadata is not in this store.
	Member bool
	// FormatVersion is the version of the store's key layout.
	FormatVersion uint32
	// LeaderEpoch is the epoch in which a standalone broker leads. It is
	// raised, durably and before Open returns, when what was acknowledged may
	// have been lost: the last stop was unclean under another policy than
	// FsyncBatch.
	LeaderEpoch int32
	// CleanStart says that the last stop was a clean one, or that the store
	// is new.
	CleanStart bool
}

// Claim is what a cluster remembers of a broker's store: with which storage id it registered last, and in which
// epoch. A store of that id whose own epoch is older was put back to an earlier state, such as a backup: it is given a
// new storage id as it opens, since it may lack what was acknowledged with the old one (C15). The same happens where
// the last stop was unclean under another policy than FsyncBatch.
type Claim struct {
	StorageID uint64
	Epoch     int32
}

// broken tells whether the store no longer holds what was promised with its storage id.
func (c *Claim) broken(id *Identity, stop byte) bool {
	return c != nil && (c.StorageID == id.StorageID && id.ClaimEpoch < c.Epoch || stop == stopRelaxed)
}

// SaveClaimEpoch makes durable in which epoch the broker is about to register. It must be called before the
// registration is written. It is not safe for concurrent use, and not to be called beside Identity.
func (s *Store) SaveClaimEpoch(epoch int32) error {
	value := binary.BigEndian.AppendUint32(nil, uint32(epoch))
	if err := s.db.Set(appendNamed(nil, tagStore, rowClaim), value, pebble.Sync); err != nil {
		return fmt.Errorf("kv: writing the epoch of the registration: %w", err)
	}
	return nil
}

// Role says what broker a store is opened for. A store belongs to a broker alone or to one of a cluster; what the one
// wrote the other would not see.
type Role int8

const (
	// RoleAlone is a broker that stands alone.
	RoleAlone Role = iota
	// RoleMember is one of a cluster.
	RoleMember
	// RoleAny is who takes a store from the one to the other.
	RoleAny
)

// SaveMember makes durable that the store belongs to one of a cluster from now on. It is not safe for concurrent use,
// and not to be called beside Identity.
func (s *Store) SaveMember() error {
	if err := s.db.Set(appendNamed(nil, tagStore, rowMember), []byte{1}, pebble.Sync); err != nil {
		return fmt.Errorf("kv: marking the store as one of a cluster: %w", err)
	}
	s.identity.Member = true
	return nil
}

// newStorageID draws a storage id, which is never 0.
func newStorageID() uint64 {
	for {
		var b [8]byte
		rand.Read(b[:]) // never fails
		if id := binary.BigEndian.Uint64(b[:]); id != 0 {
			return id
		}
	}
}

// newIdentity is the identity of a store that is being made.
func newIdentity(o Options) Identity {
	id := Identity{
		ClusterID:     o.ClusterID,
		BrokerID:      o.BrokerID,
		StorageID:     newStorageID(),
		Member:        o.Role == RoleMember,
		FormatVersion: o.testing.formatVersion,
		CleanStart:    true,
	}
	if id.ClusterID == "" {
		id.ClusterID = NewClusterID()
	}
	return id
}

// NewClusterID makes a random name for a cluster, 22 characters of base64 as Kafka's are. Safe for concurrent use.
func NewClusterID() string {
	var c [16]byte
	rand.Read(c[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(c[:])
}

// readIdentity reads the 's' rows. ok is false where there is none at all.
func readIdentity(db *pebble.DB, dir string) (id Identity, stop byte, ok bool, err error) {
	r := storeRows{db: db}
	format, ok := r.uint(rowFormat, 4)
	if !ok {
		return Identity{}, 0, false, r.err
	}
	if format > uint64(FormatVersion) {
		return Identity{}, 0, false, &VersionError{Dir: dir, What: "store", Found: format, Newest: uint64(FormatVersion)}
	}
	broker, _ := r.uint(rowBroker, 4)
	storage, _ := r.uint(rowStorage, 8)
	epoch, _ := r.uint(rowEpoch, 4)
	how, _ := r.uint(rowStop, 1)
	cluster, claim := r.row(rowCluster), uint64(0)
	if r.row(rowClaim) != nil {
		claim, _ = r.uint(rowClaim, 4)
	}
	member := r.row(rowMember)
	if r.err != nil {
		return Identity{}, 0, false, r.err
	}
	id = Identity{
		ClusterID:     string(cluster),
		BrokerID:      int32(broker),
		StorageID:     storage,
		FormatVersion: uint32(format),
		LeaderEpoch:   int32(epoch),
		ClaimEpoch:    int32(claim),
		Member:        len(member) == 1 && member[0] == 1,
	}
	return id, byte(how), true, nil
}

// admit checks a stored identity against the options and takes account of how
// the store was left.
func (id *Identity) admit(o Options, stop byte) error {
	if o.Role != RoleAny && id.Member != (o.Role == RoleMember) {
		return &RoleError{Dir: o.Dir, Member: id.Member}
	}
	if o.ClusterID != "" && o.ClusterID != id.ClusterID {
		return &IdentityError{Dir: o.Dir, What: "cluster id", Stored: id.ClusterID, Wanted: o.ClusterID}
	}
	if o.BrokerID != 0 && o.BrokerID != id.BrokerID {
		return &IdentityError{Dir: o.Dir, What: "broker id",
			Stored: strconv.Itoa(int(id.BrokerID)), Wanted: strconv.Itoa(int(o.BrokerID))}
	}
	id.CleanStart = stop == stopClean
	if stop == stopRelaxed {
		id.LeaderEpoch++
	}
	if o.Claim.broken(id, stop) {
		id.StorageID = newStorageID()
	}
	return nil
}

// write puts the rows that may have changed, and says that the store is open.
func (id *Identity) write(db *pebble.DB, policy FsyncPolicy) error {
	stop := stopSynced
	if policy != FsyncBatch {
		stop = stopRelaxed
	}
	type row struct {
		name  string
		value []byte
	}
	rows := []row{
		{rowFormat, binary.BigEndian.AppendUint32(nil, id.FormatVersion)},
		{rowCluster, []byte(id.ClusterID)},
		{rowBroker, binary.BigEndian.AppendUint32(nil, uint32(id.BrokerID))},
		{rowStorage, binary.BigEndian.AppendUint64(nil, id.StorageID)},
		{rowEpoch, binary.BigEndian.AppendUint32(nil, uint32(id.LeaderEpoch))},
		{rowStop, []byte{stop}},
	}
	if id.Member {
		rows = append(rows, row{rowMember, []byte{1}})
	}
	b := db.NewBatch()
	for _, row := range rows {
		if err := b.Set(appendNamed(nil, tagStore, row.name), row.value, nil); err != nil {
			return fmt.Errorf("kv: writing the store's identity: %w", err)
		}
	}
	if err := b.Commit(pebble.Sync); err != nil {
		return fmt.Errorf("kv: writing the store's identity: %w", err)
	}
	return b.Close()
}

// storeRows reads 's' rows and keeps the first error.
type storeRows struct {
	db  *pebble.DB
	err error
}

// row is nil where there is no such row.
func (r *storeRows) row(name string) []byte {
	if r.err != nil {
		return nil
	}
	v, closer, err := r.db.Get(appendNamed(nil, tagStore, name))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		r.err = fmt.Errorf("kv: reading store row %q: %w", name, err)
		return nil
	}
	out := clone(v)
	r.err = closer.Close()
	return out
}

func (r *storeRows) uint(name string, size int) (n uint64, ok bool) {
	v := r.row(name)
	if v == nil {
		if r.err == nil && name != rowFormat {
			r.err = fmt.Errorf("%w: store row %q is missing", ErrCorrupt, name)
		}
		return 0, false
	}
	if len(v) != size {
		r.err = fmt.Errorf("%w: store row %q has %d bytes, not %d", ErrCorrupt, name, len(v), size)
		return 0, false
	}
	for _, b := range v {
		n = n<<8 | uint64(b)
	}
	return n, true
}
