package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat says that a member is there, and tells it when the others meet.
func heartbeat(ctx context.Context, r *request, req *kmsg.HeartbeatRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	resp.ErrorCode = groupErrorCode(r.conn.node.HeartbeatGroup(ctx,
		GroupMember{req.Group, req.MemberID, given(req.InstanceID), req.Generation}))
	return resp
}
