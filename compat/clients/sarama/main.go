// Command client is sarama's program among the clients: see compat/doc.go.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// patience is how long one thing is waited for.
const patience = 40 * time.Second

func fail(format string, args ...any) {
	fmt.Printf("%s\n", strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
	os.Exit(1)
}

func notApplicable(why string) {
	fmt.Println(why)
	os.Exit(77)
}

func check(what string, err error) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

// session is what a case works with.
type session struct {
	address, topic string
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: client ADDRESS CASE TOPIC")
	}
	s := session{address: os.Args[1], topic: os.Args[3]}
	switch name := os.Args[2]; name {
	case "version":
		version()
	case "records":
		s.produce(recordMessages(s.topic), config())
		checkRecords(s.read(0, 20))
	case "write":
		s.produce(recordMessages(s.topic), config())
	case "read":
		checkRecords(s.read(0, 20))
	case "codec-none", "codec-gzip", "codec-snappy", "codec-lz4", "codec-zstd":
		s.codec(strings.TrimPrefix(name, "codec-"))
	case "acks-0", "acks-1", "acks-all":
		s.acks(strings.TrimPrefix(name, "acks-"))
	case "idempotence":
		c := config()
		c.Producer.Idempotent, c.Producer.RequiredAcks, c.Net.MaxOpenRequests = true, sarama.WaitForAll, 1
		c.Producer.Flush.MaxMessages = 20
		s.produce(lines(s.topic, 2000), c)
		checkLines(s.read(0, 2000), 0)
	case "offsets":
		s.offsets()
	case "seek":
		s.produce(lines(s.topic, 100), config())
		checkLines(s.read(42, 58), 42)
	case "large":
		s.large()
	case "partitions":
		s.partitions()
	case "group-eager":
		s.group(func() sarama.BalanceStrategy { return sarama.NewBalanceStrategyRange() })
	case "group-cooperative":
		s.group(sarama.NewBalanceStrategyCooperativeSticky)
	case "group-consumer":
		notApplicable("sarama does not know the protocol of KIP-848")
	case "group-static":
		s.static()
	case "admin-topics", "admin-configs", "admin-records", "admin-groups":
		s.admin(name)
	default:
		fail("no case %q", name)
	}
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/IBM/sarama" {
			fmt.Println(dep.Version)
		}
	}
}

func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Heartbeat.Interval = 300 * time.Millisecond
	c.Metadata.AllowAutoTopicCreation = false
	return c
}

func (s session) produce(messages []*sarama.ProducerMessage, c *sarama.Config) {
	p, err := sarama.NewSyncProducer([]string{s.address}, c)
	check("connecting", err)
	check("producing", p.SendMessages(messages))
	check("closing the producer", p.Close())
}

// read reads n records of partition 0 from an offset on.
func (s session) read(from int64, n int) []*sarama.ConsumerMessage {
	return s.readPartition(0, from, n)
}

func (s session) readPartition(p int32, from int64, n int) (got []*sarama.ConsumerMessage) {
	c, err := sarama.NewConsumer([]string{s.address}, config())
	check("connecting", err)
	defer c.Close()
	return consume(c, s.topic, p, from, n)
}

func consume(c sarama.Consumer, topic string, p int32, from int64, n int) (got []*sarama.ConsumerMessage) {
	part, err := c.ConsumePartition(topic, p, from)
	check("consuming", err)
	defer part.AsyncClose()
	late := time.After(patience)
	for len(got) < n {
		select {
		case m := <-part.Messages():
			got = append(got, m)
		case err := <-part.Errors():
			fail("reading: %v", err)
		case <-late:
			fail("read %d records of %d", len(got), n)
		}
	}
	return got
}

func (s session) codec(name string) {
	c := config()
	check("codec", c.Producer.Compression.UnmarshalText([]byte(name)))
	s.produce(lines(s.topic, 500), c)
	checkLines(s.read(0, 500), 0)
}

func (s session) acks(name string) {
	c := config()
	c.Producer.RequiredAcks = map[string]sarama.RequiredAcks{
		"0": sarama.NoResponse, "1": sarama.WaitForLocal, "all": sarama.WaitForAll,
	}[name]
	s.produce(lines(s.topic, 100), c)
	checkLines(s.read(0, 100), 0)
}

func (s session) offsets() {
	cl, err := sarama.NewClient([]string{s.address}, config())
	check("connecting", err)
	defer cl.Close()
	for stamp, want := range map[int64]int64{
		sarama.OffsetOldest: 0, sarama.OffsetNewest: 20, firstStamp: 0, firstStamp + 7000: 7, firstStamp + 7001: 8,
		firstStamp + 60000: -1,
	} {
		got, err := cl.GetOffset(s.topic, 0, stamp)
		check("offset", err)
		if got != want {
			fail("at %d there is the offset %d instead of %d", stamp, got, want)
		}
	}
}

func (s session) large() {
	random := rand.New(rand.NewPCG(1, 2))
	var messages []*sarama.ProducerMessage
	var values [][]byte
	for range 5 {
		value := make([]byte, 900_000)
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		values = append(values, value)
		messages = append(messages, &sarama.ProducerMessage{Topic: s.topic, Value: sarama.ByteEncoder(value)})
	}
	s.produce(messages, config())
	for i, r := range s.read(0, 5) {
		if !same(r.Value, values[i]) {
			fail("record %d of %d bytes came back otherwise, with %d", i, len(values[i]), len(r.Value))
		}
	}
}

func (s session) partitions() {
	var messages []*sarama.ProducerMessage
	for i := range 10 {
		for p := range int32(100) {
			value := sarama.StringEncoder(fmt.Sprintf("%d:%d", p, i))
			messages = append(messages, &sarama.ProducerMessage{Topic: s.topic, Partition: p, Value: value})
		}
	}
	s.produce(messages, config())
	c, err := sarama.NewConsumer([]string{s.address}, config())
	check("connecting", err)
	defer c.Close()
	for p := range int32(100) {
		for _, r := range consume(c, s.topic, p, 0, 10) {
			if want := fmt.Sprintf("%d:%d", r.Partition, r.Offset); string(r.Value) != want {
				fail("offset %d of partition %d holds %q instead of %q", r.Offset, r.Partition, r.Value, want)
			}
		}
	}
}
