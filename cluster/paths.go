package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/skidway/skidway/metadata"
)

// Paths of the tree, stored. Those of topics and tombstones are metadata's.
const (
	brokersPath         = "/brokers"
	registrationsPath   = "/brokers/ids"    // ephemeral nodes
	epochsPath          = "/brokers/epochs" // the version of a broker's node is its epoch
	controllerPath      = "/controller"     // ephemeral
	controllerEpochPath = "/controller_epoch"
	partitionsPath      = "/parts"
)

func registrationPath(broker int32) string {
	return registrationsPath + "/" + strconv.Itoa(int(broker))
}

func epochPath(broker int32) string { return epochsPath + "/" + strconv.Itoa(int(broker)) }

func topicPartitionsPath(topic uint64) string {
	return partitionsPath + "/" + strconv.FormatUint(topic, 10)
}

func (p PartitionID) path() string {
	return topicPartitionsPath(p.Topic) + "/" + strconv.Itoa(int(p.Index))
}

// parsePartition reads the path of a partition's node.
func parsePartition(path string) (PartitionID, bool) {
	topic, index, found := strings.Cut(strings.TrimPrefix(path, partitionsPath+"/"), "/")
	id, err1 := strconv.ParseUint(topic, 10, 64)
	n, err2 := strconv.ParseInt(index, 10, 32)
	return PartitionID{Topic: id, Index: int32(n)}, found && err1 == nil && err2 == nil
}

// Bootstrap makes those of the fixed nodes of a cluster that are absent, beside those of
// metadata.Bootstrap. It may be called at each start.
func Bootstrap(ctx context.Context, s metadata.Store) error {
	for _, path := range fixedPaths() {
		var refused *metadata.MultiError
		err := s.Multi(ctx, metadata.Create(path, nil))
		if err != nil && !(errors.As(err, &refused) && errors.Is(err, metadata.ErrNodeExists)) {
			return fmt.Errorf("set up %s: %w", path, err)
		}
	}
	return nil
}

// fixedPaths are the nodes that Bootstrap makes, without data, parents first.
func fixedPaths() []string {
	paths := []string{brokersPath, registrationsPath, epochsPath, controllerEpochPath, partitionsPath, ordersPath}
	for _, kind := range orderKinds {
		paths = append(paths, kind.path())
	}
	return paths
}
