package broker

import (
	"context"

	"github.com/skidway/skidway/wire"
)

// describe_broker tells how this broker is: what /readyz?verbose says, and the sizes of things.
func (b *Broker) describeBroker(context.Context, *wire.DescribeBrokerRequest) (*wire.DescribeBrokerResponse, error) {
	report := b.report()
	topics, partitions := b.topics.count()
	space := b.store.Space()
	resp := &wire.DescribeBrokerResponse{
		BrokerID: b.cfg.NodeID, Version: b.cfg.Version.Number, Go: goVersion(), StartedMs: b.started.UnixMilli(),
		DataDir: b.cfg.DataDir, Fsync: b.cfg.Fsync.String(),
		Topics: int32(topics), Partitions: int32(partitions), Connections: int32(b.met.connections.Load()),
		DiskTotal: max(space.TotalBytes, 0), DiskFree: max(space.FreeBytes, 0), LogBytes: b.logBytes(),
		Ready: report.ready(), Checks: make([]wire.Check, len(report.Checks)),
	}
	for i, c := range report.Checks {
		resp.Checks[i] = wire.Check{Name: c.Name, OK: c.OK, Detail: c.Detail}
	}
	return resp, nil
}

// logBytes is the size of all logs that are open.
func (b *Broker) logBytes() (total int64) {
	for _, p := range b.opened.snapshot() {
		total += p.log.Load().Stats().Bytes
	}
	return total
}
