package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

// describe_cluster tells which brokers there are, what each has, which of them is the controller, and how many
// partitions are not well. A broker that stands alone is its own controller, and all partitions are its.
func (b *Broker) describeCluster(context.Context, *wire.DescribeClusterRequest) (*wire.DescribeClusterResponse, error) {
	if b.member == nil {
		_, n := b.topics.count()
		self := wire.BrokerState{ID: b.cfg.NodeID, Address: b.advertise, Present: true, Epoch: -1}
		self.Leaders, self.Replicas, self.InSync = int32(n), int32(n), int32(n)
		return &wire.DescribeClusterResponse{
			ClusterID: b.cluster, Controller: b.cfg.NodeID, Brokers: []wire.BrokerState{self}, Partitions: int32(n),
		}, nil
	}
	resp := &wire.DescribeClusterResponse{ClusterID: b.cluster, Controller: -1}
	if c, there := b.member.Controller(); there {
		resp.Controller = c.Broker
	}
	s := b.member.Snapshot()
	brokers := make(map[int32]*wire.BrokerState)
	broker := func(id int32) *wire.BrokerState {
		if brokers[id] == nil {
			brokers[id] = &wire.BrokerState{ID: id, Epoch: -1, Decommissioning: slices.Contains(s.Decommission, id)}
		}
		return brokers[id]
	}
	for _, r := range b.member.Brokers() {
		state := broker(r.Member.Broker)
		state.Address, state.Rack, state.Present, state.Draining = r.Client, r.Rack, true, r.Draining
		state.Epoch = r.Epoch
	}
	for _, id := range s.Decommission {
		broker(id)
	}
	for i := range s.Partitions {
		countPartition(resp, &s.Partitions[i].State, broker)
	}
	for _, state := range brokers {
		resp.Brokers = append(resp.Brokers, *state)
	}
	slices.SortFunc(resp.Brokers, func(x, y wire.BrokerState) int { return cmp.Compare(x.ID, y.ID) })
	return resp, nil
}

// countPartition counts one partition in.
func countPartition(resp *wire.DescribeClusterResponse, s *replication.State, broker func(int32) *wire.BrokerState) {
	resp.Partitions++
	switch {
	case s.Leader == replication.NoLeader:
		resp.Offline++
	default:
		broker(s.Leader).Leaders++
	}
	if s.UnderReplicated() {
		resp.UnderReplicated++
	}
	if len(s.ISR) < int(s.MinISR) {
		resp.UnderMinInSync++
	}
	if len(s.Adding)+len(s.Removing) > 0 {
		resp.Moving++
	}
	for _, id := range s.Replicas {
		broker(id).Replicas++
	}
	for _, m := range s.ISR {
		broker(m.Broker).InSync++
	}
}
