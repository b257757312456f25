package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// DescribeGroups tells what groups are made of, native ones too, whose members are told as Kafka's consumers. A group
// that does not exist is dead, which until version 6 is no error.

// noRights is the value of a set of rights that nobody asked for, or that there is none of.
const noRights = -1 << 31

func describeGroups(ctx context.Context, r *request, req *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeGroupsResponse)
	for _, id := range onceEach(req.Groups) {
		resp.Groups = append(resp.Groups, r.describeGroup(ctx, id))
	}
	return resp
}

func (r *request) describeGroup(ctx context.Context, id string) kmsg.DescribeGroupsResponseGroup {
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group, out.AuthorizedOperations = id, noRights
	d, err := r.conn.node.DescribeGroup(ctx, id)
	if errors.Is(err, wire.CodeUnknownGroup) {
		out.State = "Dead"
	}
	if err != nil {
		if out.State == "" || r.version >= 6 {
			out.ErrorCode, out.ErrorMessage = groupErrorCode(err), textOf(err.Error())
		}
		return out
	}
	out.State, out.ProtocolType, out.Protocol = d.State, d.ProtocolType, d.Protocol
	for _, m := range d.Members {
		in := kmsg.NewDescribeGroupsResponseGroupMember()
		in.MemberID, in.InstanceID, in.ClientID = m.MemberID, textOf(m.InstanceID), m.ClientID
		in.ClientHost = "/" + m.Host // as Java writes an address, which tools expect
		in.ProtocolMetadata, in.MemberAssignment = m.Metadata, m.Assignment
		out.Members = append(out.Members, in)
	}
	return out
}
