package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/partitionlog"
)

// withLog stops a broker, does something with its copy of a partition, and starts it.
func withLog(t *testing.T, s *server, p kv.Partition, do func(*partitionlog.Log)) {
	t.Helper()
	s.stop()
	store, err := kv.Open(kv.Options{Dir: s.config.DataDir, Role: kv.RoleAny})
	require.NoError(t, err)
	log, err := partitionlog.New(store, partitionlog.Options{}).Log(p)
	require.NoError(t, err)
	do(log)
	require.NoError(t, store.Close())
	s.start()
}

// A copy that is damaged leaves the ISR, is rebuilt from the leader, and joins again, whole; so does a leader's own.
func TestClusterDamagedReplicaIsRebuilt(t *testing.T) {
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	createReplicated(t, cl, "demo", 1, 3)
	send(t, cl, "demo", 0, 100)
	described, err := client.NewAdmin(cl).DescribeTopics(testContext(t), "demo")
	require.NoError(t, err)
	id, first := described[0].ID, described[0].Partitions[0].Replicas[0]
	for _, broker := range []int32{first, first%3 + 1} {
		s, p := c.list[broker-1], kv.Partition{Topic: id}
		withLog(t, s, p, func(l *partitionlog.Log) {
			receipt, err := l.MarkVoid()
			require.NoError(t, err)
			<-receipt.Done()
			require.NoError(t, receipt.Err())
		})
		require.Eventually(t, func() bool {
			awaitInSync(t, cl, "demo", 3)
			var held partitionlog.Stored
			withLog(t, s, p, func(l *partitionlog.Log) {
				var err error
				held, err = l.Replicate(partitionlog.NewMoves())
				require.NoError(t, err)
			})
			return !held.Void && held.LogStart == 0 && held.End == 100
		}, patience, 100*time.Millisecond, "broker %d", broker)
		awaitInSync(t, cl, "demo", 3)
	}
	require.Equal(t, numbered(100), values(readAll(t, cl, "demo")[0]))
}
