package broker

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/internal/faultfs"
	"github.com/skidway/skidway/wire"
)

// C1, C2: when free space falls below the reserve, records are refused as retriable; reads, deletions and metadata go
// on, everyone is told, and when there is room again records are taken without anyone's help.
func TestDiskFullC1(t *testing.T) {
	n := startNode(t, onFaultFS(t, faultfs.Options{Capacity: 48 << 20}), withHTTP, func(c *Config) {
		c.knobs.flush, c.knobs.reclaim = 20*time.Millisecond, 50*time.Millisecond
	})
	id := n.create("orders", 2)
	keep := n.create("keep", 1)
	n.append(keep, 0, "kept")
	big := strings.Repeat("x", 500<<10)
	full := func() bool {
		r := n.produce(id, 0, batch(t, big))
		if r.Error == nil {
			return false
		}
		requireCode(t, wire.CodeDiskFull, r.Error)
		require.True(t, r.Error.Retriable())
		return true
	}
	for i := 0; !full(); i++ {
		require.Less(t, i, 500, "the disk is full at some time")
	}
	end := n.topics.id(id).partition(0).log.Load().Stats().End
	require.Equal(t, []string{"kept"}, n.read(keep, 0, 0))
	require.Contains(t, n.get("/readyz?verbose", 503), "read-only")
	require.Contains(t, n.get("/metrics", 200), "skidway_disk_full 1")
	_, err := try[*wire.ThinProduceResponse](n, &wire.ThinProduceRequest{
		Topic: "orders", Partition: 1, Acks: wire.AcksAll, Records: []wire.ThinRecord{{Value: []byte("x")}}})
	require.ErrorIs(t, err, wire.CodeDiskFull)
	require.Equal(t, "read-only", do[*wire.ListTopicsResponse](n, &wire.ListTopicsRequest{}).Topics[0].Health)
	n.alter("keep", "retention", "1d")

	r := do[*wire.DeleteRecordsResponse](n, deleteBefore(id, 0, wire.AtEnd)).Topics[0].Partitions[0]
	require.Nil(t, r.Error)
	require.Equal(t, end, r.Start)
	require.Eventually(t, func() bool { return n.produce(id, 1, batch(t, "back")).Error == nil },
		20*time.Second, 20*time.Millisecond)
	require.Equal(t, "ready\n", n.get("/readyz", 200))
	require.Equal(t, []string{"kept"}, n.read(keep, 0, 0))
}
