package record

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// capture is just enough of a Kafka broker for one franz-go producer: it keeps every batch that it is sent, byte for
// byte. Versions are pinned below the flexible ones, so headers are of one form.
type capture struct {
	t  *testing.T
	ln net.Listener
	wg sync.WaitGroup

	mu      sync.Mutex // guards what follows
	batches []Batch
	conns   []net.Conn
}

const captureTopic = "t"

func newCapture(t *testing.T) *capture {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &capture{t: t, ln: ln}
	c.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, conn)
			c.mu.Unlock()
			c.wg.Go(func() { c.serve(conn) })
		}
	})
	return c
}

func (c *capture) close() {
	_ = c.ln.Close()
	c.mu.Lock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

func (c *capture) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		answer, err := c.answer(frame)
		if err != nil {
			c.t.Errorf("capture: %v", err)
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// answer takes a request: api key 2, version 2, correlation 4, client id (length 2, -1 none), body.
func (c *capture) answer(frame []byte) ([]byte, error) {
	req := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(frame)))
	if req == nil {
		return nil, errors.New("unknown request")
	}
	req.SetVersion(int16(binary.BigEndian.Uint16(frame[2:])))
	body := frame[10:]
	if n := int16(binary.BigEndian.Uint16(frame[8:])); n > 0 {
		body = body[n:]
	}
	if err := req.ReadFrom(body); err != nil {
		return nil, err
	}
	resp, err := c.respond(req)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 4), frame[4:8]...)
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}

func (c *capture) respond(req kmsg.Request) (kmsg.Response, error) {
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		versions := resp.(*kmsg.ApiVersionsResponse)
		kversion.V2_3_0().EachMaxKeyVersion(func(key, v int16) {
			versions.ApiKeys = append(versions.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: v})
		})
	case *kmsg.MetadataRequest:
		c.metadata(resp.(*kmsg.MetadataResponse))
	case *kmsg.InitProducerIDRequest:
		resp.(*kmsg.InitProducerIDResponse).ProducerID = 4711
		resp.(*kmsg.InitProducerIDResponse).ProducerEpoch = 3
	case *kmsg.ProduceRequest:
		partition := req.Topics[0].Partitions[0]
		c.mu.Lock()
		c.batches = append(c.batches, append(Batch(nil), partition.Records...))
		c.mu.Unlock()
		p := kmsg.NewProduceResponseTopicPartition()
		topic := kmsg.NewProduceResponseTopic()
		topic.Topic, topic.Partitions = captureTopic, append(topic.Partitions, p)
		resp.(*kmsg.ProduceResponse).Topics = append(resp.(*kmsg.ProduceResponse).Topics, topic)
	default:
		return nil, errors.New("not answered: " + kmsg.NameForKey(req.Key()))
	}
	return resp, nil
}

func (c *capture) metadata(resp *kmsg.MetadataResponse) {
	addr := c.ln.Addr().(*net.TCPAddr)
	broker := kmsg.NewMetadataResponseBroker()
	broker.Host, broker.Port = addr.IP.String(), int32(addr.Port)
	resp.Brokers = append(resp.Brokers, broker)
	partition := kmsg.NewMetadataResponseTopicPartition()
	partition.Replicas, partition.ISR = []int32{0}, []int32{0}
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic, topic.Partitions = kmsg.StringPtr(captureTopic), append(topic.Partitions, partition)
	resp.Topics = append(resp.Topics, topic)
}

// produce has franz-go build one batch of all records and gives what it sent. While it learns of the topic, it may
// begin to send before it was given all: then it is asked again.
func produce(t *testing.T, records []Record, opts ...kgo.Opt) Batch {
	t.Helper()
	for range 100 {
		if batches := produceOnce(t, records, opts...); len(batches) == 1 {
			return batches[0]
		}
	}
	require.FailNow(t, "franz-go does not send one batch")
	return nil
}

func produceOnce(t *testing.T, records []Record, opts ...kgo.Opt) []Batch {
	t.Helper()
	c := newCapture(t)
	defer c.close()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(c.ln.Addr().String()), kgo.DefaultProduceTopic(captureTopic),
		kgo.MaxVersions(kversion.V2_3_0()), kgo.ManualFlushing(), kgo.ProducerBatchMaxBytes(1 << 20),
	}, opts...)...)
	require.NoError(t, err)
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for i := range records {
		cl.Produce(ctx, toKgo(&records[i]), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("produce: %v", err)
			}
		})
	}
	require.NoError(t, cl.Flush(ctx))
	c.mu.Lock()
	defer c.mu.Unlock()
	require.NotEmpty(t, c.batches)
	return c.batches
}

func toKgo(r *Record) *kgo.Record {
	k := &kgo.Record{Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp)}
	for _, h := range r.Headers {
		k.Headers = append(k.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return k
}

// kgoReads gives the records of a batch as franz-go's consumer reads them.
func kgoReads(t *testing.T, b Batch) []Record {
	t.Helper()
	fetched := kmsg.NewFetchResponseTopicPartition()
	fetched.RecordBatches = b
	fetched.HighWatermark = b.LastOffset() + 1
	opts := kgo.ProcessFetchPartitionOpts{Topic: captureTopic, Offset: b.BaseOffset()}
	p, next := kgo.ProcessFetchPartition(opts, &fetched, kgo.DefaultDecompressor(), nil)
	require.NoError(t, p.Err)
	require.Equal(t, b.LastOffset()+1, next)
	var out []Record
	for _, k := range p.Records {
		require.Equal(t, b.ProducerID(), k.ProducerID)
		require.Equal(t, b.ProducerEpoch(), k.ProducerEpoch)
		require.Equal(t, b.LeaderEpoch(), k.LeaderEpoch)
		r := Record{Offset: k.Offset, Timestamp: k.Timestamp.UnixMilli(), Key: k.Key, Value: k.Value}
		for _, h := range k.Headers {
			r.Headers = append(r.Headers, Header{Key: h.Key, Value: h.Value})
		}
		out = append(out, r)
	}
	return out
}
