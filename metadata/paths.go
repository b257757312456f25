package metadata

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Paths of the tree, stored.
const (
	TopicsPath      = "/topics" // below it a node for each topic, by name
	deletedPath     = "/deleted"
	idsPath         = "/ids"
	topicIDsPath    = "/ids/topic"
	producerIDsPath = "/ids/producer"
	groupIDsPath    = "/ids/group"
	groupsPath      = "/groups"
	clusterPath     = "/cluster"
	clusterIDPath   = "/cluster/id"
	adoptingPath    = "/cluster/adopting"
)

func topicPath(name string) string { return TopicsPath + "/" + name }

func tombstonePath(id uint64) string { return deletedPath + "/" + strconv.FormatUint(id, 10) }

// Bootstrap makes those of the tree's fixed nodes that are absent, and returns the
// id of the cluster that the store belongs to. ClusterID is the one to give to a
// store that has none. If the store belongs to another, the error wraps
// ErrClusterMismatch and nothing is changed (D9); an empty clusterID accepts the one
// that is there. While a store is being adopted it wraps ErrAdopting. It may be called at
// each start.
func Bootstrap(ctx context.Context, s Store, clusterID string) (string, error) {
	for range maxAttempts {
		id, missing, err := bootstrapOps(ctx, s, clusterID)
		if err != nil || len(missing) == 0 {
			return id, err
		}
		err = s.Multi(ctx, missing...)
		if err != nil && !lostRace(err) {
			return "", fmt.Errorf("set up the metadata store: %w", err)
		}
	}
	return "", fmt.Errorf("set up the metadata store: %w", ErrContention)
}

// bootstrapOps reads what is there and returns the cluster id in force and what is to be created.
func bootstrapOps(ctx context.Context, s Store, clusterID string) (string, []Op, error) {
	if _, err := s.Get(ctx, adoptingPath); !errors.Is(err, ErrNoNode) {
		if err == nil {
			err = ErrAdopting
		}
		return "", nil, fmt.Errorf("read %s: %w", adoptingPath, err)
	}
	var missing []Op
	for _, node := range []struct {
		path string
		data []byte
	}{
		{clusterPath, nil}, {TopicsPath, nil}, {deletedPath, nil}, {idsPath, nil},
		{groupsPath, nil},
		{topicIDsPath, encodeCounter(counter{next: 1})}, {producerIDsPath, encodeCounter(counter{next: 0})},
		{groupIDsPath, encodeCounter(counter{next: 1})},
	} {
		if _, err := s.Get(ctx, node.path); errors.Is(err, ErrNoNode) {
			missing = append(missing, Create(node.path, node.data))
		} else if err != nil {
			return "", nil, fmt.Errorf("read %s: %w", node.path, err)
		}
	}
	node, err := s.Get(ctx, clusterIDPath)
	switch {
	case errors.Is(err, ErrNoNode):
		if clusterID == "" {
			return "", nil, fmt.Errorf("%s is absent, and no cluster id was given: %w", clusterIDPath, ErrClusterMismatch)
		}
		return clusterID, append(missing, Create(clusterIDPath, encodeClusterID(clusterID))), nil
	case err != nil:
		return "", nil, fmt.Errorf("read %s: %w", clusterIDPath, err)
	}
	found, err := decodeClusterID(node.Data)
	if err != nil {
		return "", nil, err
	}
	if clusterID != "" && clusterID != found {
		return "", nil, fmt.Errorf("%w: it is of %q, this broker is of %q", ErrClusterMismatch, found, clusterID)
	}
	return found, missing, nil
}

func encodeClusterID(id string) []byte {
	d := newDocument(nil)
	d.putString(keyID, id)
	return d.encode()
}

func decodeClusterID(data []byte) (string, error) {
	d, err := decodeDocument(data)
	if err != nil {
		return "", fmt.Errorf("%s: %w", clusterIDPath, err)
	}
	id := d.takeString(keyID)
	if _, err := d.rest(); err != nil {
		return "", fmt.Errorf("%s: %w", clusterIDPath, err)
	}
	return id, nil
}

// counter is the node of ids that are given out in order. Invariant: all ids below
// next were, or may have been, given out.
type counter struct {
	next    uint64
	unknown map[string][]byte
	version int32 // of the node that it was read from
}

const keyNext = "next"

func encodeCounter(c counter) []byte {
	d := newDocument(c.unknown)
	d.putUint(keyNext, c.next)
	return d.encode()
}

func readCounter(ctx context.Context, s Store, path string) (counter, error) {
	node, err := s.Get(ctx, path)
	if err != nil {
		return counter{}, fmt.Errorf("read %s: %w", path, err)
	}
	d, err := decodeDocument(node.Data)
	if err != nil {
		return counter{}, fmt.Errorf("%s: %w", path, err)
	}
	c := counter{next: d.takeUint(keyNext), version: node.Version}
	if c.unknown, err = d.rest(); err != nil {
		return counter{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// MaxProducerIDBlock bounds the producer ids that one AllocateProducerIDs takes.
const MaxProducerIDBlock = 1 << 20

// AllocateProducerIDs takes a block of n producer ids, n from 1 to
// MaxProducerIDBlock, and returns the first. No id is ever given out twice: a block
// that was taken but not used, because the broker crashed or the outcome of the
// write is unknown, is skipped.
func AllocateProducerIDs(ctx context.Context, s Store, n int64) (first int64, err error) {
	if n < 1 || n > MaxProducerIDBlock {
		panic(fmt.Sprintf("metadata: block of %d producer ids", n))
	}
	id, err := allocate(ctx, s, producerIDsPath, uint64(n))
	if err != nil {
		return 0, fmt.Errorf("allocate producer ids: %w", err)
	}
	return int64(id), nil
}

// AllocateGroupID takes the next id of a creation of a consumer group, from 1 to 2^63-1. No id is ever given out
// twice.
func AllocateGroupID(ctx context.Context, s Store) (uint64, error) {
	id, err := allocate(ctx, s, groupIDsPath, 1)
	if err != nil {
		return 0, fmt.Errorf("allocate a group id: %w", err)
	}
	return id, nil
}

// allocate takes n ids from a counter and returns the first.
func allocate(ctx context.Context, s Store, path string, n uint64) (first uint64, err error) {
	for range maxAttempts {
		c, err := readCounter(ctx, s, path)
		if err != nil {
			return 0, err
		}
		if c.next > math.MaxInt64-n {
			return 0, ErrExhausted
		}
		first := c.next
		c.next += n
		if err = s.Multi(ctx, Set(path, encodeCounter(c), c.version)); err == nil {
			return first, nil
		}
		if !lostRace(err) {
			return 0, err
		}
	}
	return 0, ErrContention
}

// maxAttempts bounds how often an operation reads and tries again after another one
// changed what it had read.
const maxAttempts = 100

// lostRace tells whether a multi failed because something was changed since it was read.
func lostRace(err error) bool {
	var me *MultiError
	return errors.As(err, &me) &&
		(errors.Is(me, ErrBadVersion) || errors.Is(me, ErrNodeExists) || errors.Is(me, ErrNoNode))
}
