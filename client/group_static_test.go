package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
)

// A static member's place is kept while it restarts: nobody else moves. Leave gives it up.
func TestGroupStaticMemberRestarts(t *testing.T) {
	c := connect(t, startServer(t, nil).address(), client.Options{})
	create(t, c, "demo", 4)
	static := client.GroupOptions{InstanceID: "i1"}
	a := startWorker(t, c, "a", static, ignore)
	b := startWorker(t, c, "b", client.GroupOptions{}, ignore)
	a.await(2)
	b.await(2)
	before := b.happenedNow()
	held := a.g.State()
	a.close()
	again := startWorker(t, c, "a", static, ignore)
	again.await(2)
	require.NotEqual(t, a.g.MemberID(), again.g.MemberID())
	for i, s := range again.g.State() {
		require.Equal(t, held[i].Partition, s.Partition)
	}
	require.Equal(t, before, b.happenedNow())
	require.NoError(t, again.g.Leave(testContext(t)))
	<-again.done
	b.await(4)
}

// H20: while a static member lives, another of its instance id waits for its place and says so; when the first one's
// session is over, it takes it, and the first is refused for good.
func TestH20StaticMemberTwice(t *testing.T) {
	s := startServer(t, shortSessions)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 2)
	static := client.GroupOptions{InstanceID: "i1"}
	a := startWorker(t, c, "a", static, ignore)
	a.await(2)
	soon, cancel := context.WithTimeout(testContext(t), 200*time.Millisecond)
	defer cancel()
	_, err := client.JoinGroup(soon, c, "g", []string{"demo"}, static)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, client.ErrInstanceInUse)
	a.close()
	b := startWorker(t, c, "b", static, ignore)
	b.await(2)
}
