package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

func TestKeyHashSpreads(t *testing.T) {
	var count [16]int
	for i := range 16_000 {
		count[KeyHash.choose("t", []byte{byte(i), byte(i >> 8), 'k'}, 0, 16, &spread{})]++
	}
	for _, n := range count {
		require.InDelta(t, 1000, n, 200)
	}
	s := &spread{}
	require.NotEqual(t, KeyHash.choose("t", []byte{}, 0, 1000, s), KeyHash.choose("t", []byte("x"), 0, 1000, s))
	require.Equal(t, wire.KeyPartition([]byte{}, 1000), KeyHash.choose("t", []byte{}, 0, 1000, s),
		"the empty key is a key")
}

func TestRoundRobin(t *testing.T) {
	s := &spread{}
	for i := range int32(100) {
		require.Equal(t, i%7, RoundRobin.choose("t", []byte("k"), 0, 7, s))
	}
}

// Sticky keeps to a partition until a batch of it is complete, then takes another one, and comes to all of them.
func TestStickyByBatch(t *testing.T) {
	for _, scheme := range []Scheme{Sticky, KeyHash} {
		s := &spread{}
		seen := map[int32]int{}
		for range 200 {
			at := scheme.choose("t", nil, 0, 8, s)
			for range 10 {
				require.Equal(t, at, scheme.choose("t", nil, 0, 8, s))
			}
			s.full((at+1)%8, 8) // a batch of another partition does not matter
			require.Equal(t, at, scheme.choose("t", nil, 0, 8, s))
			s.full(at, 8)
			require.NotEqual(t, at, scheme.choose("t", nil, 0, 8, s))
			seen[at]++
		}
		require.Len(t, seen, 8)
	}
	s := &spread{}
	for range 10 {
		require.Zero(t, Sticky.choose("t", nil, 0, 1, s))
		s.full(0, 1)
	}
}

func TestManualAndFunc(t *testing.T) {
	require.Equal(t, int32(5), Manual.choose("t", []byte("k"), 5, 3, &spread{}),
		"out of range is for the caller to refuse")
	f := Func(func(topic string, key []byte, n int32) int32 { return int32(len(topic)+len(key)) % n })
	require.Equal(t, int32(1), f.choose("top", []byte("k"), 0, 3, &spread{}))
}
