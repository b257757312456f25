package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/record"
)

func sealed(t *testing.T, id identity, seq int32) *batch {
	t.Helper()
	b := record.NewBuilder(record.None)
	b.Append(record.Record{Timestamp: 5, Key: []byte("k"), Value: []byte("v")})
	b.Append(record.Record{Timestamp: 6, Value: []byte("w")})
	b.SetProducer(id.id, id.epoch, seq)
	data, err := b.Seal(nil)
	require.NoError(t, err)
	return &batch{state: batchReady, data: data, memory: data, ident: id, seq: seq, count: 2}
}

// A batch that is stamped anew is the batch that would have been sealed so.
func TestRestamp(t *testing.T) {
	one, other := identity{1 << 40, 3, 1}, identity{7, 32767, 2}
	b := sealed(t, one, 12)
	b.restamp(other, 1<<31-1)
	require.Equal(t, sealed(t, other, 1<<31-1).data, b.data)
	require.NoError(t, b.data.VerifyCRC())
	require.NoError(t, b.data.Validate(record.Limits{}))
}

// CVE-2026-35554: the bytes of a request that was sent, and got no answer, do not change: not by a new stamp, and not
// by reuse.
func TestBytesOfASentBatchStay(t *testing.T) {
	b := sealed(t, identity{1, 0, 1}, 0)
	b.tries = 1
	before := b.data
	kept := append(record.Batch(nil), before...)
	b.restamp(identity{2, 0, 2}, 9)
	require.Equal(t, kept, before)
	require.Nil(t, b.memory)
	for _, doubtful := range []*batch{{tries: 2}, {tries: 1, pinned: true}, {tries: 1, err: errClosed("x")}, {}} {
		p := &Producer{}
		doubtful.memory = make([]byte, 0, 512)
		p.release(doubtful)
		require.Nil(t, p.pools.memory[9].Get())
	}
	b.pinned = true
	require.Panics(t, func() { b.restamp(identity{3, 0, 3}, 0) })
}

func TestAdvanceWraps(t *testing.T) {
	require.Equal(t, int32(0), advance(1<<31-1, 1))
	require.Equal(t, int32(4), advance(1<<31-6, 10))
	require.Equal(t, int32(15), advance(5, 10))
}

func TestPoolsKeepPowersOfTwo(t *testing.T) {
	var p pools
	for _, n := range []int{0, 1, 511, 512, 513, 1 << 20} {
		b := p.bytes(n)
		require.GreaterOrEqual(t, cap(b), max(n, 512))
		require.Empty(t, b)
		p.putBytes(append(b, 1))
		require.Empty(t, p.bytes(n))
	}
	p.putBytes(make([]byte, 0, 700)) // is not kept: no power of two
	p.putBytes(nil)
}
