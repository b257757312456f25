package broker

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/wire"
)

// rawKafka is a connection on which a test says what no client library would.
type rawKafka struct {
	net.Conn
	t    testing.TB
	next int32
}

func dialKafka(t testing.TB, n *node) *rawKafka {
	t.Helper()
	c, err := net.Dial("tcp", n.KafkaAddr().String())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
	return &rawKafka{Conn: c, t: t}
}

// send sends a request and returns its correlation id.
func (c *rawKafka) send(req kmsg.Request) int32 {
	c.t.Helper()
	c.next++
	_, err := c.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("raw")).AppendRequest(nil, req, c.next))
	require.NoError(c.t, err)
	return c.next
}

// frame reads the body of one frame.
func (c *rawKafka) frame() []byte {
	c.t.Helper()
	var length [4]byte
	_, err := io.ReadFull(c, length[:])
	require.NoError(c.t, err)
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err = io.ReadFull(c, body)
	require.NoError(c.t, err)
	return body
}

// receive reads the answer to a request, and makes sure that kmsg would have written the same bytes.
func (c *rawKafka) receive(req kmsg.Request, correlation int32) kmsg.Response {
	c.t.Helper()
	body := c.frame()
	require.Equal(c.t, uint32(correlation), binary.BigEndian.Uint32(body))
	body = body[4:]
	if req.IsFlexible() && req.Key() != 18 {
		require.Zero(c.t, body[0])
		body = body[1:]
	}
	resp := req.ResponseKind()
	require.NoError(c.t, resp.ReadFrom(body))
	require.Equal(c.t, resp.AppendTo(nil), body)
	return resp
}

// ask sends a request and reads its answer.
func ask[Resp kmsg.Response](c *rawKafka, req kmsg.Request) Resp {
	c.t.Helper()
	return c.receive(req, c.send(req)).(Resp)
}

// closed makes sure that the broker closes the connection and says nothing more.
func (c *rawKafka) closed() {
	c.t.Helper()
	rest, err := io.ReadAll(c)
	if err != nil {
		require.NotErrorIs(c.t, err, io.ErrNoProgress)
	}
	require.Empty(c.t, rest)
}

// kafkaProduce is a request to append a batch to partition 0.
func kafkaProduce(version int16, topic string, acks int16, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = version, acks, 30_000
	req.Topics = []kmsg.ProduceRequestTopic{{
		Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch}},
	}}
	return req
}

// produced is the one result of a produce.
func produced(resp *kmsg.ProduceResponse) *kmsg.ProduceResponseTopicPartition {
	return &resp.Topics[0].Partitions[0]
}

// requireKafka checks the number of an error.
func requireKafka(t testing.TB, want *kerr.Error, code int16) {
	t.Helper()
	require.Equal(t, want, kerr.ErrorForCode(code))
}

// kafkaFetch is a request to read partitions 0 of topics from offsets, without a wait.
func kafkaFetch(version int16, from map[string]int64) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxBytes, req.SessionEpoch = version, 1<<20, -1
	for topic, offset := range from {
		p := kmsg.NewFetchRequestTopicPartition()
		p.FetchOffset, p.PartitionMaxBytes = offset, 1<<20
		req.Topics = append(req.Topics, kmsg.FetchRequestTopic{
			Topic: topic, Partitions: []kmsg.FetchRequestTopicPartition{p},
		})
	}
	return req
}

