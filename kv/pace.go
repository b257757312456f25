package kv

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// flushCategory is Pebble's name for what a flush writes.
const flushCategory vfs.DiskWriteCategory = "pebble-memtable-flush"

const (
	// paceShare is the part of the time in which a memtable filled that the writing out of it may take.
	paceShare = 0.8
	// paceFloor is the rate, in bytes a second, below which no flush is held: what is written out is not kept in memory,
	// and a store that is written to slowly has nothing to gain.
	paceFloor = 64 << 20
	// paceLeast is the shortest pause that a timer can be asked for; paceMost bounds one, so that a flush that was
	// slowed down goes on soon when writes come faster.
	paceLeast = time.Millisecond
	paceMost  = 50 * time.Millisecond
)

// flushPacer spreads the writing of a memtable over the time that the next one takes to fill. A flush that goes as fast
// as the disk takes it fills the disk's queue, and every fsync of the log waits behind it. Nothing is held back while
// more than one memtable waits: then the disk is the limit. Safe for concurrent use.
type flushPacer struct {
	mu      sync.Mutex
	rotated time.Time     // when the memtable that is being filled began
	filled  time.Duration // how long the one before it took
	waiting int           // memtables that are full and not written out
	began   time.Time     // of the flush that is under way
	spread  time.Duration // over which its bytes are to be spread
	bytes   int64         // that it is going to write, about
	written int64         // of them
}

// rotate notes that a memtable is full.
func (p *flushPacer) rotate(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.rotated.IsZero() {
		p.filled = now.Sub(p.rotated)
		p.waiting++
	}
	p.rotated = now
}

// begin notes that memtables of so many bytes are being written out.
func (p *flushPacer) begin(now time.Time, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.began, p.bytes, p.written = now, max(bytes, 1), 0
	p.spread = min(
		time.Duration(paceShare*float64(p.filled)),
		time.Duration(float64(bytes)/paceFloor*float64(time.Second)),
	)
}

// end notes that so many memtables were written out, or failed to be.
func (p *flushPacer) end(memTables int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = max(p.waiting-memTables, 0)
	p.spread = 0
}

// pause is how long to wait before n more bytes of the flush are written.
func (p *flushPacer) pause(now time.Time, n int64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	due := p.began.Add(time.Duration(float64(p.spread) * float64(p.written) / float64(p.bytes)))
	p.written += n
	if d := due.Sub(now); p.waiting <= 1 && p.spread > 0 && d >= paceLeast {
		return min(d, paceMost)
	}
	return 0
}

// pacedFile is a file that a flush writes.
type pacedFile struct {
	vfs.File
	guard *guardFS
}

// Write writes p when it is time to, and at once if the store is closing.
func (f *pacedFile) Write(p []byte) (n int, err error) {
	if d := f.guard.pacer.pause(time.Now(), int64(len(p))); d > 0 {
		pause := time.NewTimer(d)
		defer pause.Stop()
		select {
		case <-f.guard.closing:
		case <-pause.C:
		}
	}
	return f.File.Write(p)
}
