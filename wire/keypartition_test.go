package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The values of Kafka's own test of the hash (org.apache.kafka.common.utils.UtilsTest.testMurmur2).
func TestKeyPartitionAsKafka(t *testing.T) {
	for text, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		require.Equal(t, want, int32(murmur2([]byte(text))), text)
		require.Equal(t, (want&0x7fffffff)%7, KeyPartition([]byte(text), 7), text)
	}
}
