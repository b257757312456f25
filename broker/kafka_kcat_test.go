package broker

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire/kafka"
)

// kcat runs the command of that name, which is librdkafka's, against the node.
func kcat(t testing.TB, n *node, stdin string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("kcat"); err != nil {
		require.Empty(t, os.Getenv("CI"), "there is no kcat")
		t.Skip("there is no kcat; make test installs it")
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(within(t), "kcat", append([]string{"-b", n.KafkaAddr().String()}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	require.NoError(t, cmd.Run(), errs.String())
	return out.String()
}

// storedCodecs are the codecs of a partition's batches.
func storedCodecs(n *node, topic string) (codecs []record.Codec) {
	n.t.Helper()
	for rest := n.fetch(n.topics.name(topic).id, 0, 0).Batches; len(rest) > 0; {
		b, more, err := record.Split(rest)
		require.NoError(n.t, err)
		codecs, rest = append(codecs, b.Codec()), more
	}
	return codecs
}

// findCoordinator is the key of that request.
const findCoordinator = 10

// keyed are lines of a key and a value that compress well.
func keyed(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d:%s %d\n", i%7, strings.Repeat("words that come again ", 5), i)
	}
	return b.String()
}

// kcat produces with each codec, and the batches are stored as it compressed them; it reads back what it wrote, to the
// end of the partition. An idempotent producer does the same.
func TestKafkaKcat(t *testing.T) {
	n := startNode(t, onKafka)
	text := keyed(500)
	for name, codec := range map[string]record.Codec{
		"none": record.None, "gzip": record.Gzip, "snappy": record.Snappy, "lz4": record.LZ4, "zstd": record.Zstd,
	} {
		for _, idempotent := range []string{"false", "true"} {
			topic := name + "." + idempotent
			n.create(topic, 1)
			kcat(t, n, text, "-P", "-t", topic, "-K:", "-z", name, "-X", "enable.idempotence="+idempotent)
			if codec == record.LZ4 && !slices.Contains(kafka.Keys(), findCoordinator) {
				codec = record.None // librdkafka takes the absence of that request for that of the codec
			}
			require.Contains(t, storedCodecs(n, topic), codec, topic)
			require.Equal(t, text, kcat(t, n, "", "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", `%k:%s\n`))
		}
	}
	require.Contains(t, kcat(t, n, "", "-L"), `topic "zstd.true" with 1 partitions:`)
	require.Equal(t, "gzip.true [0] offset 500\n", kcat(t, n, "", "-Q", "-t", "gzip.true:0:-1"))
}

// franz-go produces with each codec, and reads what kcat reads.
func TestKafkaCodecs(t *testing.T) {
	n := startNode(t, onKafka)
	for codec, compression := range map[record.Codec]kgo.CompressionCodec{
		record.None: kgo.NoCompression(), record.Gzip: kgo.GzipCompression(), record.Snappy: kgo.SnappyCompression(),
		record.LZ4: kgo.Lz4Compression(), record.Zstd: kgo.ZstdCompression(),
	} {
		topic := codec.String()
		n.create(topic, 1)
		c := kafkaClient(t, n, kgo.ProducerBatchCompression(compression), kgo.ConsumeTopics(topic))
		var sent []*kgo.Record
		for i := range 200 {
			sent = append(sent, kgo.StringRecord(strings.Repeat("again and ", 20)+fmt.Sprint(i)))
			sent[i].Topic = topic
		}
		kafkaSend(t, c, sent...)
		require.Contains(t, storedCodecs(n, topic), codec)
		for i, r := range kafkaPoll(t, c, len(sent)) {
			require.Equal(t, sent[i].Value, r.Value)
		}
	}
}
