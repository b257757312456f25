package broker

import (
	"math/bits"
	"sync"
)

// Buffers for answers come in sizes of powers of two, and are kept for the next answer up to the default size of a
// client's fetch; larger ones are left to the garbage collector.
const (
	minFetchBits = 12 // 4 KiB
	maxFetchBits = 23 // 8 MiB
)

// fetchBuffer is memory for the batches of one answer.
type fetchBuffer struct{ b []byte }

// fetchBuffers keeps them, by size. Idle, it is emptied by the garbage collector. Safe for concurrent use.
type fetchBuffers struct {
	classes [maxFetchBits - minFetchBits + 1]sync.Pool
}

// bufferSize is the size of a new buffer for n bytes.
func bufferSize(n int) int {
	if n > 1<<maxFetchBits {
		return n
	}
	return 1 << max(bits.Len(uint(max(n, 1)-1)), minFetchBits)
}

// get returns an empty buffer with room for n bytes.
func (p *fetchBuffers) get(n int) *fetchBuffer {
	size := bufferSize(n)
	if n <= 1<<maxFetchBits {
		if f, ok := p.classes[classOf(size)].Get().(*fetchBuffer); ok {
			return f
		}
	}
	return &fetchBuffer{make([]byte, 0, size)}
}

// classOf is the largest class that size bytes have room for; it may be none of those that are kept.
func classOf(size int) int { return bits.Len(uint(size)) - 1 - minFetchBits }

// put takes a buffer back that nobody refers to any more. It may have grown.
func (p *fetchBuffers) put(f *fetchBuffer) {
	class := classOf(cap(f.b))
	if class < 0 || class >= len(p.classes) {
		return
	}
	f.b = f.b[:0]
	p.classes[class].Put(f)
}
