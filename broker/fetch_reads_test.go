package broker

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

// A fetch of many partitions that has room for a few batches reads about those from the disk, not one of every
// partition for nothing.
func TestFetchReadsWhatItAnswers(t *testing.T) {
	const partitions = 50
	n := startNode(t)
	id := n.create("orders", partitions)
	for range 3 {
		for p := range int32(partitions) {
			n.append(id, p, strings.Repeat("x", 100<<10))
		}
	}
	dir := n.cfg.DataDir
	n.stopNode()
	n = startNode(t, func(c *Config) { c.DataDir = dir }) // with no batch in memory
	req := fetchFrom(id, 0, 0)
	req.MaxBytes = 450 << 10 // four batches
	req.Topics[0].Partitions = nil
	for p := range int32(partitions) {
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, wire.FetchPartition{Index: p, MaxBytes: 1 << 20})
	}
	do[*wire.FetchResponse](n, req) // opens the logs
	before := n.store.Metrics()
	size := 0
	for _, r := range do[*wire.FetchResponse](n, req).Topics[0].Partitions {
		size += len(r.Batches)
	}
	after := n.store.Metrics()
	require.Greater(t, size, 400<<10)
	looked := after.CacheHits + after.CacheMisses - before.CacheHits - before.CacheMisses
	require.Less(t, looked, int64(partitions), "blocks looked at for four batches")
}
