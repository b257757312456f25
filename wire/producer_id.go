package wire

import "math"

// InitProducerIDRequest asks for the identity of an idempotent producer.
type InitProducerIDRequest struct {
	// ProducerID is -1 for a new one, else the id that the producer has: it gets
	// the next epoch, which fences older instances.
	ProducerID int64
	// Epoch is the epoch that the producer has; -1 for a new one.
	Epoch int16
}

// InitProducerIDResponse answers an InitProducerIDRequest.
type InitProducerIDResponse struct {
	ProducerID int64
	Epoch      int16
}

// API is APIInitProducerID.
func (*InitProducerIDRequest) API() API { return APIInitProducerID }

func (r *InitProducerIDRequest) encode(e *encoder) { encodeProducer(e, r.ProducerID, r.Epoch) }

func (r *InitProducerIDRequest) decode(d *decoder) { r.ProducerID, r.Epoch = decodeProducer(d) }

// API is APIInitProducerID.
func (*InitProducerIDResponse) API() API { return APIInitProducerID }

func (r *InitProducerIDResponse) encode(e *encoder) { encodeProducer(e, r.ProducerID, r.Epoch) }

func (r *InitProducerIDResponse) decode(d *decoder) { r.ProducerID, r.Epoch = decodeProducer(d) }

func encodeProducer(e *encoder, id int64, epoch int16) {
	e.array(2)
	e.int(id)
	e.int(int64(epoch))
}

func decodeProducer(d *decoder) (id int64, epoch int16) {
	if !d.fields(2) {
		return 0, 0
	}
	id = d.i64("producer_id", -1, never)
	epoch = int16(d.i64("epoch", -1, math.MaxInt16))
	d.leave()
	return id, epoch
}
