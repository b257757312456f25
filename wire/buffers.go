package wire

import (
	"math/bits"
	"sync"
)

// Frame buffers come in sizes of powers of two.
const (
	minBufferBits = 9 // 512 bytes
	maxBufferBits = 30
)

// frameBuffer is the memory of one request frame.
type frameBuffer struct{ b []byte }

// bufferPool keeps frame buffers for reuse, by size. Idle, it is emptied by the
// garbage collector. Safe for concurrent use.
type bufferPool struct {
	classes [maxBufferBits - minBufferBits + 1]sync.Pool
}

// class is the index of the smallest size that holds n bytes.
func class(n int) int {
	if n <= 1<<minBufferBits {
		return 0
	}
	return bits.Len(uint(n-1)) - minBufferBits
}

// get returns a buffer that holds at least n bytes, of length n.
func (p *bufferPool) get(n int) *frameBuffer {
	c := class(n)
	if f, ok := p.classes[c].Get().(*frameBuffer); ok {
		f.b = f.b[:n]
		return f
	}
	return &frameBuffer{make([]byte, n, 1<<(c+minBufferBits))}
}

// put takes a buffer back that nobody refers to any more.
func (p *bufferPool) put(f *frameBuffer) { p.classes[class(cap(f.b))].Put(f) }

// drop gives the exchange's frame back before its answer: nothing refers to it.
func (p *bufferPool) drop(ex *exchange) {
	if ex.buf != nil {
		p.put(ex.buf)
		ex.buf = nil
	}
}
