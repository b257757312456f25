package partitionlog

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a decoder takes is what the encoder makes of it again, up to the numbers'
// shortest form; what it does not take is an error, never a panic.
func FuzzTimeRow(f *testing.F) {
	row := timeRow{last: 9, base: 7, prev: 3, max: 1000, segmentMax: 990, appended: 2000, gap: 5, bytes: 4096, size: 512}
	first := timeRow{last: 0, base: 0, prev: -1, max: noTime, segmentMax: noTime, appended: 1, size: 70}
	f.Add(int64(9), row.append(nil))
	f.Add(int64(0), first.append(nil))
	f.Add(int64(5), []byte{timeVersion, 1, 2, 3})
	f.Fuzz(func(t *testing.T, last int64, v []byte) {
		if last < 0 {
			return
		}
		r, err := decodeTime(last, v)
		if err != nil {
			require.ErrorIs(t, err, errRow)
			return
		}
		again, err := decodeTime(last, r.append(nil))
		require.NoError(t, err)
		require.Equal(t, r, again)
		require.LessOrEqual(t, len(r.append(nil)), maxTimeRow)
	})
}

func FuzzProducerRow(f *testing.F) {
	var s producerState
	s.epoch = 3
	for i := range int32(6) {
		s.add(sequenced{first: i * 4, span: 3, base: int64(i) * 10, appended: 1000})
		f.Add(s.append(nil))
	}
	f.Add([]byte{producerVersion, 0, 0, 6})
	f.Fuzz(func(t *testing.T, v []byte) {
		s, err := decodeProducer(v)
		if err != nil {
			require.ErrorIs(t, err, errRow)
			return
		}
		again, err := decodeProducer(s.append(nil))
		require.NoError(t, err)
		require.Equal(t, s, again)
		require.LessOrEqual(t, len(s.append(nil)), maxProducerRow)
	})
}

func FuzzMetaRow(f *testing.F) {
	f.Add(metaRow{start: 5, startBytes: 700, oldest: 1234, promised: 7, dataStart: 4, hw: 9, replica: true}.append(nil))
	f.Add(oldMeta(5, 700, 1234))
	f.Add([]byte{metaVersion})
	f.Fuzz(func(t *testing.T, v []byte) {
		m, err := decodeMeta(v)
		if err != nil {
			require.ErrorIs(t, err, errRow)
			return
		}
		known := v[2:metaSize1]
		if v[0] > 1 {
			known = v[2:metaSize]
		}
		require.True(t, bytes.HasPrefix(m.append(nil)[2:], known))
		again, err := decodeMeta(m.append(nil))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
