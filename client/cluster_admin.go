package client

import (
	"context"
	"slices"
	"strings"

	"github.com/skidway/skidway/wire"
)

// DescribeCluster returns the cluster's id, its brokers with what they have, which of them controls it, and how many
// partitions are not well.
func (a *Admin) DescribeCluster(ctx context.Context) (*wire.DescribeClusterResponse, error) {
	return query[*wire.DescribeClusterResponse](ctx, a.c, &wire.DescribeClusterRequest{})
}

// ListTopics returns every topic in few words. In a cluster all brokers are asked, each of which tells of the
// partitions that it leads; what one that cannot be asked leads is missing in the sums, and Health says so.
func (a *Admin) ListTopics(ctx context.Context) ([]wire.TopicSummary, error) {
	r, err := query[*wire.ListTopicsResponse](ctx, a.c, &wire.ListTopicsRequest{})
	if err != nil {
		return nil, err
	}
	topics := make(map[uint64]*wire.TopicSummary, len(r.Topics))
	for i := range r.Topics {
		topics[r.Topics[i].ID] = &r.Topics[i]
	}
	for _, broker := range a.others(ctx) {
		answer, err := a.c.askBroker(ctx, broker, &wire.ListTopicsRequest{})
		more, fault := answerOf[*wire.ListTopicsResponse](answer, err, &wire.ListTopicsRequest{}, a.c.Address())
		if fault != nil {
			for _, t := range topics {
				t.Health = worse(t.Health, "in part unknown")
			}
			continue
		}
		for i := range more.Topics {
			if t := topics[more.Topics[i].ID]; t != nil {
				addSummary(t, &more.Topics[i])
			}
		}
	}
	return r.Topics, nil
}

// others returns the brokers, as they are registered now, other than the one that requests go to.
func (a *Admin) others(ctx context.Context) (list []int32) {
	a.c.meta.refresh(ctx)
	self := a.c.Hello().BrokerID
	for _, id := range a.c.meta.ids() {
		if id != self {
			list = append(list, id)
		}
	}
	return list
}

func addSummary(t, more *wire.TopicSummary) {
	t.Records += more.Records
	t.Bytes += more.Bytes
	t.InPerSec += more.InPerSec
	t.OutPerSec += more.OutPerSec
	t.Health = worse(t.Health, more.Health)
}

// worse joins what two brokers say of a topic's health.
func worse(a, b string) string {
	switch {
	case b == "ok" || strings.Contains(a, b):
		return a
	case a == "ok":
		return b
	}
	return a + ", " + b
}

// DescribeTopics returns all about the topics that are named, in that order. In a cluster each partition's leader is
// asked, too: where it cannot be, Start, End, Bytes and HighWatermark are those of the copy that another broker has, or
// -1, and Followers is empty.
func (a *Admin) DescribeTopics(ctx context.Context, names ...string) ([]wire.TopicDescription, error) {
	r, err := query[*wire.DescribeTopicsResponse](ctx, a.c, &wire.DescribeTopicsRequest{Names: names})
	if err != nil {
		return nil, err
	}
	for _, leader := range a.leaders(r.Topics) {
		q := &wire.DescribeTopicsRequest{}
		for i := range r.Topics {
			leads := func(p wire.PartitionDescription) bool { return p.Leader == leader }
			if slices.ContainsFunc(r.Topics[i].Partitions, leads) {
				q.Names = append(q.Names, r.Topics[i].Name)
			}
		}
		answer, err := a.c.askBroker(ctx, leader, q)
		if own, fault := answerOf[*wire.DescribeTopicsResponse](answer, err, q, a.c.Address()); fault == nil {
			takeOwn(r.Topics, own.Topics, leader)
		}
	}
	return r.Topics, nil
}

// leaders returns the leaders of partitions other than the broker that requests go to.
func (a *Admin) leaders(topics []wire.TopicDescription) (list []int32) {
	self := a.c.Hello().BrokerID
	for i := range topics {
		for _, p := range topics[i].Partitions {
			if p.Leader >= 0 && p.Leader != self && !slices.Contains(list, p.Leader) {
				list = append(list, p.Leader)
			}
		}
	}
	return list
}

// takeOwn takes over what a leader says of the partitions that it leads.
func takeOwn(topics, own []wire.TopicDescription, leader int32) {
	for i := range own {
		for j := range topics {
			if topics[j].ID != own[i].ID || topics[j].Error != nil || own[i].Error != nil {
				continue
			}
			for _, p := range own[i].Partitions {
				at := int(p.Index)
				if p.Leader == leader && at < len(topics[j].Partitions) && topics[j].Partitions[at].Leader == leader {
					topics[j].Partitions[at] = p
				}
			}
		}
	}
}

// DescribeTopicsAt returns what one broker knows of topics: of each partition the copy that it has.
func (a *Admin) DescribeTopicsAt(ctx context.Context, broker int32, names ...string) ([]wire.TopicDescription, error) {
	r, err := queryAt[*wire.DescribeTopicsResponse](ctx, a.c, broker, &wire.DescribeTopicsRequest{Names: names})
	if err != nil {
		return nil, err
	}
	return r.Topics, nil
}

