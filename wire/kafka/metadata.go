package kafka

import (
	"context"
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// Metadata tells which brokers Kafka's clients can reach, which topics there are, by name or, from version 10 on, by
// id, and who leads the partitions. A topic that is absent is made where the client allows it, and the broker. A leader
// that has no address for Kafka's clients is as good as none (LISTENER_NOT_FOUND).
func metadata(ctx context.Context, r *request, req *kmsg.MetadataRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	cluster := r.conn.node.Cluster()
	resp.ClusterID, resp.ControllerID = &cluster.ID, controller(cluster)
	for _, b := range cluster.Brokers {
		out := kmsg.NewMetadataResponseBroker()
		out.NodeID, out.Rack = b.ID, textOf(b.Rack)
		out.Host, out.Port = hostPort(b.Address)
		resp.Brokers = append(resp.Brokers, out)
	}
	ask := wire.MetadataRequest{
		All:           req.Topics == nil || req.Version == 0 && len(req.Topics) == 0,
		CreateMissing: req.Version < 4 || req.AllowAutoTopicCreation,
	}
	var byID []kmsg.MetadataResponseTopic
	unknown := make(once[[16]byte])
	for _, t := range req.Topics {
		switch name := ""; {
		case t.Topic != nil:
			ask.Topics = append(ask.Topics, *t.Topic)
		default:
			if name = r.conn.node.TopicName(topicNumber(cluster.ID, t.TopicID)); name != "" {
				ask.Topics = append(ask.Topics, name)
				continue
			}
			if !unknown.first(t.TopicID) {
				continue
			}
			out := kmsg.NewMetadataResponseTopic()
			out.TopicID, out.ErrorCode = t.TopicID, kerr.UnknownTopicID.Code
			if req.Version < 12 {
				out.Topic = new(string) // the layout has no null there
			}
			byID = append(byID, out)
		}
	}
	ask.Topics = onceEach(ask.Topics) // what was asked again would be answered again
	resp.Topics = append(r.topicsOf(ctx, &ask, cluster), byID...)
	return resp
}

// topicsOf asks for the topics.
func (r *request) topicsOf(ctx context.Context, req *wire.MetadataRequest, c Cluster) []kmsg.MetadataResponseTopic {
	topics := make([]kmsg.MetadataResponseTopic, 0, len(req.Topics))
	found, refused := ask[*wire.MetadataResponse](ctx, r, req)
	if refused != nil {
		for _, name := range req.Topics {
			out := kmsg.NewMetadataResponseTopic()
			out.Topic, out.ErrorCode = &name, errorCode(refused)
			topics = append(topics, out)
		}
		return topics
	}
	for i := range found.Topics {
		t := &found.Topics[i]
		out := kmsg.NewMetadataResponseTopic()
		out.Topic, out.ErrorCode, out.TopicID = &t.Name, errorCode(t.Error), topicUUID(c.ID, t.ID)
		for i, p := range r.conn.node.Replication(t.ID) {
			out.Partitions = append(out.Partitions, metadataPartition(int32(i), p, c))
		}
		topics = append(topics, out)
	}
	return topics
}

func metadataPartition(index int32, p Replication, c Cluster) kmsg.MetadataResponseTopicPartition {
	out := kmsg.NewMetadataResponseTopicPartition()
	out.Partition, out.Leader, out.LeaderEpoch = index, p.Leader, p.LeaderEpoch
	out.Replicas, out.ISR = p.Replicas, p.InSync
	out.ErrorCode = c.unreachable(p.Leader)
	if out.ErrorCode != 0 {
		out.Leader = -1
	}
	out.OfflineReplicas = c.offline(p.Replicas)
	return out
}

// unreachable is the error of a partition whose leader Kafka's clients cannot reach; 0: they can.
func (c Cluster) unreachable(leader int32) int16 {
	switch {
	case leader < 0:
		return kerr.LeaderNotAvailable.Code
	case !c.has(leader):
		return kerr.ListenerNotFound.Code
	}
	return 0
}

func (c Cluster) has(broker int32) bool {
	return slices.ContainsFunc(c.Brokers, func(b wire.Broker) bool { return b.ID == broker })
}

// offline are the replicas on brokers that Kafka's clients cannot reach.
func (c Cluster) offline(replicas []int32) (away []int32) {
	for _, id := range replicas {
		if !c.has(id) {
			away = append(away, id)
		}
	}
	return away
}

// controller is the broker that clients are to send changes to: the controller if they can reach it, else another, for
// any broker takes them; -1: there is none.
func controller(c Cluster) int32 {
	switch {
	case c.has(c.Controller):
		return c.Controller
	case c.has(c.Self):
		return c.Self
	case len(c.Brokers) > 0:
		return c.Brokers[0].ID
	}
	return -1
}

// hostPort are the parts of an address that was checked when it was configured.
func hostPort(address string) (host string, port int32) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return host, 0
	}
	return host, int32(n)
}
