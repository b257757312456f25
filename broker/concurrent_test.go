package broker

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

// Everything at once on one broker: producers, consumers that wait, topics made, altered and deleted under them,
// retention, scrapes. Each record that was acknowledged in a topic that stayed is read once and in order.
func TestEverythingAtOnce(t *testing.T) {
	n := startNode(t, timed(newHandClock()))
	const producers, partitions, rounds = 4, 3, 60
	id := n.create("kept", partitions)
	var work, reading sync.WaitGroup
	for p := range producers {
		c := &node{Broker: n.Broker, t: t, conn: n.dial()}
		work.Go(func() {
			for i := range rounds {
				r, err := try[*wire.ProduceResponse](c, produceOne(id, int32(i%partitions), batch(t, fmt.Sprintf("%d/%d", p, i))))
				if assert.NoError(t, err) {
					assert.Nil(t, r.Topics[0].Partitions[0].Error)
				}
			}
		})
	}
	admin := &node{Broker: n.Broker, t: t, conn: n.dial()}
	work.Go(func() { changeTopics(admin) })
	work.Go(func() {
		for range 20 {
			_, err := testutil.GatherAndCount(n.met.registry)
			assert.NoError(t, err)
			time.Sleep(time.Millisecond)
		}
	})
	var got [partitions][]string
	for p := range int32(partitions) {
		c := &node{Broker: n.Broker, t: t, conn: n.dial()}
		reading.Go(func() { got[p] = consume(c, id, p, producers*rounds/partitions) })
	}
	work.Wait()
	reading.Wait()
	for p := range int32(partitions) {
		require.Len(t, got[p], producers*rounds/partitions)
		last := map[string]int{}
		for _, value := range got[p] {
			var who, i int
			_, err := fmt.Sscanf(value, "%d/%d", &who, &i)
			require.NoError(t, err)
			before, seen := last[fmt.Sprint(who)]
			require.True(t, !seen || before < i, "%s comes after %d", value, before)
			last[fmt.Sprint(who)] = i
		}
	}
}

// consume reads count records with fetches that wait.
func consume(n *node, id uint64, partition int32, count int) (got []string) {
	for len(got) < count {
		req := fetchFrom(id, partition, int64(len(got)))
		req.MaxWaitMs = 20_000
		r, err := try[*wire.FetchResponse](n, req)
		if !assert.NoError(n.t, err) || !assert.NotEmpty(n.t, r.Topics) || !assert.Nil(n.t, onlyResult(r).Error) {
			return got
		}
		got = append(got, values(n.t, onlyResult(r).Batches, int64(len(got)))...)
	}
	return got
}

// changeTopics makes, writes, reads, alters and deletes a topic again and again.
func changeTopics(n *node) {
	for i := range 15 {
		topic := wire.NewTopic{Name: "passing", Partitions: 4, Settings: setting("retention_bytes", "1KiB")}
		r, err := try[*wire.CreateTopicsResponse](n, &wire.CreateTopicsRequest{Topics: []wire.NewTopic{topic}})
		if !assert.NoError(n.t, err) || !assert.Nil(n.t, r.Topics[0].Error) {
			return
		}
		id := r.Topics[0].ID
		for p := range int32(4) {
			_, err := try[*wire.ProduceResponse](n, produceOne(id, p, batch(n.t, fmt.Sprint(i))))
			assert.NoError(n.t, err)
		}
		_, err = try[*wire.AlterTopicsResponse](n, &wire.AlterTopicsRequest{Topics: []wire.TopicChange{
			{Name: "passing", Set: setting("retention", "1h")},
		}})
		assert.NoError(n.t, err)
		_, err = try[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{})
		assert.NoError(n.t, err)
		d, err := try[*wire.DeleteTopicsResponse](n, &wire.DeleteTopicsRequest{Names: []string{"passing"}})
		if assert.NoError(n.t, err) {
			assert.Nil(n.t, d.Topics[0].Error)
		}
	}
}