// Every version of a fetch that is served is answered in the layout of that version: records, nothing new, and errors.
func TestKafkaFetchVersions(t *testing.T) {
	n := startNode(t, onKafka)
	small, large := batch(t, "a", "b"), batch(t, string(bytes.Repeat([]byte("x"), 10_000)))
	id := n.create("t", 2)
	require.Nil(t, n.produce(id, 0, small).Error)
	require.Nil(t, n.produce(id, 0, large).Error)
	n.create("empty", 1)
	c := dialKafka(t, n)
	for version := int16(4); version <= 12; version++ {
		req := kafkaFetch(version, map[string]int64{"t": 0, "empty": 0, "absent": 0})
		other := kmsg.NewFetchRequestTopicPartition()
		other.Partition, other.FetchOffset, other.PartitionMaxBytes = 1, 9, 1<<20
		fenced := kmsg.NewFetchRequestTopicPartition()
		fenced.Partition, fenced.CurrentLeaderEpoch = 7, 1
		req.IsolationLevel = int8(version % 2)
		for i := range req.Topics {
			if req.Topics[i].Topic == "t" {
				req.Topics[i].Partitions = append(req.Topics[i].Partitions, other, fenced)
			}
		}
		resp := ask[*kmsg.FetchResponse](c, req)
		require.Len(t, resp.Topics, 3)
		for _, topic := range resp.Topics {
			p := &topic.Partitions[0]
			switch topic.Topic {
			case "t":
				require.Equal(t, int64(3), p.HighWatermark)
				require.Equal(t, int64(3), p.LastStableOffset)
				require.Equal(t, []string{"a", "b"}, values(t, p.RecordBatches, 0)[:2])
				requireKafka(t, kerr.OffsetOutOfRange, topic.Partitions[1].ErrorCode)
				requireKafka(t, kerr.UnknownTopicOrPartition, topic.Partitions[2].ErrorCode)
			case "empty":
				require.Zero(t, p.ErrorCode)
				require.Zero(t, p.HighWatermark)
				require.Empty(t, p.RecordBatches)
			case "absent":
				requireKafka(t, kerr.UnknownTopicOrPartition, p.ErrorCode)
			}
		}
	}
}

// KIP-320: a client that believes in another epoch of the leader than the broker is told so.
func TestKafkaLeaderEpochs(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 1)
	epoch := n.store.Identity().LeaderEpoch
	c := dialKafka(t, n)
	for believed, want := range map[int32]int16{
		-1: 0, epoch: 0, epoch + 1: kerr.UnknownLeaderEpoch.Code, epoch - 1: kerr.FencedLeaderEpoch.Code,
	} {
		if believed < -1 || believed == -1 && want != 0 {
			continue
		}
		req := kafkaFetch(12, map[string]int64{"t": 0})
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = believed
		require.Equal(t, want, ask[*kmsg.FetchResponse](c, req).Topics[0].Partitions[0].ErrorCode)
	}
	n.append(n.topics.name("t").id, 0, "a", "b")
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	p.LeaderEpoch = epoch
	req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{
		Topic: "t", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{p, p, p, p},
	}}
	ps := req.Topics[0].Partitions
	ps[1].LeaderEpoch, ps[2].CurrentLeaderEpoch, ps[3].Partition = epoch+1, epoch+1, 5
	for version := int16(2); version <= 4; version++ {
		req.Version = version
		got := ask[*kmsg.OffsetForLeaderEpochResponse](c, req).Topics[0].Partitions
		require.Equal(t, []int64{epoch64(epoch), 2}, []int64{int64(got[0].LeaderEpoch), got[0].EndOffset})
		require.Equal(t, []int64{-1, -1}, []int64{int64(got[1].LeaderEpoch), got[1].EndOffset})
		requireKafka(t, kerr.UnknownLeaderEpoch, got[2].ErrorCode)
		requireKafka(t, kerr.UnknownTopicOrPartition, got[3].ErrorCode)
	}
}

func epoch64(epoch int32) int64 { return int64(epoch) }

// All versions of a produce are answered; those of the older formats of records with UNSUPPORTED_VERSION (KAFKA-18659).
func TestKafkaProduceVersions(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 1)
	c := dialKafka(t, n)
	for version := range int16(12) {
		p := produced(ask[*kmsg.ProduceResponse](c, kafkaProduce(version, "t", -1, batch(t, "v"))))
		if version < 3 {
			requireKafka(t, kerr.UnsupportedVersion, p.ErrorCode)
			continue
		}
		require.Zero(t, p.ErrorCode)
		require.Equal(t, int64(version-3), p.BaseOffset)
		require.Equal(t, int64(-1), p.LogAppendTime)
	}
}

