package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(brokerDirEnv); dir != "" { // this process is a broker that a test has started
		if err := runBroker(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if address := os.Getenv(memberEnv); address != "" { // this process is a member that a test has started
		if err := runMember(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait of a test; it decides nothing but when a hang is called one.
const patience = 60 * time.Second

// testContext ends with the test, or when patience does.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// server is a real broker that can be stopped and started again on its data and port.
type server struct {
	t      testing.TB
	config broker.Config
	broker *broker.Broker
}

// startServer starts a broker on a fresh directory. change, which may be nil, may alter its configuration.
func startServer(t testing.TB, change func(*broker.Config)) *server {
	t.Helper()
	s := &server{t: t, config: broker.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"}}
	if change != nil {
		change(&s.config)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	b, err := broker.Start(ctx, s.config)
	require.NoError(s.t, err)
	s.broker = b
	s.config.Listen = b.Addr().String() // the same port the next time
}

func (s *server) stop() {
	if s.broker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(s.t, s.broker.Shutdown(ctx))
	s.broker = nil
}

func (s *server) address() string { return s.config.Listen }

// advertising returns a change of configuration that makes a broker advertise another address, such as that of a proxy.
func advertising(address string) func(*broker.Config) {
	return func(c *broker.Config) { c.Advertise = address }
}

// connect makes a client that is closed with the test.
func connect(t testing.TB, address string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Connect(testContext(t), strings.Split(address, ","), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, c.Close(ctx))
	})
	return c
}

// haste is a time-out that a test waits for. A busy machine may be too slow for it, too, so what is not to time out is
// repeated (patiently), or is another client's.
const haste = 300 * time.Millisecond

// connectInHaste makes a client whose requests time out soon.
func connectInHaste(t testing.TB, address string, o client.Options) *client.Client {
	t.Helper()
	o.RequestTimeout = haste
	var c *client.Client
	patiently(t, func() (err error) {
		c, err = client.Connect(testContext(t), []string{address}, o)
		return err
	})
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // it tells of what it had no time for
	return c
}

// patiently repeats what a time-out has ended, until it is done.
func patiently(t testing.TB, do func() error) {
	t.Helper()
	ctx := testContext(t)
	for {
		err := do()
		if err == nil {
			return
		}
		if ctx.Err() != nil || !errors.Is(err, client.ErrTimedOut) && !errors.Is(err, client.ErrUnreachable) {
			require.NoError(t, err)
		}
	}
}

// create makes a topic; settings are pairs of name and value.
func create(t testing.TB, c *client.Client, topic string, partitions int32, settings ...wire.Setting) {
	t.Helper()
	made, err := client.NewAdmin(c).CreateTopics(testContext(t),
		[]wire.NewTopic{{Name: topic, Partitions: partitions, Settings: settings}}, client.Apply)
	require.NoError(t, err)
	require.Len(t, made, 1)
	require.Nil(t, made[0].Error)
}

func newProducer(t testing.TB, c *client.Client, o client.ProducerOptions) *client.Producer {
	t.Helper()
	p, err := client.NewProducer(c, o)
	require.NoError(t, err)
	return p
}

func newConsumer(t testing.TB, c *client.Client, o client.ConsumerOptions) *client.Consumer {
	t.Helper()
	r, err := client.NewConsumer(c, o)
	require.NoError(t, err)
	return r
}

// readAll reads a topic from its start to its end as of now, partition by partition.
func readAll(t testing.TB, c *client.Client, topic string) map[int32][]client.Record {
	t.Helper()
	ctx := testContext(t)
	ends, err := client.NewAdmin(c).ListOffsets(ctx, topic, client.OffsetEnd)
	require.NoError(t, err)
	r := newConsumer(t, c, client.ConsumerOptions{})
	defer func() { require.NoError(t, r.Close(ctx)) }()
	require.NoError(t, r.Assign(ctx, topic, client.AtStart()))
	out := map[int32][]client.Record{}
	for !reached(t, r, ends) {
		records, err := r.Poll(ctx)
		require.NoError(t, err)
		for _, rec := range records {
			out[rec.Partition] = append(out[rec.Partition], rec)
		}
	}
	return out
}

func reached(t testing.TB, r *client.Consumer, ends []wire.ListOffsetsResult) bool {
	t.Helper()
	for _, s := range r.State() {
		if s.Position < ends[s.Partition].Offset {
			return false
		}
	}
	return true
}

// values returns the records' values as text.
func values(records []client.Record) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = string(r.Value)
	}
	return out
}

// numbered returns the texts "0" to "n-1" as a value each.
func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

// deadAddress is one where nobody listens, as long as the test runs: its port is taken, so no listener can be given it.
func deadAddress(t testing.TB) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Close(fd)) })
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	name, err := unix.Getsockname(fd)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
}
