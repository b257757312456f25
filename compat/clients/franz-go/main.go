// Command client is franz-go's program among the clients: see compat/doc.go.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// patience is how long one thing is waited for.
const patience = 40 * time.Second

func fail(format string, args ...any) {
	fmt.Printf("%s\n", strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " "))
	os.Exit(1)
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
	s := session{address: os.Args[1], topic: os.Args[3], ctx: ctx}
	switch name := os.Args[2]; name {
	case "version":
		version()
	case "records":
		s.produce(recordSet(s.topic))
		checkRecords(s.read(0, 20))
	case "write":
		s.produce(recordSet(s.topic))
	case "read":
		checkRecords(s.read(0, 20))
	case "codec-none", "codec-gzip", "codec-snappy", "codec-lz4", "codec-zstd":
		s.produce(lines(s.topic, 500), kgo.ProducerBatchCompression(codec(strings.TrimPrefix(name, "codec-"))))
		checkLines(s.read(0, 500), 0)
	case "acks-0", "acks-1", "acks-all":
		s.acks(strings.TrimPrefix(name, "acks-"))
	case "idempotence":
		s.produce(lines(s.topic, 2000), kgo.ProducerLinger(0), kgo.MaxBufferedRecords(50))
		checkLines(s.read(0, 2000), 0)
	case "offsets":
		s.offsets()
	case "seek":
		s.produce(lines(s.topic, 100))
		checkLines(s.read(42, 58), 42)
	case "large":
		s.large()
	case "partitions":
		s.partitions()
	case "group-eager":
		s.group(kgo.Balancers(kgo.RangeBalancer()))
	case "group-cooperative":
		s.group(kgo.Balancers(kgo.CooperativeStickyBalancer()))
	case "group-consumer":
		s.group(kgo.ServerSideBalancer())
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
		if dep.Path == "github.com/twmb/franz-go" {
			fmt.Println(dep.Version)
		}
	}
}

func (s session) client(opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(s.address), kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)...)
	check("connecting", err)
	return cl
}

func (s session) produce(records []*kgo.Record, opts ...kgo.Opt) {
	cl := s.client(opts...)
	defer cl.Close()
	check("producing", cl.ProduceSync(s.ctx, records...).FirstErr())
}

// read reads n records of partition 0 from an offset on.
func (s session) read(from int64, n int) []*kgo.Record {
	return s.readPartitions(map[int32]kgo.Offset{0: kgo.NewOffset().At(from)}, n)
}

func (s session) readPartitions(from map[int32]kgo.Offset, n int) (got []*kgo.Record) {
	cl := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: from}))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for len(got) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			fail("read %d records of %d: %v", len(got), n, err)
		}
		fetches.EachError(func(t string, p int32, err error) { fail("reading %s[%d]: %v", t, p, err) })
		got = append(got, fetches.Records()...)
	}
	if len(got) > n {
		fail("read %d records instead of %d", len(got), n)
	}
	return got
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func (s session) acks(name string) {
	acks := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck(), "all": kgo.AllISRAcks()}[name]
	s.produce(lines(s.topic, 100), kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite())
	checkLines(s.read(0, 100), 0)
}

func (s session) offsets() {
	adm := kadm.NewClient(s.client())
	defer adm.Close()
	start, err := adm.ListStartOffsets(s.ctx, s.topic)
	check("start", err)
	end, err := adm.ListEndOffsets(s.ctx, s.topic)
	check("end", err)
	expect := func(what string, listed kadm.ListedOffsets, want int64) {
		got, _ := listed.Lookup(s.topic, 0)
		check(what, got.Err)
		if got.Offset != want {
			fail("%s: offset %d instead of %d", what, got.Offset, want)
		}
	}
	expect("earliest", start, 0)
	expect("latest", end, 20)
	for millis, want := range map[int64]int64{firstStamp: 0, firstStamp + 7000: 7, firstStamp + 7001: 8, firstStamp + 60000: 20} {
		at, err := adm.ListOffsetsAfterMilli(s.ctx, millis, s.topic) // kadm asks for the end when there is none
		check("by time", err)
		expect(fmt.Sprintf("at %d ms", millis), at, want)
	}
	newest, err := adm.ListMaxTimestampOffsets(s.ctx, s.topic)
	check("newest", err)
	expect("newest timestamp", newest, 19)
}

func (s session) large() {
	random := rand.New(rand.NewPCG(1, 2))
	var records []*kgo.Record
	for range 5 {
		value := make([]byte, 900_000)
		for i := range value {
			value[i] = byte(random.Uint32())
		}
		records = append(records, &kgo.Record{Topic: s.topic, Value: value})
	}
	s.produce(records)
	for i, r := range s.read(0, 5) {
		if !same(r.Value, records[i].Value) {
			fail("record %d of %d bytes came back otherwise, with %d", i, len(records[i].Value), len(r.Value))
		}
	}
}

func (s session) partitions() {
	var records []*kgo.Record
	from := make(map[int32]kgo.Offset)
	for i := range 10 {
		for p := range int32(100) {
			records = append(records, &kgo.Record{Topic: s.topic, Partition: p, Value: fmt.Appendf(nil, "%d:%d", p, i)})
			from[p] = kgo.NewOffset().AtStart()
		}
	}
	s.produce(records)
	for _, r := range s.readPartitions(from, 1000) {
		if want := fmt.Sprintf("%d:%d", r.Partition, r.Offset); string(r.Value) != want {
			fail("offset %d of partition %d holds %q instead of %q", r.Offset, r.Partition, r.Value, want)
		}
	}
}