// The broker's time is stamped where the topic asks for it, and told.
func TestKafkaLogAppendTime(t *testing.T) {
	n := startNode(t, onKafka)
	id := n.create("t", 1, "timestamps", "append")
	c := dialKafka(t, n)
	p := produced(ask[*kmsg.ProduceResponse](c, kafkaProduce(9, "t", -1, batch(t, "v"))))
	require.Zero(t, p.ErrorCode)
	require.Positive(t, p.LogAppendTime)
	b, _, err := record.Split(n.fetch(id, 0, 0).Batches)
	require.NoError(t, err)
	require.NoError(t, b.VerifyCRC())
	require.Equal(t, record.LogAppendTime, b.TimestampType())
	require.Equal(t, p.LogAppendTime, b.MaxTimestamp())
}

// What is wrong with a produce is told partition by partition, and the others go on.
func TestKafkaProduceErrors(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 1)
	n.create("small", 1, "max_batch_bytes", "1KiB")
	c := dialKafka(t, n)
	damaged := batch(t, "v")
	damaged[len(damaged)-1]++
	old := batch(t, "v")
	old[16] = 1 // magic
	control := batch(t, "v")
	control[22] |= 1 << 5
	sealCRC(control)
	transactional := batch(t, "v")
	transactional[22] |= 1 << 4
	sealCRC(transactional)
	for _, b := range []struct {
		topic string
		batch []byte
		want  *kerr.Error
	}{
		{"absent", batch(t, "v"), kerr.UnknownTopicOrPartition},
		{"t", damaged, kerr.CorruptMessage},
		{"t", nil, kerr.InvalidRecord},
		{"t", []byte("not a batch"), kerr.InvalidRecord},
		{"t", append(batch(t, "v"), batch(t, "w")...), kerr.InvalidRecord},
		{"t", old, kerr.InvalidRecord},
		{"t", control, kerr.InvalidRequest},
		{"t", transactional, kerr.InvalidRequest},
		{"small", batch(t, string(make([]byte, 2000))), kerr.MessageTooLarge},
	} {
		req := kafkaProduce(9, b.topic, -1, b.batch)
		req.Topics = append(req.Topics, kafkaProduce(9, "t", -1, batch(t, "well")).Topics...)
		if b.topic == "t" {
			req.Topics[1].Topic = "small"
		}
		resp := ask[*kmsg.ProduceResponse](c, req)
		requireKafka(t, b.want, produced(resp).ErrorCode)
		require.NotNil(t, produced(resp).ErrorMessage)
		require.Equal(t, int64(-1), produced(resp).BaseOffset)
		require.Zero(t, resp.Topics[1].Partitions[0].ErrorCode)
	}
	requireKafka(t, kerr.InvalidRequiredAcks,
		produced(ask[*kmsg.ProduceResponse](c, kafkaProduce(9, "t", 2, batch(t, "v")))).ErrorCode)
	named := kafkaProduce(9, "t", -1, batch(t, "v"))
	named.TransactionID = kmsg.StringPtr("tx")
	requireKafka(t, kerr.InvalidRequest, produced(ask[*kmsg.ProduceResponse](c, named)).ErrorCode)
}

// sealCRC makes the checksum of a batch that was changed right again.
func sealCRC(b []byte) {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
}

