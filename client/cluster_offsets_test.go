package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// The newest offset is told once all replicas in sync have confirmed that the leader still leads, and includes all that
// was acknowledged. With too few in sync nobody may be left to contradict a leader, which then tells what it knows to
// be committed, so that reading goes on; all of it is told when the replicas are back.
func TestClusterNewestOffset(t *testing.T) {
	c := startCluster(t, 2)
	cl := c.connect(client.Options{})
	ctx, admin := testContext(t), client.NewAdmin(cl)
	createReplicated(t, cl, "demo", 4, 2, wire.Setting{Name: "min_in_sync", Value: "2"})
	p := newProducer(t, cl, client.ProducerOptions{})
	for i := range int64(40) {
		r, err := p.Send(ctx, client.Record{Topic: "demo", Value: []byte("x")})
		require.NoError(t, err)
		if i%8 == 0 {
			ends, err := admin.ListOffsets(ctx, "demo", client.OffsetEnd, r.Partition)
			require.NoError(t, err)
			require.Nil(t, ends[0].Error)
			require.Equal(t, r.Offset+1, ends[0].Offset)
		}
	}
	sum := func() (n int64) {
		ends, err := admin.ListOffsets(ctx, "demo", client.OffsetEnd)
		require.NoError(t, err)
		require.Len(t, ends, 4)
		for _, e := range ends {
			require.Nil(t, e.Error)
			n += e.Offset
		}
		return n
	}
	require.EqualValues(t, 40, sum())

	c.list[1].stop()
	hasty := client.NewAdmin(connect(t, c.list[0].address(), client.Options{RequestTimeout: time.Second}))
	require.Eventually(t, func() bool {
		d, err := hasty.DescribeTopics(ctx, "demo")
		return err == nil && len(d[0].Partitions[0].ISR) == 1 && d[0].Partitions[0].Leader == 1
	}, patience, 20*time.Millisecond)
	ends, err := hasty.ListOffsets(ctx, "demo", client.OffsetEnd, 0)
	require.NoError(t, err)
	require.Nil(t, ends[0].Error)
	require.LessOrEqual(t, ends[0].Offset, int64(40))

	c.list[1].start()
	awaitInSync(t, cl, "demo", 2)
	require.EqualValues(t, 40, sum())
}
