package main

import (
	"bufio"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// Who reads slowly what consume prints gets everything up to its end: what was fetched while printing had to wait is
// printed, too.
func TestConsumeForASlowReader(t *testing.T) {
	const records = 1100 // of 1 KiB: more than one answer of the broker
	b, err := broker.Start(t.Context(), broker.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	defer func() { require.NoError(t, stopBroker(b)) }()
	fill(t, b.Addr().String(), records)
	for range 12 {
		out, printed, err := os.Pipe()
		require.NoError(t, err)
		_, err = unix.FcntlInt(printed.Fd(), unix.F_SETPIPE_SZ, 4096)
		require.NoError(t, err)
		lines := make(chan int, 1)
		go func() {
			time.Sleep(2 * pollFor) // what is printed first waits
			n := 0
			for s := bufio.NewScanner(out); s.Scan(); n++ {
			}
			lines <- n
		}()
		a := testApp()
		a.out, a.errOut = printed, openNull(t)
		root := a.rootCommand()
		root.SetArgs([]string{"consume", "t", "--server", b.Addr().String(), "--offset", "start:end",
			"--format", "%o: what takes some room\n"})
		require.NoError(t, root.ExecuteContext(t.Context()))
		require.NoError(t, printed.Close())
		require.Equal(t, records, <-lines)
		require.NoError(t, out.Close())
	}
}

// fill makes a topic with one partition, and writes records of 1 KiB to it.
func fill(t *testing.T, address string, records int) {
	t.Helper()
	c, err := client.Connect(t.Context(), []string{address}, client.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(t.Context())) }()
	made, err := client.NewAdmin(c).CreateTopics(t.Context(), []wire.NewTopic{{Name: "t", Partitions: 1}}, client.Apply)
	require.NoError(t, err)
	require.Nil(t, made[0].Error)
	p, err := client.NewProducer(c, client.ProducerOptions{})
	require.NoError(t, err)
	for range records {
		p.SendAsync(t.Context(), client.Record{Topic: "t", Value: make([]byte, 1024)}, func(_ client.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	require.NoError(t, p.Flush(t.Context()))
}
