package client_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// A consumer may be given partitions that nobody leads yet, as those of a topic that was just created are. It reads
// them as soon as somebody does, and not when its metadata is of age.
func TestClusterAssignBeforeThereIsALeader(t *testing.T) {
	c := startCluster(t, 3)
	cl := c.connect(client.Options{})
	for i := range 4 {
		topic := fmt.Sprint("fresh", i)
		made, err := client.NewAdmin(cl).CreateTopics(testContext(t),
			[]wire.NewTopic{{Name: topic, Partitions: 1, Replicas: 3}}, client.Apply)
		require.NoError(t, err)
		require.Nil(t, made[0].Error)
		r, err := client.NewConsumer(c.connect(client.Options{}), client.ConsumerOptions{})
		require.NoError(t, err)
		require.NoError(t, r.Assign(testContext(t), topic, client.AtStart()))
		send(t, cl, topic, 0, 1)
		records, err := r.Poll(testContext(t))
		require.NoError(t, err)
		require.Len(t, records, 1)
	}
}
