//go:build !race

package client_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// Records are deleted when their time is over also where nobody has asked for their partition since its leader came to
// lead it.
func TestClusterRetentionOfIdlePartitions(t *testing.T) {
	c := startCluster(t, 1)
	s := c.list[0]
	s.config.HTTPListen = "127.0.0.1:0"
	cl := c.connect(client.Options{})
	createReplicated(t, cl, "demo", 2, 1)
	send(t, cl, "demo", 0, 50)
	s.stop()
	s.start()
	admin := client.NewAdmin(connect(t, s.address(), client.Options{}))
	changed, err := admin.AlterTopics(testContext(t), []wire.TopicChange{{Name: "demo",
		Set: []wire.Setting{{Name: "retention", Value: "1s"}}}}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, changed[0].Error)
	deleted := func() (n int) {
		for line := range strings.Lines(page(t, s, "/metrics")) {
			if rest, ok := strings.CutPrefix(line, "skidway_retention_deleted_records_total "); ok {
				_, err := fmt.Sscan(rest, &n)
				require.NoError(t, err)
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return deleted() == 50 }, patience, 100*time.Millisecond)
}
