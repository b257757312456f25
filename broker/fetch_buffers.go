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

// get returns an empty buffer with room for n bytes.
func (p *fetchBuffers) get(n int) *fetchBuffer {
	class := max(bits.Len(uint(max(n, 1)-1))-minFetchBits, 0)
	if class >= len(p.classes) {
		return &fetchBuffer{make([]byte, 0, n)}
	}
	if f, ok := p.classes[class].Get().(*fetchBuffer); ok {
		return f
	}
	return &fetchBuffer{make([]byte, 0, 1<<(class+minFetchBits))}
}

// put takes a buffer back that nobody refers to any more. It may have grown.
func (p *fetchBuffers) put(f *fetchBuffer) {
	class := bits.Len(uint(cap(f.b))) - 1 - minFetchBits // the largest that it has room for
	if class < 0 || class >= len(p.classes) {
		return
	}
	f.b = f.b[:0]
	p.classes[class].Put(f)
}
