package client_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/skidway/skidway/client"
)

// fill sends a few words to "demo".
func fill(ctx context.Context, c *client.Client) {
	p, err := client.NewProducer(c, client.ProducerOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for word := range strings.FieldsSeq("one two three") {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(word)}, nil)
	}
	if err := p.Flush(ctx); err != nil {
		log.Fatal(err)
	}
}

// Shares a topic with the other members of a group. What is marked is committed in the background.
func ExampleJoinGroup() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()
	fill(ctx, c)

	g, err := client.JoinGroup(ctx, c, "billing", []string{"demo"}, client.GroupOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for rec, err := range g.Records(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(rec.Offset, string(rec.Value))
		g.Mark(rec) // it is processed
		if rec.Offset == 2 {
			break
		}
	}
	if err := g.Close(ctx); err != nil { // commits what is marked, and leaves
		log.Fatal(err)
	}
	offsets, err := c.FetchOffsets(ctx, "billing", "demo")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("committed", offsets[0].Offset)
	// Output:
	// 0 one
	// 1 two
	// 2 three
	// committed 3
}

// Commits by itself, in batches, and before a partition goes to another member.
func ExampleGroupConsumer_Commit() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()
	fill(ctx, c)

	g, err := client.JoinGroup(ctx, c, "billing", []string{"demo"}, client.GroupOptions{
		Commit: client.CommitManual,
		OnRevoked: func(ctx context.Context, g *client.GroupConsumer, parts []client.TopicPartition) {
			if err := g.Commit(ctx); err != nil {
				log.Print(err)
			}
			fmt.Println("let go of", parts)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	records, err := g.Poll(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("processed", len(records))
	g.Mark(records...)
	if err := g.Commit(ctx); err != nil {
		log.Fatal(err)
	}
	if err := g.Close(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// processed 3
	// let go of [{demo 0}]
}

// Keeps the offsets of a consumer that is in no group.
func ExampleClient_CommitOffsets() {
	ctx := context.Background()
	c, stop := exampleBroker(ctx)
	defer stop()

	if err := c.CommitOffsets(ctx, "nightly", client.Offset{Topic: "demo", Offset: 2, LeaderEpoch: -1}); err != nil {
		log.Fatal(err)
	}
	offsets, err := c.FetchOffsets(ctx, "nightly", "demo")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(offsets[0].Topic, offsets[0].Partition, offsets[0].Offset)
	// Output: demo 0 2
}
