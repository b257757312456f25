package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// JoinGroup makes the sender a member of the next generation of a group, and is answered when that begins; later
// requests of the connection wait as long. From version 4 on a new member is given an id first, with which it joins
// again (KIP-394), unless it is a static one (KIP-345).
func joinGroup(ctx context.Context, r *request, req *kmsg.JoinGroupRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	in := &JoinGroup{
		Group: req.Group, MemberID: req.MemberID, InstanceID: given(req.InstanceID), ClientID: r.clientID,
		ProtocolType: req.ProtocolType, SessionTimeoutMs: req.SessionTimeoutMillis,
		RebalanceTimeoutMs: req.RebalanceTimeoutMillis, RequireKnownID: req.Version >= 4,
		CanSkipAssignment: req.Version >= 9,
	}
	if req.Version == 0 {
		in.RebalanceTimeoutMs = req.SessionTimeoutMillis
	}
	for _, p := range req.Protocols {
		in.Protocols = append(in.Protocols, GroupProtocol{p.Name, p.Metadata})
	}
	joined, err := r.conn.node.JoinGroup(ctx, r.conn.peer, in)
	if resp.ErrorCode = groupErrorCode(err); err != nil {
		resp.Generation, resp.MemberID = -1, req.MemberID
		if joined != nil && joined.MemberID != "" {
			resp.MemberID = joined.MemberID
		}
		return resp
	}
	resp.MemberID, resp.Generation, resp.LeaderID = joined.MemberID, joined.Generation, joined.Leader
	resp.ProtocolType, resp.Protocol = &joined.ProtocolType, &joined.Protocol
	resp.SkipAssignment = joined.SkipAssignment
	for _, m := range joined.Members {
		out := kmsg.NewJoinGroupResponseMember()
		out.MemberID, out.InstanceID, out.ProtocolMetadata = m.MemberID, textOf(m.InstanceID), m.Metadata
		resp.Members = append(resp.Members, out)
	}
	return resp
}
