package peer

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/skidway/skidway/replication"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "sixteen bytes and some more"

// patience ends a test that waits for what never comes.
const patience = 20 * time.Second

// broker is a Transport and the events that it gave, for the goroutine of one test.
type broker struct {
	*Transport
	t    testing.TB
	logs *logs
	seen []Event // taken and not yet asked for
}

// logs are the lines of a broker's log.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start starts a broker with epoch 10 x id and storage id 100 x id; change may be nil.
func start(t testing.TB, id int32, change func(*Options)) *broker {
	t.Helper()
	b := &broker{t: t, logs: &logs{}}
	o := Options{
		Listen: "127.0.0.1:0", Secret: []byte(testSecret), Cluster: "test",
		Self:   Incarnation{id, 10 * id, 100 * uint64(id)},
		Logger: slog.New(slog.NewTextHandler(b.logs, nil)),
	}
	if change != nil {
		change(&o)
	}
	var err error
	b.Transport, err = Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// follow connects b with leader and returns the live link, as both call it.
func (b *broker) follow(leader *broker) (mine, theirs Link) {
	b.t.Helper()
	require.NoError(b.t, b.Connect(leader.opts.Self.Broker, leader.Addr().String()))
	return b.connected(leader.opts.Self.Broker, Follower), leader.connected(b.opts.Self.Broker, Leader)
}

// connected waits for the live link with a peer.
func (b *broker) connected(peer int32, side Side) Link {
	b.t.Helper()
	return await(b, func(c Connected) bool {
		return c.Link.Peer == peer && c.Link.Side == side && c.Link.Class == Live
	}).Link
}

// await takes events until one of its type fits, and drops that one and those before it that are of its type.
func await[E Event](b *broker, fits func(E) bool) E {
	b.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		for i, ev := range b.seen {
			if e, ok := ev.(E); ok && fits(e) {
				b.seen = append(b.seen[:i:i], b.seen[i+1:]...)
				return e
			}
		}
		select {
		case <-b.Ready():
			b.seen = append(b.seen, b.Events()...)
		case <-timer.C:
			var e E
			require.FailNowf(b.t, "waited in vain", "broker %d for %T, has %v; log:\n%s", b.opts.Self.Broker, e, b.seen, b.logs)
		}
	}
}

// messages waits for that many messages on the link, and releases their data.
func (b *broker) messages(link Link, n int) (all []Addressed) {
	b.t.Helper()
	for len(all) < n {
		r := await(b, func(r Received) bool { return r.Link == link })
		all = append(all, r.Messages...)
		b.Release(link, r.Data)
	}
	require.Len(b.t, all, n)
	return all
}

func data(base int64, size int) replication.Data {
	return replication.Data{Epoch: 1, Stream: 1, Previous: -1, Base: base, Batches: []replication.Batch{
		{Base: base, End: base + 1, Epoch: 1, Bytes: bytes.Repeat([]byte{byte(base)}, size)},
	}}
}