// An idempotent producer's batches are taken once and in their order; the next epoch fences the one before.
func TestKafkaIdempotence(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 1)
	c := dialKafka(t, n)
	init := kmsg.NewPtrInitProducerIDRequest()
	init.Version, init.ProducerID, init.ProducerEpoch = 4, -1, -1
	producer := ask[*kmsg.InitProducerIDResponse](c, init)
	require.Zero(t, producer.ErrorCode)
	send := func(epoch int16, seq int32) *kmsg.ProduceResponseTopicPartition {
		builder := record.NewBuilder(record.None)
		builder.SetProducer(producer.ProducerID, epoch, seq)
		builder.Append(record.Record{Timestamp: time.Now().UnixMilli(), Value: []byte("v")})
		b, err := builder.Seal(nil)
		require.NoError(t, err)
		return produced(ask[*kmsg.ProduceResponse](c, kafkaProduce(9, "t", -1, b)))
	}
	require.Equal(t, int64(0), send(0, 0).BaseOffset)
	require.Equal(t, int64(1), send(0, 1).BaseOffset)
	again := send(0, 1)
	require.Zero(t, again.ErrorCode)
	require.Equal(t, int64(1), again.BaseOffset)
	requireKafka(t, kerr.OutOfOrderSequenceNumber, send(0, 5).ErrorCode)
	init.ProducerID, init.ProducerEpoch = producer.ProducerID, producer.ProducerEpoch
	next := ask[*kmsg.InitProducerIDResponse](c, init)
	require.Equal(t, []int64{producer.ProducerID, 1}, []int64{next.ProducerID, int64(next.ProducerEpoch)})
	require.Equal(t, int64(2), send(1, 0).BaseOffset)
	requireKafka(t, kerr.InvalidProducerEpoch, send(0, 2).ErrorCode)

	init.ProducerEpoch = -1
	requireKafka(t, kerr.InvalidRequest, ask[*kmsg.InitProducerIDResponse](c, init).ErrorCode)
	init.TransactionalID = kmsg.StringPtr("tx")
	requireKafka(t, kerr.InvalidRequest, ask[*kmsg.InitProducerIDResponse](c, init).ErrorCode)
	for version := range int16(5) {
		fresh := kmsg.NewPtrInitProducerIDRequest()
		fresh.Version = version
		require.NotEqual(t, producer.ProducerID, ask[*kmsg.InitProducerIDResponse](c, fresh).ProducerID)
	}
}

// acks = 0 gets no answer; requests that follow are answered in their order. What goes wrong closes the connection, for
// there is no other word for it.
func TestKafkaAcksNone(t *testing.T) {
	n := startNode(t, onKafka)
	id := n.create("t", 1)
	c := dialKafka(t, n)
	c.send(kafkaProduce(9, "t", 0, batch(t, "a")))
	first := c.send(kafkaProduce(9, "t", 1, batch(t, "b")))
	c.send(kafkaProduce(9, "t", 0, batch(t, "c")))
	second := c.send(kafkaProduce(9, "t", -1, batch(t, "d")))
	req := kafkaProduce(9, "t", 1, nil)
	require.Equal(t, int64(1), produced(c.receive(req, first).(*kmsg.ProduceResponse)).BaseOffset)
	require.Equal(t, int64(3), produced(c.receive(req, second).(*kmsg.ProduceResponse)).BaseOffset)
	require.Equal(t, []string{"a", "b", "c", "d"}, n.read(id, 0, 0))
	c.send(kafkaProduce(9, "absent", 0, batch(t, "a")))
	c.closed()
}

// KIP-511: a version of ApiVersions that is not served is answered in the layout of version 0, and the connection goes
// on; a client that calls itself what no client may is refused.
func TestKafkaApiVersions(t *testing.T) {
	n := startNode(t, onKafka)
	c := dialKafka(t, n)
	unknown := kmsg.NewPtrApiVersionsRequest()
	unknown.Version = 99
	correlation := c.send(unknown)
	body := c.frame()
	require.Equal(t, uint32(correlation), binary.BigEndian.Uint32(body))
	resp := kmsg.NewPtrApiVersionsResponse()
	require.NoError(t, resp.ReadFrom(body[4:]))
	requireKafka(t, kerr.UnsupportedVersion, resp.ErrorCode)
	require.NotEmpty(t, resp.ApiKeys)

	req := kmsg.NewPtrApiVersionsRequest()
	for version := range int16(5) {
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = version, "client-1.x", "2.0"
		resp := ask[*kmsg.ApiVersionsResponse](c, req)
		require.Zero(t, resp.ErrorCode)
		for _, k := range resp.ApiKeys {
			if k.ApiKey == 0 {
				require.Zero(t, k.MinVersion, "librdkafka does not compress for a broker without version 0 of Produce")
			}
		}
	}
	for _, name := range []string{"", "-x", "a b", "a\n"} {
		req.Version, req.ClientSoftwareName = 3, name
		requireKafka(t, kerr.InvalidRequest, ask[*kmsg.ApiVersionsResponse](c, req).ErrorCode)
	}
}

