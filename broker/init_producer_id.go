package broker

import (
	"context"
	"math"
	"sync"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// init_producer_id gives an idempotent producer its identity: a new id with epoch 0, or, for a producer that names its
// own id and epoch, the same id with the next epoch, which fences older instances (KIP-360). An id whose epochs are
// used up is replaced by a new one. No id is given out twice, also over restarts.
//
// Not done: transactional ids. The broker does not remember which epoch an id has; the partitions do.

// producerIDBlock is how many ids are taken from the metadata at a time; a restart skips the rest of a block.
const producerIDBlock = 1000

// producerIDs are the ids taken and not given out yet.
type producerIDs struct {
	mu          sync.Mutex // guards what follows; held while a block is taken
	next, limit int64
}

func (b *Broker) initProducerID(
	ctx context.Context, req *wire.InitProducerIDRequest,
) (*wire.InitProducerIDResponse, error) {
	if b.isDraining() {
		return nil, wire.Errorf(wire.CodeShuttingDown, "the broker is stopping")
	}
	b.ids.mu.Lock()
	defer b.ids.mu.Unlock()
	if b.ids.next == b.ids.limit {
		first, err := metadata.AllocateProducerIDs(ctx, b.meta, producerIDBlock)
		if err != nil {
			return nil, err
		}
		b.ids.next, b.ids.limit = first, first+producerIDBlock
	}
	// In a cluster other brokers take blocks, too.
	if b.member == nil && req.ProducerID >= b.ids.limit {
		return nil, wire.Errorf(wire.CodeInvalidArgument, "producer id %d was never given out", req.ProducerID)
	}
	if req.ProducerID >= 0 && req.Epoch < 0 {
		return nil, wire.Errorf(wire.CodeInvalidArgument, "producer id %d comes without its epoch", req.ProducerID)
	}
	if req.ProducerID >= 0 && req.Epoch < math.MaxInt16-1 {
		return &wire.InitProducerIDResponse{ProducerID: req.ProducerID, Epoch: req.Epoch + 1}, nil
	}
	id := b.ids.next
	b.ids.next++
	return &wire.InitProducerIDResponse{ProducerID: id, Epoch: 0}, nil
}
