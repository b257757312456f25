package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/broker"
	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/config"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/wire"
)

func testApp(env ...string) *app { return &app{env: env, timeout: 10 * time.Second} }

func TestServers(t *testing.T) {
	for _, c := range []struct {
		flag, variable, from string
		want                 []string
	}{
		{"", "", "default (no --server, no SKIDWAY_SERVER)", []string{"127.0.0.1:7440"}},
		{"", "a:1", "SKIDWAY_SERVER", []string{"a:1"}},
		{"b", "a:1", "--server", []string{"b:7440"}},
		{"b, c:9,:7", "", "--server", []string{"b:7440", "c:9", "127.0.0.1:7"}},
		{"::1,[::1]:5,[fe80::1]", "", "--server", []string{"[::1]:7440", "[::1]:5", "[fe80::1]:7440"}},
	} {
		a := testApp("SKIDWAY_SERVER=" + c.variable)
		a.server = c.flag
		s, err := a.servers()
		require.NoError(t, err)
		require.Equal(t, servers{addresses: c.want, from: c.from}, s)
	}
	for _, bad := range []string{"a:b", "a:0", "a:70000", "http://a", ",", "a b", "a:1:2", "a/b:1"} {
		a := testApp()
		a.server = bad
		_, err := a.servers()
		require.Equal(t, failure.ExitUsage, failure.ExitCode(err), bad)
		require.ErrorContains(t, err, "--server", bad)
	}
}

func TestExplain(t *testing.T) {
	a := testApp()
	unreachable := &client.Error{Code: client.CodeUnreachable, Message: "cannot reach any broker", Partition: -1}
	for _, c := range []struct {
		err  error
		exit int
		says string
	}{
		{nil, 0, ""},
		{failure.Usage("x"), 2, "error: x   [E200]\n"},
		{fmt.Errorf("x: %w", errInterrupted), 130, "error: interrupted\n"},
		{context.Canceled, 130, "error: interrupted\n"},
		{context.DeadlineExceeded, 3, "error: timed out after 10s   [E105]\n"},
		{unreachable, 3, "cannot reach any broker   [E101]\n"},
		{wire.Errorf(wire.CodeTopicExists, "topic %q exists", "x"), 1, "topic \"x\" exists   [E111]\n"},
		{&wire.Error{Code: wire.CodeDiskFull}, 1, "disk is full"},
		{&client.Error{Code: wire.CodeNotLeader, Message: "moved", Topic: "t", Partition: 3, Address: "a:1"}, 1,
			"error: t[3]: moved   [E107]\n  broker: a:1\n"},
		{&client.Error{Code: wire.CodeTimedOut, Message: "late", Partition: -1, Outcome: client.OutcomeUnknown}, 3,
			"  outcome: unknown: it may have been carried out\n"},
		{&client.Error{Code: wire.CodeTimedOut, Message: "late", Partition: -1, Err: unreachable}, 3, "late   [E101]\n"},
		{&client.Error{Code: wire.CodeOffsetOutOfRange, Message: "no", Partition: -1, Start: 3, End: 9}, 1, "valid are 3..9"},
		{&client.Error{Message: "the client is closed", Partition: -1}, 1, "the client is closed   [E304]\n"},
		{errors.New("surprise"), 1, "error: surprise   [E304]\n"},
	} {
		err := a.explain(c.err)
		require.Equal(t, c.exit, failure.ExitCode(err), "%v", c.err)
		var b strings.Builder
		failure.Print(&b, err, failure.Text)
		require.Contains(t, b.String(), c.says, "%v", c.err)
	}
}

func TestOfStart(t *testing.T) {
	c, err := config.Load(config.Sources{Env: []string{"HOME=/h"}})
	require.NoError(t, err)
	for _, one := range []struct {
		err  error
		exit int
		code string
		says string
	}{
		{&kv.LockedError{Dir: "/d", PID: 7}, 2, failure.CodeLocked, "used by process 7"},
		{&kv.LockedError{Dir: "/d"}, 2, failure.CodeLocked, "used by another process"},
		{&kv.VersionError{Dir: "/d", What: "store", Found: 9, Newest: 1}, 2, failure.CodeForeignData,
			"written by a newer version"},
		{&kv.IdentityError{Dir: "/d", What: "cluster id", Stored: "a", Wanted: "b"}, 2, failure.CodeForeignData,
			"cluster id a, not b"},
		{&kv.CorruptError{File: "/d/000004.log", Err: errors.New("checksum")}, 1, failure.CodeDamaged,
			"/d/000004.log: checksum"},
		{&kv.DirError{Dir: "/d", Reason: "is open to all"}, 2, failure.CodeBadValue, "/d is open to all"},
		{&broker.ListenError{Field: "HTTPListen", Address: "a:1", Err: syscall.EADDRINUSE}, 2, failure.CodePortInUse,
			"a:1 is in use"},
		{&broker.ListenError{Field: "Listen", Address: "a:1", Err: syscall.EACCES}, 2, failure.CodeBadValue,
			"permission denied"},
		{errors.New("surprise"), 1, failure.CodeInternal, "surprise"},
	} {
		var f *failure.Failure
		require.ErrorAs(t, ofStart(fmt.Errorf("wrapped: %w", one.err), c), &f)
		require.Equal(t, one.exit, f.Exit, one.says)
		require.Equal(t, one.code, f.Code, one.says)
		require.Contains(t, f.Message, one.says)
	}
	require.NoError(t, ofStart(nil, c))
}

