package metadata_test

import (
	"fmt"
	"testing"

	"github.com/skidway/skidway/metadata"
)

// BenchmarkTopics is what a broker of 10,000 topics pays.
func BenchmarkTopics(b *testing.B) {
	s, ctx := newStore(b), b.Context()
	specs := make([]metadata.NewTopic, 10_000)
	for i := range specs {
		specs[i] = spec(fmt.Sprintf("topic_%05d", i))
		specs[i].Settings = map[string]string{"retention": "36h", "max_batch_bytes": "64KiB"}
	}
	b.Run("create 10000", func(b *testing.B) {
		for range b.N {
			names := make([]string, len(specs))
			for i, r := range metadata.CreateTopics(ctx, s, specs, roomy) {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
				names[i] = r.Topic.Name
			}
			b.StopTimer()
			var topics []metadata.Topic
			for _, r := range metadata.DeleteTopics(ctx, s, names, 1) {
				topics = append(topics, r.Topic)
			}
			if err := metadata.FinishDeletes(ctx, s, topics); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	for _, r := range metadata.CreateTopics(ctx, s, specs, roomy) {
		if r.Err != nil {
			b.Fatal(r.Err)
		}
	}
	b.Run("list 10000", func(b *testing.B) {
		for range b.N {
			if topics, err := metadata.ListTopics(ctx, s); err != nil || len(topics) != len(specs) {
				b.Fatal(len(topics), err)
			}
		}
	})
	b.Run("create one more", func(b *testing.B) {
		for i := range b.N {
			one := []metadata.NewTopic{spec(fmt.Sprintf("more_%d", i))}
			if r := metadata.CreateTopics(ctx, s, one, roomy); r[0].Err != nil && b.N == 1 {
				b.Fatal(r[0].Err)
			}
		}
	})
}
