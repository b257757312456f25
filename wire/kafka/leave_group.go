package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// LeaveGroup ends memberships: from version 3 on those of several members, static ones by their instance ids.
func leaveGroup(ctx context.Context, r *request, req *kmsg.LeaveGroupRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	members := []GroupMember{{Group: req.Group, MemberID: req.MemberID}}
	if req.Version >= 3 {
		members = members[:0]
		for _, m := range req.Members {
			members = append(members, GroupMember{Group: req.Group, MemberID: m.MemberID, InstanceID: given(m.InstanceID)})
		}
	}
	errs, err := r.conn.node.LeaveGroup(ctx, req.Group, members)
	if err != nil {
		resp.ErrorCode = groupErrorCode(err)
		return resp
	}
	if req.Version < 3 {
		resp.ErrorCode = groupErrorCode(errs[0])
		return resp
	}
	for i, m := range req.Members {
		out := kmsg.NewLeaveGroupResponseMember()
		out.MemberID, out.InstanceID, out.ErrorCode = m.MemberID, m.InstanceID, groupErrorCode(errs[i])
		resp.Members = append(resp.Members, out)
	}
	return resp
}
