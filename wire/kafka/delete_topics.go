package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// DeleteTopics deletes topics with all their records, each for itself, by name or, from version 6 on, by id.
func deleteTopics(ctx context.Context, r *request, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
	cluster := r.conn.node.Cluster().ID
	for i := range req.TopicNames {
		req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &req.TopicNames[i]})
	}
	native := &wire.DeleteTopicsRequest{}
	var places []int
	for _, in := range req.Topics {
		out := kmsg.NewDeleteTopicsResponseTopic()
		out.Topic, out.TopicID = in.Topic, in.TopicID
		var none [16]byte
		switch {
		case in.Topic != nil && in.TopicID != none:
			out.ErrorCode, out.ErrorMessage = kerr.InvalidRequest.Code, textOf("a topic is named by name or by id, not both")
		case in.Topic != nil:
			out.TopicID = topicUUID(cluster, r.conn.node.TopicID(*in.Topic))
		default:
			out.Topic = textOf(r.conn.node.TopicName(topicNumber(cluster, in.TopicID)))
			if out.Topic == nil {
				out.ErrorCode = kerr.UnknownTopicID.Code
			}
		}
		if out.ErrorCode == 0 {
			native.Names, places = append(native.Names, *out.Topic), append(places, len(resp.Topics))
		}
		resp.Topics = append(resp.Topics, out)
	}
	if len(places) == 0 {
		return resp
	}
	done, refused := ask[*wire.DeleteTopicsResponse](ctx, r, native)
	for i, place := range places {
		err := refused
		if err == nil {
			err = done.Topics[i].Error
		}
		resp.Topics[place].ErrorCode, resp.Topics[place].ErrorMessage = errorCode(err), errorText(err)
	}
	return resp
}
