package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// clockTolerance is the difference of clocks that is worth a warning.
const clockTolerance = 2 * time.Second

// roundTrip writes a record to a topic of its own, reads it back, compares the clocks, and deletes the topic.
func (e *examination) roundTrip(ctx context.Context, c *client.Client) {
	admin := client.NewAdmin(c)
	topic := "skidway-doctor-" + rand.Text()[:10]
	r, err := admin.CreateTopics(ctx, []wire.NewTopic{{Name: topic, Partitions: 1,
		Settings: []wire.Setting{{Name: "timestamps", Value: "append"}}}}, client.Apply)
	if err == nil && len(r) == 1 && r[0].Error != nil {
		err = r[0].Error
	}
	if err != nil {
		e.note(failing, "round trip", "see the broker's log", "creating topic %s: %v", topic, err)
		return
	}
	defer e.deleteTopic(ctx, admin, topic)
	began := time.Now()
	got, err := echo(ctx, c, topic)
	if err != nil {
		e.note(failing, "round trip", "see the broker's log", "%v", err)
		return
	}
	took := time.Since(began)
	e.note(fine, "round trip", "", "a record was written and read back in %v", took.Round(100*time.Microsecond))
	// The broker stamped the record between began and now.
	if early, late := began.Sub(got.Timestamp), got.Timestamp.Sub(began.Add(took)); max(early, late) > clockTolerance {
		e.note(warning, "clock", "run NTP on both machines", "the broker's clock differs from this machine's by %v",
			max(early, late).Round(time.Second))
	} else {
		e.note(fine, "clock", "", "the broker's clock agrees with this machine's")
	}
}

// echo writes one record and reads it back.
func echo(ctx context.Context, c *client.Client, topic string) (client.Record, error) {
	producer, err := client.NewProducer(c, client.ProducerOptions{})
	if err != nil {
		return client.Record{}, err
	}
	defer func() { _ = producer.Close(ctx) }() // Send has waited for the answer
	sent, err := producer.Send(ctx, client.Record{Topic: topic, Value: []byte(rand.Text())})
	if err != nil {
		return sent, fmt.Errorf("writing a record to %s: %w", topic, err)
	}
	consumer, err := client.NewConsumer(c, client.ConsumerOptions{})
	if err != nil {
		return sent, err
	}
	defer func() { _ = consumer.Close(ctx) }() // nothing is under way
	if err := consumer.Assign(ctx, topic, client.AtStart()); err != nil {
		return sent, fmt.Errorf("reading %s: %w", topic, err)
	}
	got, err := consumer.Poll(ctx)
	if err != nil {
		return sent, fmt.Errorf("reading %s: %w", topic, err)
	}
	if len(got) != 1 || !bytes.Equal(got[0].Value, sent.Value) || got[0].Offset != sent.Offset {
		return sent, errors.New("what was read is not what was written")
	}
	return got[0], nil
}

func (e *examination) deleteTopic(ctx context.Context, admin *client.Admin, topic string) {
	r, err := admin.DeleteTopics(ctx, []string{topic}, client.Apply)
	if err == nil && len(r) == 1 && r[0].Error != nil {
		err = r[0].Error
	}
	if err != nil {
		e.note(warning, "round trip", "skidway topic delete "+topic, "the topic was not deleted: %v", err)
	}
}
