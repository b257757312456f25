package broker

import (
	"errors"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

// What is checked before a batch is queued, for produce and thin_produce alike.

// refusesAppends is the reason for which no partition takes records now; nil when they do.
func (b *Broker) refusesAppends() *wire.Error {
	if b.isDraining() {
		return &wire.Error{Code: wire.CodeShuttingDown, Message: "the broker is stopping"}
	}
	err := b.store.Writable()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kv.ErrDiskFull):
		space := b.store.Space()
		return wire.Errorf(wire.CodeDiskFull, "the disk is full: %s are free of %s, and %s are kept in reserve",
			units.FormatBytes(space.FreeBytes), units.FormatBytes(space.TotalBytes), units.FormatBytes(space.ReserveBytes))
	}
	return wireError(err)
}

// checkBatch checks what a client sent for a partition: one whole, valid batch that the topic takes.
func checkBatch(p *partition, raw []byte, lim record.Limits) (record.Batch, *wire.Error) {
	refuse := func(code wire.Code, format string, args ...any) (record.Batch, *wire.Error) {
		e := wire.Errorf(code, format, args...)
		e.Message = partitionName(p) + ": " + e.Message
		return nil, e
	}
	if len(raw) > lim.MaxBatchBytes {
		return nil, tooLarge(p, len(raw))
	}
	batch, rest, err := record.Split(raw)
	switch {
	case err != nil:
		return refuse(wire.CodeInvalidBatch, "%v", err)
	case len(rest) > 0:
		return refuse(wire.CodeInvalidBatch, "%d bytes follow the batch; exactly one batch is taken", len(rest))
	}
	if err := batch.Validate(lim); err != nil {
		e := wireError(err)
		return refuse(e.Code, "%s", e.Message)
	}
	switch {
	case batch.Control():
		return refuse(wire.CodeUnsupported, "control batches are written by brokers only")
	case batch.Transactional():
		return refuse(wire.CodeUnsupported, "transactions are not offered")
	}
	return batch, nil
}

// tooLarge says how large, how large it may be, and where that is set.
func tooLarge(p *partition, size int) *wire.Error {
	state := p.topic.state.Load()
	return wire.Errorf(wire.CodeRecordTooLarge,
		"%s: a batch of %d bytes; at most %d are taken (max_batch_bytes, set by %s)",
		partitionName(p), size, state.settings.MaxBatchBytes, settingOrigin(state, "max_batch_bytes"))
}

// settingOrigin says in words who set a setting of a topic.
func settingOrigin(state *topicState, name string) string {
	if _, own := state.meta.Settings[name]; own {
		return "the topic"
	}
	return "the broker's defaults"
}
