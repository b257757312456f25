package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// patience is how long this program waits for a broker to do what it was asked.
const patience = time.Minute

// writeRecords writes the records: to Skidway as its own command does, to Apache Kafka with kgo.
func writeRecords(t *target, topic string) error {
	if t.native != "" {
		_, err := t.command(recordLines(), "produce", topic, "--format", "json", "--partition", "0")
		return err
	}
	records := make([]*kgo.Record, recordTotal)
	for i := range records {
		at := recordAt(i)
		stamp, err := time.Parse(time.RFC3339, at.Timestamp)
		if err != nil {
			return err
		}
		records[i] = &kgo.Record{Topic: topic, Key: bytesOf(at.Key), Value: bytesOf(at.Value), Timestamp: stamp}
		for _, h := range at.Headers {
			records[i].Headers = append(records[i].Headers, kgo.RecordHeader{Key: h.Key, Value: bytesOf(h.Value)})
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(t.address))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return cl.ProduceSync(ctx, records...).FirstErr()
}

// readsRecords holds that the topic has the records and nothing else.
func readsRecords(t *target, topic string) error {
	if t.native != "" {
		lines, err := t.command(nil, "consume", topic, "--from", "start", "--until", "end", "--format", "json")
		if err != nil {
			return err
		}
		return compare(lines)
	}
	var lines bytes.Buffer
	err := t.each(topic, func(r *kgo.Record) error {
		stamp := r.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z")
		is := record{Timestamp: stamp, Key: textOf(r.Key), Value: textOf(r.Value), Headers: []header{}}
		for _, h := range r.Headers {
			is.Headers = append(is.Headers, header{h.Key, textOf(h.Value)})
		}
		line, err := json.Marshal(is)
		lines.Write(append(line, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	return compare(lines.Bytes())
}

// compressed holds that every batch of a topic is compressed by a codec: a client may quietly go without.
func compressed(codec uint8) func(*target, string) error {
	return func(t *target, topic string) error {
		return t.each(topic, func(r *kgo.Record) error {
			if is := r.Attrs.CompressionType(); is != codec {
				return fmt.Errorf("offset %d lies in a batch compressed with %s", r.Offset, codecs()[is])
			}
			return nil
		})
	}
}

// idempotent holds that every batch of a topic has a producer id.
func idempotent(t *target, topic string) error {
	return t.each(topic, func(r *kgo.Record) error {
		if r.ProducerID < 0 {
			return fmt.Errorf("offset %d lies in a batch without a producer id", r.Offset)
		}
		return nil
	})
}

// servesKIP848 holds that the broker has the protocol: clients quietly take the classic one where it has not.
func servesKIP848(t *target, _ string) error {
	const consumerGroupHeartbeat = 68
	return t.ask(func(ctx context.Context, cl *kgo.Client) error {
		resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, cl)
		if err != nil {
			return err
		}
		for _, key := range resp.ApiKeys {
			if key.ApiKey == consumerGroupHeartbeat {
				return nil
			}
		}
		return errors.New("the broker does not serve ConsumerGroupHeartbeat")
	})
}

// holds holds that a topic has so many records.
func holds(n int64) func(*target, string) error {
	return func(t *target, topic string) error {
		ends, err := t.ends(topic)
		if err != nil {
			return err
		}
		total := int64(0)
		for _, end := range ends {
			total += end
		}
		if total != n {
			return fmt.Errorf("the topic has %d records instead of %d", total, n)
		}
		return nil
	}
}

// each reads a topic to the end that it has now; a topic without a record is an error.
func (t *target) each(topic string, look func(*kgo.Record) error) error {
	ends, err := t.ends(topic)
	if err != nil {
		return err
	}
	left := int64(0)
	from := make(map[int32]kgo.Offset)
	for p, end := range ends {
		from[p] = kgo.NewOffset().At(0)
		left += end
	}
	if left == 0 {
		return fmt.Errorf("topic %s was left empty", topic)
	}
	partitions := map[string]map[int32]kgo.Offset{topic: from}
	cl, err := kgo.NewClient(kgo.SeedBrokers(t.address), kgo.ConsumePartitions(partitions))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("%d records of %s were not read: %w", left, topic, err)
		}
		for _, r := range fetches.Records() {
			left--
			if err := look(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// command runs the broker's own command and returns what it prints.
func (t *target) command(stdin []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.skidway, append(args, "--server", t.native)...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("skidway %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func bytesOf(s *string) []byte {
	if s == nil {
		return nil
	}
	return []byte(*s)
}

func textOf(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}
