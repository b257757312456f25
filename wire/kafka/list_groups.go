package kafka

import (
	"context"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// ListGroups lists the groups that this broker coordinates; clients ask all brokers. From version 4 on it can be asked
// for those in some states, from version 5 on for those of some types.
func listGroups(ctx context.Context, r *request, req *kmsg.ListGroupsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListGroupsResponse)
	groups, err := r.conn.node.ListGroups(ctx)
	resp.ErrorCode = groupErrorCode(err)
	for _, g := range groups {
		out := kmsg.NewListGroupsResponseGroup()
		out.Group, out.ProtocolType, out.GroupState, out.GroupType = g.Group, g.ProtocolType, g.State, "consumer"
		if g.Classic {
			out.GroupType = "classic"
		}
		if among(out.GroupState, req.StatesFilter) && among(out.GroupType, req.TypesFilter) {
			resp.Groups = append(resp.Groups, out)
		}
	}
	return resp
}

// among tells whether a filter lets the word through, in whatever case; one that is empty lets all through.
func among(word string, filter []string) bool {
	return len(filter) == 0 || slices.ContainsFunc(filter, func(f string) bool { return strings.EqualFold(f, word) })
}
