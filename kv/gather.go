package kv

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// logBuffer is how much of the write-ahead log is gathered for one write.
	// Pebble writes it in blocks of 32 KiB, each a system call of its own. More
	// would cost bytes: the page cache keeps what one write brings in one piece,
	// and a commit that ends within such a piece counts as writing it twice.
	logBuffer = 64 << 10
	// tableBuffer is the same for tables and blob files, which Pebble writes in
	// pieces of 4 to 32 KiB that begin anywhere in a page.
	tableBuffer = 256 << 10
)

// gatherBuffers are the buffers of files that were closed, for the next ones.
type gatherBuffers struct{ log, table sync.Pool }

// gathered is a file whose writes are gathered into few large ones that end at
// multiples of the buffer's size. What is written stays in the process until the
// buffer is full, or until Sync, SyncData or Close: no one may count on it, or
// read it, before. Used like any vfs.File: by one writer at a time.
type gathered struct {
	vfs.File
	pool *sync.Pool
	buf  []byte // what is not written yet; its capacity is the buffer's size
	off  int64  // where buf begins in the file
}

// gather wraps a file that was just made, or is to be written over from its
// start.
func gather(f vfs.File, pool *sync.Pool, size int) *gathered {
	buf, ok := pool.Get().(*[]byte)
	if !ok {
		b := make([]byte, 0, size)
		buf = &b
	}
	return &gathered{File: f, pool: pool, buf: *buf}
}

// Write takes all of p, or fails as the file does.
func (g *gathered) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		room := cap(g.buf) - int(g.off%int64(cap(g.buf))) - len(g.buf)
		m := min(room, len(p))
		g.buf = append(g.buf, p[:m]...)
		p, n = p[m:], n+m
		if m == room {
			if err := g.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush writes what is gathered.
func (g *gathered) flush() error {
	if len(g.buf) == 0 {
		return nil
	}
	n, err := g.File.Write(g.buf)
	if err != nil {
		return err
	}
	g.off += int64(n)
	g.buf = g.buf[:0]
	return nil
}

// SyncTo begins to write the first n bytes out.
func (g *gathered) SyncTo(n int64) (full bool, err error) {
	if n > g.off {
		if err := g.flush(); err != nil {
			return false, err
		}
	}
	return g.File.SyncTo(n)
}

func (g *gathered) Sync() error {
	if err := g.flush(); err != nil {
		return err
	}
	return g.File.Sync()
}

func (g *gathered) SyncData() error {
	if err := g.flush(); err != nil {
		return err
	}
	return g.File.SyncData()
}

// Close gives the buffer back.
func (g *gathered) Close() error {
	err := g.flush()
	buf := g.buf[:0]
	g.buf = nil
	g.pool.Put(&buf)
	if cerr := g.File.Close(); err == nil {
		err = cerr
	}
	return err
}
