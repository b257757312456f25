package broker

import (
	"context"

	"github.com/skidway/skidway/wire"
	"github.com/skidway/skidway/wire/kafka"
)

// MemberHeartbeat hears a member of a consumer group that speaks Kafka's protocol: it is one as those that speak the
// native one are.
func (n kafkaNode) MemberHeartbeat(
	ctx context.Context, peer *wire.Peer, req *kafka.MemberHeartbeat,
) (*wire.GroupHeartbeatResponse, error) {
	defer n.b.crash()
	as := *peer
	if req.ClientID != "" {
		as.ClientName = presentable(req.ClientID)
	}
	resp, err := heartbeatCall{
		b: n.b, peer: &as, req: &req.GroupHeartbeatRequest, keepTopics: req.KeepTopics, keepRegex: req.KeepRegex,
	}.beat(ctx)
	return resp, groupError(err)
}
