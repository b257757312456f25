package broker

import (
	"net"
	"time"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/wire"
)

// storeEvents turn what the store reports into log lines, metrics and health. They are called on its goroutines and do
// not block, Fatal apart.
func (b *Broker) storeEvents() kv.Events {
	return kv.Events{
		Fatal: func(err error) {
			msg := err.Error()
			b.health.fatal.Store(&msg)
			b.cfg.OnFatal(err)
		},
		Corruption: func(err error) {
			b.health.damaged(err.Error())
			b.log.Error("the store met damaged data", "error", err)
		},
		DiskFull: func(full bool) {
			if full {
				b.log.Error("the disk is full: records are refused until there is room; reads and deletions go on")
			} else {
				b.log.Warn("there is room on the disk again: records are taken")
			}
		},
		WriteStall: func(begin bool, reason string) {
			b.health.stalled.Store(begin)
			if begin {
				b.log.Warn("writes wait for the store", "reason", reason)
			}
		},
		DiskSlow: func(path string, elapsed time.Duration) {
			b.log.Warn("the disk is slow", "file", path, "elapsed", elapsed)
		},
	}
}

// serverOptions configure the protocol server.
func (b *Broker) serverOptions() wire.ServerOptions {
	lim := b.cfg.Limits
	memory := lim.MemoryBytes / 2
	if b.cfg.Kafka.Listen != "" { // two servers share it
		memory = max(memory/2, 2*int64(lim.FrameBytes))
	}
	return wire.ServerOptions{
		Handler: handler{b}, Logger: b.log, Hello: b.hello(),
		MaxFrameBytes: int64(lim.FrameBytes), MaxConnections: lim.Connections, MemoryBytes: memory,
		Events: wire.Events{
			Opened:   func(net.Addr) { b.met.connections.Add(1) },
			Closed:   func(net.Addr, error) { b.met.connections.Add(-1) },
			Refused:  func(net.Addr) { b.met.refused.Add(1) },
			Answered: b.met.answered,
			Panicked: func(request string, value any) {
				b.log.Error("a request made the broker fail; its connection is closed", "request", request)
			},
		},
	}
}
