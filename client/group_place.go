package client

import "context"

// MemberID returns the id under which the group has this member.
func (g *GroupConsumer) MemberID() string { return g.member }

// Position returns the offset of the next record of a partition. ErrNotAssigned.
func (g *GroupConsumer) Position(topic string, partition int32) (int64, error) {
	return g.consumer.Position(topic, partition)
}

// State returns where the GroupConsumer is in each of its partitions, by topic and partition.
func (g *GroupConsumer) State() []PartitionState { return g.consumer.State() }

// Pause holds back records of partitions of a topic, all that are assigned if none are named, until Resume or until
// they are revoked. Nothing is lost, and membership goes on as long as Poll is called.
func (g *GroupConsumer) Pause(topic string, partitions ...int32) {
	g.consumer.Pause(topic, partitions...)
}

// Resume ends Pause.
func (g *GroupConsumer) Resume(topic string, partitions ...int32) {
	g.consumer.Resume(topic, partitions...)
}

// Seek moves an assigned partition to another place, forward or back. What was marked and not committed is
// forgotten: commits go on from the new place. ErrNotAssigned.
func (g *GroupConsumer) Seek(ctx context.Context, topic string, partition int32, start Start) error {
	if err := g.consumer.Seek(ctx, topic, partition, start); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if cl := g.byPlace[place{topic, partition}]; cl != nil {
		cl.floor, cl.marked = g.consumer.positionOf(cl.a), -1
	}
	return nil
}

// Committed returns what the group has committed for partitions of a topic, all that are assigned if none are named,
// in ascending order; those without a committed offset are left out.
func (g *GroupConsumer) Committed(ctx context.Context, topic string, partitions ...int32) ([]Offset, error) {
	if len(partitions) == 0 {
		for _, s := range g.State() {
			if s.Topic == topic {
				partitions = append(partitions, s.Partition)
			}
		}
		if len(partitions) == 0 {
			return nil, nil
		}
	}
	return fetchOffsets(ctx, g.coord, topic, partitions)
}