// DescribeBrokerAt returns the state of one broker of the cluster.
func (a *Admin) DescribeBrokerAt(ctx context.Context, broker int32) (*wire.DescribeBrokerResponse, error) {
	return queryAt[*wire.DescribeBrokerResponse](ctx, a.c, broker, &wire.DescribeBrokerRequest{})
}

// queryAt asks one broker for something without an effect, again for whatever reason may pass.
func queryAt[T wire.Response](ctx context.Context, c *Client, broker int32, q wire.Request) (T, error) {
	return insist(ctx, c, q.API(), (*Error).Retriable, func(ctx context.Context) (T, *Error) {
		r, err := c.askBroker(ctx, broker, q)
		return answerOf[T](r, err, q, c.Address())
	})
}

// ElectPreferred has leaderships go back to the first of the replicas, soon, wherever that is in sync.
func (a *Admin) ElectPreferred(ctx context.Context) error {
	_, err := request[*wire.ElectLeadersResponse](ctx, a.c, &wire.ElectLeadersRequest{})
	return err
}

// ElectUnclean has brokers lead partitions that have no leader, soon. WHAT WAS ACKNOWLEDGED AND THE BROKER DOES NOT
// HOLD IS LOST. Each is carried out once, in the leader epoch that DescribeTopics told, or never. The results are in
// the order of the elections.
func (a *Admin) ElectUnclean(ctx context.Context, elections []wire.UncleanElection) ([]wire.OrderResult, error) {
	r, err := request[*wire.ElectLeadersResponse](ctx, a.c,
		&wire.ElectLeadersRequest{Unclean: true, AcceptDataLoss: true, Partitions: elections})
	if err != nil {
		return nil, err
	}
	return r.Partitions, nil
}

// ReassignOption says how partitions are moved.
type ReassignOption func(*wire.AlterReassignmentsRequest)

// Throttle bounds the bytes a second that each broker ships to the replicas that are added; all moves that were ordered
// with the same bound share it. Without it the bound is that of the brokers' configuration.
func Throttle(bytesPerSecond int64) ReassignOption {
	return func(r *wire.AlterReassignmentsRequest) { r.Throttle = bytesPerSecond }
}

// Reassign has partitions moved to other brokers, or back where Replicas is empty. They are served all the while. The
// results are in the order of the moves: without an error the move is ordered, and ListReassignments tells how it goes
// on. An order that is repeated with another Throttle goes on with that.
func (a *Admin) Reassign(ctx context.Context, moves []wire.Reassignment, m Mode, options ...ReassignOption) (
	[]wire.OrderResult, error) {
	req := &wire.AlterReassignmentsRequest{Partitions: moves, ValidateOnly: m == ValidateOnly}
	for _, set := range options {
		set(req)
	}
	r, err := request[*wire.AlterReassignmentsResponse](ctx, a.c, req)
	if err != nil {
		return nil, err
	}
	return r.Partitions, nil
}

// ListReassignments returns the partitions that are being moved, by topic and partition.
func (a *Admin) ListReassignments(ctx context.Context) ([]wire.PartitionMove, error) {
	r, err := query[*wire.ListReassignmentsResponse](ctx, a.c, &wire.ListReassignmentsRequest{})
	if err != nil {
		return nil, err
	}
	return r.Partitions, nil
}

// DrainBroker has a broker lead nothing and take nothing until UndrainBroker, and returns how many partitions it leads
// and holds as yet. DescribeCluster tells how that goes on.
func (a *Admin) DrainBroker(ctx context.Context, broker int32) (leaders, replicas int32, err error) {
	return a.drain(ctx, &wire.DrainBrokerRequest{Broker: broker})
}

// UndrainBroker lets a broker take leaderships again.
func (a *Admin) UndrainBroker(ctx context.Context, broker int32) error {
	_, _, err := a.drain(ctx, &wire.DrainBrokerRequest{Broker: broker, Cancel: true})
	return err
}

func (a *Admin) drain(ctx context.Context, q *wire.DrainBrokerRequest) (leaders, replicas int32, err error) {
	r, err := query[*wire.DrainBrokerResponse](ctx, a.c, q) // the same once more does no harm
	if err != nil {
		return 0, 0, err
	}
	return r.Leaders, r.Replicas, nil
}

// DecommissionBroker has all that a broker holds moved to others, and returns how many partitions it leads and holds as
// yet. DescribeCluster tells how that goes on. The broker takes nothing until CancelDecommission.
func (a *Admin) DecommissionBroker(ctx context.Context, broker int32, m Mode) (leaders, replicas int32, err error) {
	return a.decommission(ctx, &wire.DecommissionBrokerRequest{Broker: broker, ValidateOnly: m == ValidateOnly})
}

// CancelDecommission lets a broker keep what it holds, and take more.
func (a *Admin) CancelDecommission(ctx context.Context, broker int32) error {
	_, _, err := a.decommission(ctx, &wire.DecommissionBrokerRequest{Broker: broker, Cancel: true})
	return err
}

func (a *Admin) decommission(
	ctx context.Context, q *wire.DecommissionBrokerRequest,
) (leaders, replicas int32, err error) {
	r, err := query[*wire.DecommissionBrokerResponse](ctx, a.c, q) // the same once more does no harm
	if err != nil {
		return 0, 0, err
	}
	return r.Leaders, r.Replicas, nil
}
