package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// The newest offset is told once all replicas in sync have confirmed that the leader still leads, and includes all that
// was acknowledged. With too few in sync nobody may be left to contradict a leader, so it is refused; other offsets are
// told, and so is the newest when the replicas are back.
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
		ends, err := hasty.ListOffsets(ctx, "demo", client.OffsetEnd, 0)
		return err == nil && ends[0].Error != nil && ends[0].Error.Code == wire.CodeNotEnoughReplicas
	}, patience, 20*time.Millisecond)
	require.Eventually(t, func() bool {
		starts, err := hasty.ListOffsets(ctx, "demo", client.OffsetStart, 0)
		return err == nil && starts[0].Error == nil && starts[0].Offset == 0
	}, patience, 20*time.Millisecond)

	c.list[1].start()
	awaitInSync(t, cl, "demo", 2)
	require.EqualValues(t, 40, sum())
}
