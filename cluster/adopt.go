package cluster

import (
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/replication"
)

// AdoptedNodes returns what makes the nodes of a cluster, beside those of package metadata, in which one broker holds
// all partitions of the topics, parents first: Bootstrap's, and a state for each partition. The holder is the only
// replica, in sync; nobody leads until the controller elects it, in an epoch above the one given. It is to be above
// those of all records. Topics that are being deleted get no partitions.
func AdoptedNodes(topics []metadata.Topic, holder replication.Member, epoch int32) []metadata.Op {
	var ops []metadata.Op
	for _, path := range fixedPaths() {
		ops = append(ops, metadata.Create(path, nil))
	}
	state := replication.EncodeState(replication.State{
		Replicas: []int32{holder.Broker}, MinISR: 1, Leader: replication.NoLeader, LeaderEpoch: epoch,
		ISR: []replication.Member{holder}, LastLeader: holder.Broker,
		Change: replication.Change{By: holder.Broker},
	})
	for _, t := range topics {
		if t.Deleting {
			continue
		}
		ops = append(ops, metadata.Create(topicPartitionsPath(t.ID), nil))
		for i := range t.Partitions {
			ops = append(ops, metadata.Create(PartitionID{t.ID, i}.path(), state))
		}
	}
	return ops
}
