package kafka

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// Produce appends one record batch to each partition named; the batches stay where they lie in the request. With
// acks = 0 there is no answer: an error then closes the connection, so that the client looks for the leader again.
//
// The versions below 3 carried older formats of records, which are refused partition by partition. They are advertised
// all the same: librdkafka takes their absence for that of compression (KAFKA-18659). Transactions are not offered.
func startProduce(ctx context.Context, r *request, req *kmsg.ProduceRequest) answer {
	if refused := refuseProduce(req); refused != nil {
		return func(context.Context) (response, error) { return produceResponse(req, nil, refused) }
	}
	r.begin(ctx, r.conn.produce(req))
	return func(ctx context.Context) (response, error) {
		resp, err := await[*wire.ProduceResponse](ctx, r)
		if err != nil {
			return produceResponse(req, nil, &refusal{errorCode(err), err.Error()})
		}
		body, failed := produceResponse(req, resp, nil)
		if m, ok := body.(message); ok {
			r.conn.nameLeaders(m.Response.(*kmsg.ProduceResponse))
		}
		return body, failed
	}
}

// refuseProduce is why nothing of the request is carried out; nil: it may be.
func refuseProduce(req *kmsg.ProduceRequest) *refusal {
	switch {
	case req.Version < 3:
		return &refusal{kerr.UnsupportedVersion.Code, ""}
	case req.Acks < -1 || req.Acks > 1:
		return &refusal{kerr.InvalidRequiredAcks.Code, fmt.Sprintf("acks %d is none of -1, 0 and 1", req.Acks)}
	case req.TransactionID != nil:
		return &refusal{kerr.InvalidRequest.Code, "transactions are not offered"}
	}
	return nil
}

// produce is the native request.
func (c *conn) produce(req *kmsg.ProduceRequest) *wire.ProduceRequest {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	all := make([]wire.ProducePartition, n)
	out := &wire.ProduceRequest{
		Acks: int8(req.Acks), TimeoutMs: max(req.TimeoutMillis, 0), Topics: make([]wire.ProduceTopic, len(req.Topics)),
	}
	for i := range req.Topics {
		in := &req.Topics[i]
		out.Topics[i].ID = c.node.TopicID(in.Topic)
		out.Topics[i].Partitions, all = all[:len(in.Partitions):len(in.Partitions)], all[len(in.Partitions):]
		for j := range in.Partitions {
			out.Topics[i].Partitions[j] = wire.ProducePartition{
				Index: in.Partitions[j].Partition, Batch: in.Partitions[j].Records,
			}
		}
	}
	return out
}

// produceResponse is the answer, made of the native one or, if that is nil, of why there is none.
func produceResponse(req *kmsg.ProduceRequest, from *wire.ProduceResponse, refused *refusal) (response, error) {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	resp.Topics = make([]kmsg.ProduceResponseTopic, len(req.Topics))
	var failed *kmsg.ProduceResponseTopicPartition
	for i := range req.Topics {
		in, out := &req.Topics[i], &resp.Topics[i]
		out.Topic, out.Partitions = in.Topic, make([]kmsg.ProduceResponseTopicPartition, len(in.Partitions))
		for j := range in.Partitions {
			p := &out.Partitions[j]
			p.Default()
			p.Partition, p.BaseOffset = in.Partitions[j].Partition, -1
			if refused != nil {
				p.ErrorCode, p.ErrorMessage = refused.code, textOf(refused.text)
			} else {
				fillProduced(p, in.Topic, &from.Topics[i].Partitions[j])
			}
			if p.ErrorCode != 0 {
				failed = p
			}
		}
	}
	if req.Acks != int16(wire.AcksNone) {
		return message{resp}, nil
	}
	if failed != nil {
		return nil, fmt.Errorf("with acks = 0: %w", kerr.ErrorForCode(failed.ErrorCode))
	}
	return nil, nil
}

// fillProduced fills in what became of one partition.
func fillProduced(p *kmsg.ProduceResponseTopicPartition, topic string, from *wire.ProduceResult) {
	p.ErrorCode, p.ErrorMessage = errorCode(from.Error), errorText(from.Error)
	if from.Error != nil && from.Error.Code == wire.CodeUnknownTopicID {
		p.ErrorMessage = textOf(fmt.Sprintf("no topic %q", topic))
	}
	if from.Error == nil {
		p.BaseOffset, p.LogAppendTime = from.BaseOffset, from.AppendTimeMs
	}
	p.LogStartOffset = from.LogStart
}

// nameLeaders tells where the partitions are led that are not led here, so that the client need not ask (KIP-951).
func (c *conn) nameLeaders(resp *kmsg.ProduceResponse) {
	if resp.Version < 10 {
		return
	}
	var leaders leaders
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if p.ErrorCode != kerr.NotLeaderForPartition.Code {
				continue
			}
			if at, known := leaders.of(c.node, t.Topic, p.Partition); known {
				p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = at.Leader, at.LeaderEpoch
			}
		}
	}
	for _, b := range leaders.named {
		out := kmsg.NewProduceResponseBroker()
		out.NodeID, out.Rack = b.ID, textOf(b.Rack)
		out.Host, out.Port = hostPort(b.Address)
		resp.Brokers = append(resp.Brokers, out)
	}
}

// leaders are the brokers that an answer names as leaders.
type leaders struct {
	cluster *Cluster
	named   []wire.Broker
}

// of tells who leads the partition, if clients can reach it, and notes it.
func (l *leaders) of(node Node, topic string, partition int32) (Position, bool) {
	if l.cluster == nil {
		c := node.Cluster()
		l.cluster = &c
	}
	at, known := node.Position(node.TopicID(topic), partition)
	if !known || at.Leader == l.cluster.Self {
		return Position{}, false
	}
	for _, b := range l.cluster.Brokers {
		if b.ID == at.Leader {
			for _, known := range l.named {
				if known.ID == b.ID {
					return at, true
				}
			}
			l.named = append(l.named, b)
			return at, true
		}
	}
	return Position{}, false
}
