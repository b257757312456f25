// Command client is kafka-go's program among the clients: see compat/doc.go.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
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
	ctx            context.Context
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: client ADDRESS CASE TOPIC")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	defer cancel()
	s := session{os.Args[1], os.Args[3], ctx}
	switch name := os.Args[2]; name {
	case "version":
		version()
	case "records":
		s.produce(s.writer(), recordSet())
		checkRecords(s.read(0, 0, 20))
	case "write":
		s.produce(s.writer(), recordSet())
	case "read":
		checkRecords(s.read(0, 0, 20))
	case "codec-none", "codec-gzip", "codec-snappy", "codec-lz4", "codec-zstd":
		s.codec(strings.TrimPrefix(name, "codec-"))
	case "acks-0", "acks-1", "acks-all":
		w := s.writer()
		check("acks", w.RequiredAcks.UnmarshalText([]byte(strings.Replace(strings.TrimPrefix(name, "acks-"), "0", "none", 1))))
		s.produce(w, lines(100))
		checkLines(s.read(0, 0, 100), 0)
	case "idempotence":
		notApplicable("kafka-go has no idempotent producer")
	case "offsets":
		s.offsets()
	case "seek":
		s.produce(s.writer(), lines(100))
		checkLines(s.read(0, 42, 58), 42)
	case "large":
		s.large()
	case "partitions":
		s.partitions()
	case "group-eager":
		s.group()
	case "group-cooperative", "group-consumer", "group-static":
		notApplicable("kafka-go has no groups of this kind (" + strings.TrimPrefix(name, "group-") + ")")
	case "admin-topics", "admin-configs", "admin-records", "admin-groups":
		s.admin(name)
	default:
		fail("no case %q", name)
	}
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/segmentio/kafka-go" {
			fmt.Println(dep.Version)
		}
	}
}

// writer writes to the partition that a message's WriterData says, and to the first without.
func (s session) writer() *kafka.Writer {
	partition := kafka.BalancerFunc(func(m kafka.Message, _ ...int) int {
		p, _ := m.WriterData.(int)
		return p
	})
	return &kafka.Writer{
		Addr: kafka.TCP(s.address), Topic: s.topic, Balancer: partition, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond,
	}
}

func (s session) produce(w *kafka.Writer, messages []kafka.Message) {
	check("producing", w.WriteMessages(s.ctx, messages...))
	check("closing the writer", w.Close())
}

func (s session) read(p int, from int64, n int) (got []kafka.Message) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{s.address}, Topic: s.topic, Partition: p, MaxWait: 50 * time.Millisecond, MaxBytes: 10e6,
	})
	defer r.Close()
	check("seek", r.SetOffset(from))
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for len(got) < n {
		m, err := r.ReadMessage(ctx)
		if err != nil {
			fail("read %d records of %d: %v", len(got), n, err)
		}
		got = append(got, m)
	}
	return got
}

func (s session) codec(name string) {
	w := s.writer()
	if name != "none" {
		check("codec", w.Compression.UnmarshalText([]byte(name)))
	}
	s.produce(w, lines(500))
	checkLines(s.read(0, 0, 500), 0)
}

func (s session) client() *kafka.Client {
	return &kafka.Client{Addr: kafka.TCP(s.address), Timeout: patience}
}

func (s session) offsets() {
	conn, err := kafka.DialLeader(s.ctx, "tcp", s.address, s.topic, 0)
	check("dial", err)
	defer conn.Close()
	first, last, err := conn.ReadOffsets()
	check("offsets", err)
	if first != 0 || last != 20 {
		fail("earliest and latest are %d and %d instead of 0 and 20", first, last)
	}
	for stamp, want := range map[int64]int64{firstStamp: 0, firstStamp + 7000: 7, firstStamp + 7001: 8, firstStamp + 60000: -1} {
		at, err := conn.ReadOffset(time.UnixMilli(stamp))
		check("offset by time", err)
		if at != want {
			fail("at %d there is the offset %d instead of %d", stamp, at, want)
		}
	}
}

