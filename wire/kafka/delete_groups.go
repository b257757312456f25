package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// DeleteGroups deletes groups that have no members, with all that they committed.
func deleteGroups(ctx context.Context, r *request, req *kmsg.DeleteGroupsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DeleteGroupsResponse)
	deleted, refused := ask[*wire.DeleteGroupsResponse](ctx, r, &wire.DeleteGroupsRequest{Groups: req.Groups})
	for i, id := range req.Groups {
		out := kmsg.NewDeleteGroupsResponseGroup()
		out.Group = id
		if err := refused; err != nil {
			out.ErrorCode = groupErrorCode(err)
		} else if err := deleted.Groups[i].Error; err != nil {
			out.ErrorCode = groupErrorCode(err)
		}
		resp.Groups = append(resp.Groups, out)
	}
	return resp
}
