package metadata

import (
	"context"
	"errors"
	"fmt"
)

// Adoption says whose metadata is brought into a store that is to be a cluster's: that of a broker which stood alone.
type Adoption struct {
	ClusterID string // that the broker had alone, and that the cluster gets
	Broker    int32
	StorageID uint64
}

// AdoptionStage is how far an adoption has got in the store.
type AdoptionStage int8

// The stages.
const (
	AdoptionNone AdoptionStage = iota // the store is empty
	// AdoptionBegun is from BeginAdoption on: no broker uses the store, which holds all or part of the metadata.
	AdoptionBegun
	AdoptionDone // the store is the cluster's
)

// Keys of the node that stands for an adoption, stored.
const (
	keyBroker  = "broker"
	keyStorage = "storage"
)

func encodeAdoption(a Adoption) []byte {
	d := newDocument(nil)
	d.putString(keyID, a.ClusterID)
	d.putInt(keyBroker, int64(a.Broker))
	d.putUint(keyStorage, a.StorageID)
	return d.encode()
}

// StageOfAdoption reads how far the adoption has got. If the store is a cluster's, is being made one by another
// adoption, or holds anything else, the error wraps ErrOccupied.
func StageOfAdoption(ctx context.Context, s Store, a Adoption) (AdoptionStage, error) {
	stage, _, err := readAdoption(ctx, s, a)
	return stage, err
}

// readAdoption also returns the version of the adoption's node.
func readAdoption(ctx context.Context, s Store, a Adoption) (AdoptionStage, int32, error) {
	node, err := s.Get(ctx, adoptingPath)
	switch {
	case err == nil && string(node.Data) != string(encodeAdoption(a)):
		return 0, 0, fmt.Errorf("%w: the adoption of another store was begun there", ErrOccupied)
	case err == nil:
		return AdoptionBegun, node.Version, nil
	case !errors.Is(err, ErrNoNode):
		return 0, 0, fmt.Errorf("read %s: %w", adoptingPath, err)
	}
	node, err = s.Get(ctx, clusterIDPath)
	switch {
	case err == nil:
		id, err := decodeClusterID(node.Data)
		if err == nil && id != a.ClusterID {
			err = fmt.Errorf("%w: it is of the cluster %q", ErrOccupied, id)
		}
		return AdoptionDone, 0, err
	case !errors.Is(err, ErrNoNode):
		return 0, 0, fmt.Errorf("read %s: %w", clusterIDPath, err)
	}
	names, err := s.Children(ctx, "/")
	if err != nil {
		return 0, 0, fmt.Errorf("list /: %w", err)
	}
	for _, name := range names {
		if name != zooKeepersOwn {
			return 0, 0, fmt.Errorf("%w: there is a node %q", ErrOccupied, "/"+name)
		}
	}
	return AdoptionNone, 0, nil
}

// zooKeepersOwn is a node that ZooKeeper has below its root.
const zooKeepersOwn = "zookeeper"

// BeginAdoption keeps brokers away from the store, and returns the operation that guards what the adoption writes: it
// fails once another run of it has begun, or it is finished. Errors: ErrOccupied, and the Store's.
func BeginAdoption(ctx context.Context, s Store, a Adoption) (guard Op, err error) {
	stage, version, err := readAdoption(ctx, s, a)
	switch {
	case err != nil:
		return Op{}, err
	case stage == AdoptionDone:
		return Op{}, fmt.Errorf("%w: it is of this cluster", ErrOccupied)
	case stage == AdoptionBegun:
		err = s.Multi(ctx, Set(adoptingPath, encodeAdoption(a), version))
		version++
	default: // with its parent, which a broker that makes a cluster would make, too
		err = s.Multi(ctx, Create(clusterPath, nil), Create(adoptingPath, encodeAdoption(a)))
	}
	if err != nil {
		return Op{}, fmt.Errorf("begin the adoption: %w", err)
	}
	return Check(adoptingPath, version), nil
}

// OfAdoption tells whether a node is part of what BeginAdoption makes, and not to be written or deleted.
func OfAdoption(path string) bool {
	return path == clusterPath || path == adoptingPath || path == "/"+zooKeepersOwn
}

// FinishAdoption makes the store the cluster's, in one write. Where it is that already it does nothing. Errors:
// ErrOccupied, and the Store's.
func FinishAdoption(ctx context.Context, s Store, a Adoption) error {
	for range maxAttempts {
		stage, version, err := readAdoption(ctx, s, a)
		switch {
		case err != nil:
			return err
		case stage == AdoptionDone:
			return nil
		case stage == AdoptionNone:
			return fmt.Errorf("finish the adoption: it was not begun: %w", ErrNoNode)
		}
		err = s.Multi(ctx, Delete(adoptingPath, version), Create(clusterIDPath, encodeClusterID(a.ClusterID)))
		if err != nil && !lostRace(err) {
			return fmt.Errorf("finish the adoption: %w", err)
		}
	}
	return fmt.Errorf("finish the adoption: %w", ErrContention)
}
