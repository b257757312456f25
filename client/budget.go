package client

import (
	"context"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sync/semaphore"
)

// overhead is what a record that is under way costs beside its bytes.
const overhead = int64(unsafe.Sizeof(entry{}))

// budget bounds the bytes of the records that a Producer has accepted. Safe for concurrent use.
type budget struct {
	room    *semaphore.Weighted
	size    int64
	used    atomic.Int64
	blocked atomic.Int64 // callers that wait for room
	hurry   func()       // sends what there is: somebody waits
}

// acquire takes n bytes, and waits for them, no longer than ctx.
func (b *budget) acquire(ctx context.Context, n int64) error {
	if !b.room.TryAcquire(n) {
		b.blocked.Add(1)
		b.hurry()
		err := b.room.Acquire(ctx, n)
		b.blocked.Add(-1)
		if err != nil {
			return err
		}
	}
	b.used.Add(n)
	return nil
}

// release gives bytes back.
func (b *budget) release(n int64) {
	if n > 0 {
		b.used.Add(-n)
		b.room.Release(n)
	}
}

// short tells whether somebody waits for room: then nothing lingers.
func (b *budget) short() bool { return b.blocked.Load() > 0 }

// empty tells whether nothing is under way.
func (b *budget) empty() bool { return b.used.Load() == 0 }
