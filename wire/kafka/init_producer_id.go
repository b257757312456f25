package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire"
)

// InitProducerID gives an idempotent producer its id and epoch, or, from version 3 on, the next epoch to one that names
// its own. Transactional ids are not offered.
func initProducerID(ctx context.Context, r *request, req *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.TransactionalID != nil {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	in := &wire.InitProducerIDRequest{ProducerID: -1, Epoch: -1}
	if req.Version >= 3 {
		in.ProducerID, in.Epoch = req.ProducerID, req.ProducerEpoch
	}
	if in.ProducerID < -1 || in.Epoch < -1 || (in.ProducerID < 0) != (in.Epoch < 0) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	out, refused := ask[*wire.InitProducerIDResponse](ctx, r, in)
	if resp.ErrorCode = errorCode(refused); refused == nil {
		resp.ProducerID, resp.ProducerEpoch = out.ProducerID, out.Epoch
	}
	return resp
}
