//go:build linux

package client_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/internal/chaos"
)

// D2: the leader loses ZooKeeper and nothing else. It answers whoever asks it that it leads, and resigns when its
// session is over: a producer and a consumer that ask just this broker learn from another one who leads by then.
func TestD2LeaderWithoutZooKeeper(t *testing.T) {
	c := &brokers{t: t, zk: startZooKeeper(t)}
	cuts := make([]*chaos.Proxy, 3)
	for i := range cuts {
		var err error
		cuts[i], err = chaos.StartProxy("127.0.0.1:0", c.zk)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, cuts[i].Close()) })
		id := int32(i + 1)
		dir := filepath.Join(t.TempDir(), fmt.Sprint("broker", id))
		s := &server{t: t, config: clusterConfig(id, dir, "127.0.0.1:0", cuts[i].Address())}
		c.list = append(c.list, s)
		s.start()
		t.Cleanup(s.stop)
	}
	awaitBrokers(t, c.addresses())
	admin := c.connect(client.Options{})
	createReplicated(t, admin, "demo", 1, 3)
	leader := partitions(t, admin, "demo")[0].Leader
	first := func() *client.Client {
		addresses := c.list[leader-1].address()
		for i, s := range c.list {
			if int32(i+1) != leader {
				addresses += "," + s.address()
			}
		}
		cl := connect(t, addresses, client.Options{})
		require.Equal(t, leader, cl.Hello().BrokerID)
		return cl
	}
	writer, reader := first(), first()
	p := newProducer(t, writer, client.ProducerOptions{DeliveryTimeout: patience})
	consumer := newConsumer(t, reader, client.ConsumerOptions{})
	require.NoError(t, consumer.Assign(testContext(t), "demo", client.AtStart()))
	_, err := p.Send(testContext(t), client.Record{Topic: "demo", Value: []byte("before")})
	require.NoError(t, err)

	cuts[leader-1].Set(chaos.Line{Stall: true}, chaos.Line{Stall: true})
	require.Eventually(t, func() bool {
		_, err := p.Send(testContext(t), client.Record{Topic: "demo", Value: []byte("after")})
		require.NoError(t, err)
		return partitions(t, writer, "demo")[0].Leader != leader
	}, patience, 100*time.Millisecond, "another broker leads, and the producer writes to it")
	require.NotEqual(t, leader, writer.Hello().BrokerID)
	offset, err := p.Send(testContext(t), client.Record{Topic: "demo", Value: []byte("the last")})
	require.NoError(t, err)
	for last := int64(-1); last < offset.Offset; {
		records, err := consumer.Poll(testContext(t))
		require.NoError(t, err)
		for _, r := range records {
			require.Equal(t, last+1, r.Offset)
			last = r.Offset
		}
	}
	cuts[leader-1].Set(chaos.Line{}, chaos.Line{})
}