func TestEveryFieldThatTheBrokerRefusesNamesItsSetting(t *testing.T) {
	for field, key := range keyOf {
		if field == "TopicDefaults.Settings" {
			continue // a section
		}
		found := false
		for _, k := range config.Keys() {
			found = found || k.Name == key
		}
		require.True(t, found, "%s -> %s", field, key)
	}
}

func TestReport(t *testing.T) {
	r := newReport("demo")
	r.written(1, 7, 3)
	require.Equal(t, "demo[1] offset 7", r.line(1))
	r.written(1, 9, 3)
	r.written(1, 8, 5)
	require.Equal(t, "demo[1] offsets 7-9   3 records, 11 B", r.line(1))
	r.written(2, -1, 5)
	require.Equal(t, "demo[2] not acknowledged   1 record, 5 B", r.line(2))

	same := func(err error) error { return testApp().explain(err) }
	for n := range int64(9) {
		r.failed(n+1, &client.Error{Code: wire.CodeRecordTooLarge, Message: "too large", Partition: -1})
	}
	require.False(t, r.fatal(), "the next record may be smaller")
	l := r.failures(same)
	require.Len(t, l, mostFailures)
	require.Equal(t, "record 5 was not written: too large", l[4].Message)
	require.Equal(t, []failure.Note{{Label: "also", Text: "4 more records"}}, l[4].Notes)

	r = newReport("demo")
	r.failed(1, &client.Error{Code: wire.CodeTimedOut, Message: "late", Partition: -1, Outcome: client.OutcomeUnknown})
	r.failed(2, &client.Error{Code: wire.CodeTimedOut, Message: "late", Partition: -1})
	require.True(t, r.fatal())
	l = r.failures(same)
	require.Len(t, l, 1)
	require.Equal(t, "record 1 may or may not have been written: late", l[0].Message)
	require.Equal(t, failure.ExitUnreachable, failure.ExitCode(l))
}

func TestErrorStyleLooksAtTheArguments(t *testing.T) {
	for args, want := range map[string]failure.Style{
		"topic list --format json": failure.JSON, "topic list -f json": failure.JSON,
		"topic list --format=json": failure.JSON,
		"-fjson":                   failure.JSON, "topic list": failure.Text, "produce t -- --format json": failure.Text,
		"x --format":      failure.Text,
		"x --format text": failure.Text,
	} {
		a := testApp("NO_COLOR=1")
		a.args = strings.Fields(args)
		a.errOut = openNull(t)
		require.Equal(t, want, a.errorStyle(), args)
	}
}

func TestBanner(t *testing.T) {
	dir := t.TempDir()
	c, err := config.Load(config.Sources{Env: []string{"HOME=" + dir}, Mode: config.Development})
	require.NoError(t, err)
	bc := brokerConfig(c, nil, true)
	bc.Listen, bc.HTTPListen, bc.Kafka.Listen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	b, err := broker.Start(t.Context(), bc)
	require.NoError(t, err)
	defer func() { require.NoError(t, stopBroker(b)) }()
	text := testApp("HOME=" + dir).banner(announcement{config: c, broker: b, dev: true, took: 142 * time.Millisecond})
	require.Contains(t, text, "standalone, development mode\n\n")
	require.Contains(t, text, "  clients   tcp://"+b.Addr().String())
	require.Contains(t, text, "  kafka     tcp://"+b.KafkaAddr().String()+"        any Kafka client\n")
	require.Contains(t, text, "  http      http://"+b.HTTPAddr().String())
	require.Contains(t, text, "  data      ~/.local/share/skidway/dev\n")
	require.Contains(t, text, "  fsync     on every batch             topics: created on first use, 1 partition\n")
	require.Contains(t, text, "echo hello | skidway produce -s "+b.Addr().String()+" demo\n")
	require.Contains(t, text, "\nready in 142ms   (Ctrl-C stops cleanly;")
	for _, notYet := range []string{"console", "memory"} {
		require.NotContains(t, text, notYet)
	}
}

// Whatever a peer that is no broker answers, a command ends in time and with exit code 3.
func TestAPeerThatIsNoBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = conn.Close()
		}
	}()
	a := testApp()
	a.server, a.timeout = l.Addr().String(), 2*time.Second
	_, err = a.connect(t.Context(), client.Hooks{})
	require.Equal(t, failure.ExitUnreachable, failure.ExitCode(err), "%v", err)
	require.ErrorContains(t, err, l.Addr().String())
}

// What a broker would refuse is refused before anything is committed.
func TestReadExportBoundsMetadata(t *testing.T) {
	line := func(metadata string) string {
		return `{"topic":"orders","partition":0,"offset":1,"metadata":"` + metadata + `"}` + "\n"
	}
	moves, err := readExport(strings.NewReader(line(strings.Repeat("x", maxMetadata))), "f")
	require.NoError(t, err)
	require.Len(t, moves, 1)
	_, err = readExport(strings.NewReader("\n"+line(strings.Repeat("x", maxMetadata+1))), "f")
	require.ErrorContains(t, err, "f:2: metadata of 513 bytes, at most 512 are taken")
}
