package record

import (
	"encoding/binary"

	"github.com/stretchr/testify/require"
)

// tester is a *testing.T, a *testing.B or a *rapid.T.
type tester interface {
	require.TestingT
	Helper()
}

// build makes a batch of an idempotent producer.
func build(tb tester, codec Codec, records []Record) Batch {
	tb.Helper()
	b := NewBuilder(codec)
	for _, r := range records {
		b.Append(r)
	}
	b.SetProducer(11, 2, 33)
	batch, err := b.Seal(nil)
	require.NoError(tb, err)
	require.LessOrEqual(tb, len(batch), b.Size())
	return batch
}

func readAll(tb tester, b Batch) []Record {
	tb.Helper()
	var out []Record
	for r, err := range b.Records(Limits{}) {
		require.NoError(tb, err)
		out = append(out, r)
	}
	return out
}

// requireRecords checks that the batch reads as records from base on. nil and empty are told apart.
func requireRecords(tb tester, records []Record, b Batch, base int64) {
	tb.Helper()
	want := make([]Record, len(records))
	for i, r := range records {
		r.Offset = base + int64(i)
		want[i] = r
	}
	require.Equal(tb, want, readAll(tb, b))
}

// reseal makes the checksum right again after a test has changed the bytes.
func reseal(b Batch) Batch {
	binary.BigEndian.PutUint32(b[atCRC:], b.computeCRC())
	return b
}
