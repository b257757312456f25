package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// exampleBroker starts a broker with an empty topic "demo" of one partition, and connects to it.
func exampleBroker(ctx context.Context) (c *client.Client, stop func()) {
	dir, err := os.MkdirTemp("", "skidway-example-")
	if err != nil {
		log.Fatal(err)
	}
	b, err := broker.Start(ctx, broker.Config{DataDir: dir, Listen: "127.0.0.1:0"})
	if err != nil {
		log.Fatal(err)
	}
	c, err = client.Connect(ctx, []string{b.Addr().String()}, client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err = client.NewAdmin(c).CreateTopics(ctx, []wire.NewTopic{{Name: "demo", Partitions: 1}},
		client.Apply); err != nil {
		log.Fatal(err)
	}
	return c, func() {
		if err := errors.Join(c.Close(ctx), b.Shutdown(ctx), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

// Writes one record and waits until it is durable.
func ExampleProducer_Send() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()

	p, err := client.NewProducer(c, client.ProducerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	r, err := p.Send(ctx, client.Record{Topic: "demo", Key: []byte("k"), Value: []byte("hello")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s[%d] offset %d\n", r.Topic, r.Partition, r.Offset)
	// Output: demo[0] offset 0
}

// Writes many records; the promises tell what became of each.
func ExampleProducer_SendAsync() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()

	p, err := client.NewProducer(c, client.ProducerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for word := range strings.FieldsSeq("one two three") {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(word)}, func(r client.Record, err error) {
			fmt.Println(r.Offset, string(r.Value), err)
		})
	}
	if err := p.Flush(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0 one <nil>
	// 1 two <nil>
	// 2 three <nil>
}

// Reads a topic from its start.
func ExampleConsumer_Records() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()
	p, err := client.NewProducer(c, client.ProducerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for word := range strings.FieldsSeq("one two three") {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(word)}, nil)
	}

	r, err := client.NewConsumer(c, client.ConsumerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Assign(ctx, "demo", client.AtStart()); err != nil {
		log.Fatal(err)
	}
	for rec, err := range r.Records(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(rec.Offset, string(rec.Value))
		if rec.Offset == 2 {
			break
		}
	}
	// Output:
	// 0 one
	// 1 two
	// 2 three
}

// Tells kinds of errors apart.
func ExampleError() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()

	r, err := client.NewConsumer(c, client.ConsumerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Assign(ctx, "demo", client.At(47)); err != nil {
		log.Fatal(err)
	}
	_, err = r.Poll(ctx)
	var e *client.Error
	if errors.Is(err, client.ErrOffsetOutOfRange) && errors.As(err, &e) {
		fmt.Printf("%s partition %d: valid %d..%d, %v, retriable %v\n", e.Topic, e.Partition, e.Start, e.End,
			e.Outcome, e.Retriable())
	}
	// Output: demo partition 0: valid 0..0, failed, retriable false
}

// Manages topics.
func ExampleAdmin() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()

	a := client.NewAdmin(c)
	results, err := a.CreateTopics(ctx, []wire.NewTopic{{Name: "orders", Partitions: 6}, {Name: "demo",
		Partitions: 1}}, client.Apply)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		if r.Error != nil {
			fmt.Println(r.Name, r.Error.Code.Name())
			continue
		}
		fmt.Println(r.Name, r.Partitions)
	}
	// Output:
	// orders 6
	// demo TOPIC_EXISTS
}