func (s session) large() {
	random := rand.New(rand.NewPCG(1, 2))
	var messages []kafka.Message
	for range 5 {
		value := make([]byte, 900_000)
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		messages = append(messages, kafka.Message{Value: value})
	}
	s.produce(s.writer(), messages)
	for i, r := range s.read(0, 0, 5) {
		if !same(r.Value, messages[i].Value) {
			fail("record %d of %d bytes came back otherwise, with %d", i, len(messages[i].Value), len(r.Value))
		}
	}
}

func (s session) partitions() {
	var messages []kafka.Message
	for i := range 10 {
		for p := range 100 {
			messages = append(messages, kafka.Message{WriterData: p, Value: fmt.Appendf(nil, "%d:%d", p, i)})
		}
	}
	s.produce(s.writer(), messages)
	for p := range 100 {
		for _, r := range s.read(p, 0, 10) {
			if want := fmt.Sprintf("%d:%d", r.Partition, r.Offset); string(r.Value) != want {
				fail("offset %d of partition %d holds %q instead of %q", r.Offset, r.Partition, r.Value, want)
			}
		}
	}
}

func (s session) admin(name string) {
	switch name {
	case "admin-topics":
		s.adminTopics()
	case "admin-configs":
		s.adminConfigs()
	case "admin-records":
		notApplicable("kafka-go cannot delete records")
	case "admin-groups":
		s.adminGroups()
	}
}

func (s session) adminTopics() {
	topic, cl := s.topic+"-made", s.client()
	count := func() int {
		meta, err := cl.Metadata(s.ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		check("describe", err)
		return len(meta.Topics[0].Partitions)
	}
	create := func() error {
		made, err := cl.CreateTopics(s.ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{
			Topic: topic, NumPartitions: 3, ReplicationFactor: 1,
			ConfigEntries: []kafka.ConfigEntry{{ConfigName: "retention.ms", ConfigValue: "3600000"}},
		}}})
		check("create", err)
		return made.Errors[topic]
	}
	check("create", create())
	if err := create(); !errors.Is(err, kafka.TopicAlreadyExists) {
		fail("a second topic of the name: %v", err)
	}
	await("3 partitions are there", func() bool { return count() == 3 })
	grown, err := cl.CreatePartitions(s.ctx, &kafka.CreatePartitionsRequest{
		Topics: []kafka.TopicPartitionsConfig{{Name: topic, Count: 5}},
	})
	check("grow", err)
	check("grow", grown.Errors[topic])
	await("5 partitions are there", func() bool { return count() == 5 })
	deleted, err := cl.DeleteTopics(s.ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	check("delete", err)
	check("delete", deleted.Errors[topic])
	await("the topic is gone", func() bool { return count() == 0 })
}

func (s session) adminConfigs() {
	cl := s.client()
	value := func() string {
		described, err := cl.DescribeConfigs(s.ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: s.topic, ConfigNames: []string{"retention.ms"},
		}}})
		check("describe", err)
		check("describe", described.Resources[0].Error)
		return described.Resources[0].ConfigEntries[0].ConfigValue
	}
	alter := func(op kafka.ConfigOperation, to string) {
		resp, err := cl.IncrementalAlterConfigs(s.ctx, &kafka.IncrementalAlterConfigsRequest{
			Resources: []kafka.IncrementalAlterConfigsRequestResource{{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: s.topic,
				Configs: []kafka.IncrementalAlterConfigsRequestConfig{{Name: "retention.ms", Value: to, ConfigOperation: op}},
			}},
		})
		check("alter", err)
		check("alter", resp.Resources[0].Error)
	}
	if value() != "-1" {
		fail("retention.ms is described as %s instead of -1", value())
	}
	alter(kafka.ConfigOperationSet, "7200000")
	await("retention.ms is altered", func() bool { return value() == "7200000" })
	alter(kafka.ConfigOperationDelete, "")
	await("retention.ms is the default", func() bool { return value() == "604800000" })
}
