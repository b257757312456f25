package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/skidway/skidway/wire"
)

// Members is what a Node does for the members of consumer groups whose partitions the broker assigns (KIP-848). They
// are members as Skidway's own clients are, and of the same groups.
type Members interface {
	// MemberHeartbeat hears a member, and answers at once: when what the answer says is durable. The error is as those
	// of Groups.
	MemberHeartbeat(ctx context.Context, peer *wire.Peer, req *MemberHeartbeat) (*wire.GroupHeartbeatResponse, error)
}

// MemberHeartbeat is what a member says.
type MemberHeartbeat struct {
	wire.GroupHeartbeatRequest
	// ClientID is what the client calls itself.
	ClientID string
	// KeepTopics and KeepRegex tell of a request that Subscribes that this part of the subscription is as before.
	KeepTopics, KeepRegex bool
}

// memberErrorCode is groupErrorCode for the offsets of a member: there an epoch that the group did not give is as good
// as one that is behind, for it is the heartbeat that fences.
func memberErrorCode(err error) int16 {
	code := groupErrorCode(err)
	if code == kerr.FencedMemberEpoch.Code {
		return kerr.StaleMemberEpoch.Code
	}
	return code
}
