package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// SyncGroup gives a member what the group's leader assigned to it, and is answered when the leader has, whose own
// SyncGroup says what is whose.
func syncGroup(ctx context.Context, r *request, req *kmsg.SyncGroupRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
	in := &SyncGroup{
		GroupMember:  GroupMember{req.Group, req.MemberID, given(req.InstanceID), req.Generation},
		ProtocolType: given(req.ProtocolType), Protocol: given(req.Protocol),
	}
	for _, a := range req.GroupAssignment {
		in.Assignments = append(in.Assignments, MemberAssignment{a.MemberID, a.MemberAssignment})
	}
	synced, err := r.conn.node.SyncGroup(ctx, in)
	if resp.ErrorCode = groupErrorCode(err); err != nil {
		return resp
	}
	resp.ProtocolType, resp.Protocol = &synced.ProtocolType, &synced.Protocol
	resp.MemberAssignment = synced.Assignment
	return resp
}