// lines collects log lines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// What is no request closes the connection, with a line in the log that says why; the broker serves on.
func TestKafkaGarbage(t *testing.T) {
	var log lines
	n := startNode(t, onKafka, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	n.create("t", 1)
	framed := func(body ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
	}
	for name, g := range map[string]struct {
		bytes []byte
		line  string
	}{
		"http":    {[]byte("GET / HTTP/1.1\r\n\r\n"), "looks like HTTP"},
		"tls":     {[]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc}, "looks like TLS"},
		"length":  {[]byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 1}, "frame length 2147483647, at most"},
		"minus":   {[]byte{0xff, 0xff, 0xff, 0xff}, "frame length 4294967295"},
		"short":   {framed(0, 3, 0, 1, 0), "shorter than its header"},
		"client":  {framed(0, 3, 0, 1, 0, 0, 0, 1, 0x7f, 0xff), "a client id of 32767 bytes"},
		"key":     {framed(0, 99, 0, 1, 0, 0, 0, 1, 0xff, 0xff), "a request of kind 99"},
		"version": {framed(0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff), "Metadata of version 99; 0 to 12 are served"},
		"old":     {framed(0, 1, 0, 3, 0, 0, 0, 1, 0xff, 0xff), "Fetch of version 3; 4 to 12 are served"},
		"count": {framed(0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff),
			"the request has more than 200000 elements"},
	} {
		c := dialKafka(t, n)
		_, err := c.Write(g.bytes)
		require.NoError(t, err)
		c.closed()
		require.Contains(t, log.String(), g.line, name)
	}
	md := kmsg.NewPtrMetadataRequest()
	md.Version = 1
	require.Len(t, ask[*kmsg.MetadataResponse](dialKafka(t, n), md).Topics, 1)
	require.Zero(t, n.kafka.server.Stats().Panics)
}

// A client that asks and does not read holds up nobody but itself, and its memory is given back when it goes.
func TestKafkaSlowReader(t *testing.T) {
	n := startNode(t, onKafka)
	id := n.create("t", 1)
	for range 8 {
		n.append(id, 0, string(make([]byte, 500_000)))
	}
	slow := dialKafka(t, n)
	for range 200 {
		req := kafkaFetch(12, map[string]int64{"t": 0})
		req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 8<<20, 8<<20
		slow.send(req)
	}
	for i := range 20 {
		c := dialKafka(t, n)
		require.Zero(t, produced(ask[*kmsg.ProduceResponse](c, kafkaProduce(9, "t", -1, batch(t, "v")))).ErrorCode, i)
	}
	slow.Close()
	require.Eventually(t, func() bool { return n.answers.inUse() == 0 }, time.Minute, 10*time.Millisecond)
}

// A broker that stops ends long polls of Kafka's clients, too, and takes no more records.
func TestKafkaShutdownEndsPolls(t *testing.T) {
	n := startNode(t, onKafka)
	n.create("t", 1)
	c := dialKafka(t, n)
	req := kafkaFetch(12, map[string]int64{"t": 0})
	req.MaxWaitMillis, req.MinBytes = 600_000, 1
	correlation := c.send(req)
	require.Eventually(t, func() bool { return n.polling.Load() == 1 }, time.Minute, time.Millisecond)
	n.beginDrain()
	require.Zero(t, c.receive(req, correlation).(*kmsg.FetchResponse).Topics[0].Partitions[0].ErrorCode)
	p := produced(ask[*kmsg.ProduceResponse](c, kafkaProduce(9, "t", -1, batch(t, "v"))))
	requireKafka(t, kerr.LeaderNotAvailable, p.ErrorCode)
	require.Contains(t, *p.ErrorMessage, wire.CodeShuttingDown.String())
}
