package kv

import (
	"bytes"
	"encoding/hex"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The bytes of the keys are on disks: testdata/keys.golden never changes.
func TestKeysGolden(t *testing.T) {
	p := Partition{Topic: 0x0102030405060708, Index: 0x0a0b0c0d}
	keys := []struct {
		name string
		key  []byte
	}{
		{"batch", appendNumbered(nil, tagBatch, p, 0x1112131415161718)},
		{"batch first", appendNumbered(nil, tagBatch, Partition{}, 0)},
		{"batch last", appendNumbered(nil, tagBatch, Partition{math.MaxUint64, math.MaxInt32}, math.MaxInt64)},
		{"epoch", appendEpochKey(nil, p, 0x21222324)},
		{"meta", appendPartition(nil, tagMeta, p)},
		{"producer", appendNumbered(nil, tagProducer, p, 0x3132333435363738)},
		{"time", appendNumbered(nil, tagTime, p, 0x4142434445464748)},
		{"store format", appendNamed(nil, tagStore, rowFormat)},
		{"store cluster", appendNamed(nil, tagStore, rowCluster)},
		{"store broker", appendNamed(nil, tagStore, rowBroker)},
		{"store storage", appendNamed(nil, tagStore, rowStorage)},
		{"store epoch", appendNamed(nil, tagStore, rowEpoch)},
		{"store stop", appendNamed(nil, tagStore, rowStop)},
		{"node", appendNamed(nil, tagNode, "/topics/a")},
	}
	var text strings.Builder
	for _, k := range keys {
		text.WriteString(k.name + ": " + hex.EncodeToString(k.key) + "\n")
	}
	golden, err := os.ReadFile("testdata/keys.golden")
	require.NoError(t, err)
	require.Equal(t, string(golden), text.String())
}

// Keys sort as (tag, topic, partition, number).
func TestKeysSort(t *testing.T) {
	gen := rapid.Custom(func(t *rapid.T) parsedKey {
		return parsedKey{
			tag: rapid.SampledFrom([]byte{tagBatch, tagProducer, tagTime}).Draw(t, "tag"),
			partition: Partition{
				Topic: rapid.Uint64().Draw(t, "topic"),
				Index: rapid.Int32Min(0).Draw(t, "index"),
			},
			number: rapid.Int64Min(0).Draw(t, "number"),
		}
	})
	less := func(a, b parsedKey) int {
		switch {
		case a.tag != b.tag:
			return int(a.tag) - int(b.tag)
		case a.partition.Topic != b.partition.Topic:
			if a.partition.Topic < b.partition.Topic {
				return -1
			}
			return 1
		case a.partition.Index != b.partition.Index:
			return int(a.partition.Index) - int(b.partition.Index)
		case a.number < b.number:
			return -1
		case a.number > b.number:
			return 1
		}
		return 0
	}
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(gen, 2, 20).Draw(t, "keys")
		byTuple, byBytes := slices.Clone(keys), slices.Clone(keys)
		slices.SortStableFunc(byTuple, less)
		slices.SortStableFunc(byBytes, func(a, b parsedKey) int { return bytes.Compare(a.encode(), b.encode()) })
		require.Equal(t, byTuple, byBytes)
	})
}

// encode is the inverse of parseKey.
func (k parsedKey) encode() []byte {
	switch k.tag {
	case tagStore, tagNode:
		return appendNamed(nil, k.tag, k.name)
	case tagMeta:
		return appendPartition(nil, k.tag, k.partition)
	case tagEpoch:
		return appendEpochKey(nil, k.partition, int32(k.number))
	default:
		return appendNumbered(nil, k.tag, k.partition, k.number)
	}
}

func FuzzParseKey(f *testing.F) {
	p := Partition{Topic: 3, Index: 4}
	f.Add([]byte{})
	f.Add([]byte{'z'})
	f.Add(appendNumbered(nil, tagBatch, p, 5))
	f.Add(appendEpochKey(nil, p, 6))
	f.Add(appendPartition(nil, tagMeta, p))
	f.Add(appendNamed(nil, tagNode, "/a"))
	f.Fuzz(func(t *testing.T, k []byte) {
		pk, err := parseKey(k)
		if err != nil {
			require.ErrorIs(t, err, errKey)
			_ = describeKey(k)
			return
		}
		require.Equal(t, k, pk.encode())
		require.NotEmpty(t, describeKey(k))
	})
}

func TestPrefixEnd(t *testing.T) {
	require.Equal(t, []byte{'d', 1}, prefixEnd([]byte{'d', 0}))
	require.Equal(t, []byte{'e'}, prefixEnd([]byte{'d', 0xff, 0xff}))
	rapid.Check(t, func(t *rapid.T) {
		prefix := append([]byte{tagBatch}, rapid.SliceOf(rapid.Byte()).Draw(t, "prefix")...)
		rest := rapid.SliceOf(rapid.Byte()).Draw(t, "rest")
		end := prefixEnd(prefix)
		require.Positive(t, bytes.Compare(end, append(clone(prefix), rest...)))
		require.False(t, bytes.HasPrefix(end, prefix))
	})
}

// A negative number has no place in the layout: it is a broken invariant.
func TestKeysRefuseNegative(t *testing.T) {
	require.Panics(t, func() { appendNumbered(nil, tagBatch, Partition{}, -1) })
	require.Panics(t, func() { appendEpochKey(nil, Partition{}, -1) })
	require.Panics(t, func() { appendPartition(nil, tagMeta, Partition{Index: -1}) })
}

func TestDescribeKey(t *testing.T) {
	p := Partition{Topic: 3, Index: 4}
	for want, key := range map[string][]byte{
		"batch of topic id 3, partition 4, last offset 5":     appendNumbered(nil, tagBatch, p, 5),
		"epoch row of topic id 3, partition 4, epoch 6":       appendEpochKey(nil, p, 6),
		"state row of topic id 3, partition 4":                appendPartition(nil, tagMeta, p),
		"producer row of topic id 3, partition 4, producer 7": appendNumbered(nil, tagProducer, p, 7),
		"time row of topic id 3, partition 4, last offset 8":  appendNumbered(nil, tagTime, p, 8),
		`store row "stop"`:     appendNamed(nil, tagStore, "stop"),
		`metadata node "/a\n"`: appendNamed(nil, tagNode, "/a\n"),
		"key 64ff":             {tagBatch, 0xff},
	} {
		require.Equal(t, want, describeKey(key))
	}
}
