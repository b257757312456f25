package broker

import (
	"context"
	"errors"
	"fmt"
)

// Shutdown stops the broker in good order: no new connection is accepted, requests that were started are answered,
// those that wait for records at once, what was appended is made durable, the store is closed and marked as cleanly
// stopped. When ctx ends first, or Shutdown is called once more, connections are cut, and the store is closed all the
// same. It returns why the stop was not clean, or nil; a further call returns the same, or that its own ctx ended.
func (b *Broker) Shutdown(ctx context.Context) error { return b.stop(ctx, nil) }

// stop shuts down because of cause, nil when it was asked for.
func (b *Broker) stop(ctx context.Context, cause error) error {
	first := false
	b.stopOnce.Do(func() { first = true })
	if first {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := context.AfterFunc(b.hurry, cancel)
		defer stop()
		b.err = errors.Join(cause, b.drain(ctx))
		close(b.done)
		return b.err
	}
	b.hurryUp()
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("broker: still stopping: %w", ctx.Err())
	}
}

// beginDrain makes new requests be refused and ends long polls. It may be called again.
func (b *Broker) beginDrain() { b.drainOnce.Do(func() { close(b.draining) }) }

func (b *Broker) drain(ctx context.Context) error {
	b.health.phase.Store(int32(phaseStopping))
	b.log.Info("broker stops")
	b.beginDrain()
	var faults []error
	if b.member != nil { // while clients are still served
		if err := b.member.Drain(ctx); err != nil {
			faults = append(faults, fmt.Errorf("broker: %w", err))
		}
	}
	kafka := make(chan error, 1)
	// Both at once: a client that hears of the stop asks again until its connection ends.
	go func() { kafka <- b.kafka.stop(ctx) }()
	if err := errors.Join(b.server.Shutdown(ctx), <-kafka); err != nil {
		faults = append(faults, fmt.Errorf("broker: connections were cut: %w", err))
	}
	<-b.serving
	b.stopTasks()
	b.tasks.Wait()
	if b.peers != nil {
		if err := b.peers.Close(); err != nil {
			faults = append(faults, fmt.Errorf("broker: %w", err))
		}
	}
	b.groups.stop()
	b.flushStarts()
	b.linger.stop()
	if err := b.store.Close(); err != nil {
		faults = append(faults, fmt.Errorf("broker: closing the store: %w", err))
	}
	if b.zk != nil {
		if err := b.zk.Close(); err != nil {
			faults = append(faults, fmt.Errorf("broker: %w", err))
		}
	}
	b.http.stop(ctx)
	b.log.Info("broker stopped")
	return errors.Join(faults...)
}
