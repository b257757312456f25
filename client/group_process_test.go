package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
)

// memberEnv has the test binary be a member of group "g" over topic "demo", at that address; instanceEnv makes it a
// static one.
const (
	memberEnv   = "SKIDWAY_TEST_MEMBER"
	instanceEnv = "SKIDWAY_TEST_INSTANCE"
)

// runMember consumes, commits after each record, and says on stdout what it has processed and what became of it.
func runMember(address string) error {
	ctx := context.Background()
	c, err := client.Connect(ctx, []string{address}, client.Options{})
	if err != nil {
		return err
	}
	say := func(what string) func(context.Context, *client.GroupConsumer, []client.TopicPartition) {
		return func(_ context.Context, _ *client.GroupConsumer, parts []client.TopicPartition) {
			fmt.Println(what, len(parts))
		}
	}
	g, err := client.JoinGroup(ctx, c, "g", []string{"demo"}, client.GroupOptions{Commit: client.CommitManual,
		InstanceID: os.Getenv(instanceEnv), OnAssigned: say("assigned"), OnRevoked: say("revoked"),
		OnLost: func(_ context.Context, _ *client.GroupConsumer, parts []client.TopicPartition, why error) {
			fmt.Println("lost", len(parts))
		}})
	if err != nil {
		return err
	}
	for r, err := range g.Records(ctx) {
		if err != nil {
			fmt.Println("ended", err)
			return nil
		}
		fmt.Println("record", r.Partition, r.Offset)
		g.Mark(r)
		var e *client.Error
		if err := g.Commit(ctx); errors.As(err, &e) {
			fmt.Println("refused", e.Code.Name(), e.Outcome)
		}
	}
	return nil
}

// process is a member in a process of its own, so that it can be stopped and killed.
type process struct {
	t   testing.TB
	cmd *exec.Cmd

	mu     sync.Mutex
	lines  []string
	change chan struct{} // closed, and made anew, with each line
	ended  chan struct{}
}

func startProcess(t testing.TB, address, instance string, record func(partition int32, offset int64)) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0]), change: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), memberEnv+"="+address, instanceEnv+"="+instance)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var partition int32
			var offset int64
			if _, err := fmt.Sscanf(lines.Text(), "record %d %d", &partition, &offset); err == nil {
				record(partition, offset)
			}
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			close(p.change)
			p.change = make(chan struct{})
			p.mu.Unlock()
		}
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(s))
}

// kill ends the process with no time for a last word.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
	_ = p.cmd.Wait()
}

// await waits for a line that starts like that, after the first n lines, and returns the number of lines to it.
func (p *process) await(n int, prefix string) int {
	p.t.Helper()
	ctx := testContext(p.t)
	for {
		p.mu.Lock()
		for ; n < len(p.lines); n++ {
			if strings.HasPrefix(p.lines[n], prefix) {
				p.mu.Unlock()
				return n + 1
			}
		}
		change := p.change
		p.mu.Unlock()
		select {
		case <-change:
		case <-ctx.Done():
			require.Failf(p.t, "waited too long", "for a line %q; the last are %q", prefix, p.lines[max(0, len(p.lines)-20):])
		}
	}
}

// after returns the lines from the n-th on.
func (p *process) after(n int) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines[n:]...)
}

// H12: a member is stopped for longer than its session, and another one has its partitions. When it comes back its
// commit is refused, definitely; it hears that it has lost them, and joins again. What the other has committed stays.
func TestH12StoppedMemberIsFenced(t *testing.T) {
	s := startServer(t, shortSessions)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 2)
	stopLoad := load(t, c)
	paused := startProcess(t, s.address(), "", func(int32, int64) {})
	at := paused.await(0, "record 1")
	paused.signal(syscall.SIGSTOP)
	group := newSeenFrom(t)
	other := startWorker(t, c, "other", client.GroupOptions{CommitInterval: 10 * time.Millisecond},
		func(r client.Record) { group.note(r.Partition, r.Offset) })
	other.await(2)
	sent := stopLoad()
	ctx := testContext(t)
	require.Eventually(t, func() bool {
		offsets, err := other.g.Committed(ctx, "demo")
		require.NoError(t, err)
		return sum(offsets) == int64(sent)
	}, patience, 5*time.Millisecond)
	paused.signal(syscall.SIGCONT)
	lost := paused.await(at, "lost") // both, or the second: it may find that it was asked to let go of the other one
	paused.await(lost, "assigned 1")
	for _, line := range paused.after(at)[:lost-at] {
		if strings.HasPrefix(line, "refused") {
			require.Regexp(t, "refused (UNKNOWN_MEMBER|MEMBER_FENCED|STALE_MEMBER_EPOCH) failed", line, "it is definite")
		}
	}
	other.await(1)
	got, err := other.g.Committed(ctx, "demo", 0, 1)
	require.NoError(t, err)
	require.EqualValues(t, sent, sum(got), "nothing went back")
}

// H20: while a static member is stopped, its session ends and another one of its instance id, which has waited, takes
// its place. The first one is refused for good when it comes back.
func TestH20StoppedStaticMemberIsReplaced(t *testing.T) {
	s := startServer(t, shortSessions)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 2)
	sendTo(t, c, "demo", 2)
	first := startProcess(t, s.address(), "i1", func(int32, int64) {})
	at := first.await(first.await(0, "record"), "record")
	first.signal(syscall.SIGSTOP)
	second := startWorker(t, c, "second", client.GroupOptions{InstanceID: "i1"}, ignore)
	second.await(2)
	first.signal(syscall.SIGCONT)
	line := first.after(first.await(at, "ended") - 1)[0]
	require.Contains(t, line, "E126")
	require.Equal(t, []string{"assigned 2"}, second.happenedNow())
}

// Consumers are killed under load, and others started: the group processes every record.
func TestGroupMembersKilled(t *testing.T) {
	s := startServer(t, shortSessions)
	c := connect(t, s.address(), client.Options{})
	create(t, c, "demo", 4)
	stopLoad := load(t, c)
	group := newSeenFrom(t)
	alive := []*process{startProcess(t, s.address(), "", group.note), startProcess(t, s.address(), "", group.note)}
	for range 3 {
		alive[0].await(0, "record")
		next := startProcess(t, s.address(), "", group.note)
		alive[0].kill()
		alive = append(alive[1:], next)
		next.await(0, "record")
	}
	group.await(stopLoad())
}

// seenFrom is a set of records, of any number of processes. Safe for concurrent use.
type seenFrom struct {
	t      testing.TB
	mu     sync.Mutex
	have   map[place]bool
	change chan struct{}
}

func newSeenFrom(t testing.TB) *seenFrom {
	return &seenFrom{t: t, have: map[place]bool{}, change: make(chan struct{}, 1)}
}

func (s *seenFrom) note(partition int32, offset int64) {
	s.mu.Lock()
	s.have[place{partition, offset}] = true
	s.mu.Unlock()
	select {
	case s.change <- struct{}{}:
	default:
	}
}

// await waits until all of n records are there.
func (s *seenFrom) await(n int) {
	s.t.Helper()
	ctx := testContext(s.t)
	for {
		s.mu.Lock()
		have := len(s.have)
		s.mu.Unlock()
		if have >= n {
			require.Equal(s.t, n, have)
			return
		}
		select {
		case <-s.change:
		case <-ctx.Done():
			require.Failf(s.t, "waited too long", "%d of %d records were processed", have, n)
		}
	}
}
