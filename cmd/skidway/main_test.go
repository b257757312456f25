package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skidway/skidway/internal/zkserver"
)

// TestMain makes this test binary stand for skidway in the scripts: they run it as a process of its own, with real
// signals, real exit codes and a real broker.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"skidway": main})
}

// patience bounds what a script waits for. It is no measure of speed.
const patience = 60 * time.Second

func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

// TestClusterScripts runs the scripts of commands that administer a cluster: each has brokers and a ZooKeeper of its
// own.
func TestClusterScripts(t *testing.T) {
	skipWithout(t)
	runScripts(t, "testdata/cluster")
}

func runScripts(t *testing.T, dir string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("TZ", "UTC")
			e.Setenv("SKIDWAY_SERVER", "")
			e.Values[clusterKey{}] = &clusterSlot{}
			return os.Mkdir(filepath.Join(e.WorkDir, "home"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": cmdExits, "up": cmdUp, "signal": cmdSignal, "hold": cmdHold, "until": cmdUntil, "generate": cmdGenerate,
			"patch": cmdPatch, "atmost": cmdAtMost, "zookeeper": cmdZooKeeper, "ports": cmdPorts,
			"cluster": cmdCluster, "stopbroker": cmdStopBroker, "startbroker": cmdStartBroker, "whenexits": cmdWhenExits,
			"upcluster": cmdUpCluster, "freeports": cmdFreePorts, "gone": cmdGone,
		},
		Condition: condition,
	})
}

// exits CODE PROGRAM ARG... runs a program and wants that exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, args[1:]); got != want {
		ts.Fatalf("exit code %d, not %d", got, want)
	}
}

// exitCode runs a program and returns how it ends.
func exitCode(ts *testscript.TestScript, command []string) int {
	err := ts.Exec(command[0], command[1:]...)
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return ee.ExitCode()
	}
	ts.Check(err)
	return 0
}

// up FILE waits for the ready file of a broker, and sets SKIDWAY_SERVER, HTTP, KAFKA and PID.
func cmdUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: up READY-FILE")
	}
	var r ready
	await(ts, "the ready file "+args[0], func() bool {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && json.Unmarshal(text, &r) == nil
	})
	ts.Setenv("SKIDWAY_SERVER", r.Listen)
	ts.Setenv("HTTP", r.HTTP)
	ts.Setenv("KAFKA", r.Kafka)
	ts.Setenv("PID", strconv.Itoa(r.PID))
}

// signal NAME PID sends a signal.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL}
	if neg || len(args) != 2 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal TERM|INT|KILL PID")
	}
	pid, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(syscall.Kill(pid, signals[args[0]]))
}

// hold VAR takes a free port, keeps it for the rest of the script, and sets VAR to its address.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold VAR")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// zookeeper VAR starts a ZooKeeper for the rest of the script, and sets VAR to its address. At the script's end it also
// kills the processes that files *.pid in the script's directory name.
func cmdZooKeeper(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: zookeeper VAR")
	}
	dir := ts.MkAbs("zookeeper")
	ts.Check(os.Mkdir(dir, 0o700))
	e, err := zkserver.Start(zkserver.Config{Dir: dir, Servers: 1, Tick: 250 * time.Millisecond})
	ts.Check(err)
	ts.Defer(func() {
		names, _ := filepath.Glob(ts.MkAbs("*.pid")) // the pattern is a good one
		for _, name := range names {
			text, err := os.ReadFile(name)
			ts.Check(err)
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			ts.Check(err)
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		ts.Check(e.Close())
	})
	ts.Setenv(args[0], e.Addresses()[0])
}

// ports VAR... sets each to an address that nobody listens on.
func cmdPorts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: ports VAR...")
	}
	first := freePorts(len(args))
	for i, name := range args {
		ts.Setenv(name, fmt.Sprint("127.0.0.1:", first+i))
	}
}

// until TEXT PROGRAM ARG... runs a program again and again until its standard output holds TEXT.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until TEXT PROGRAM [ARG...]")
	}
	await(ts, fmt.Sprintf("%q from %v", args[0], args[1:]), func() bool {
		err := ts.Exec(args[1], args[2:]...)
		return err == nil && strings.Contains(ts.ReadFile("stdout"), args[0])
	})
}

// whenexits CODE PROGRAM ARG... runs a program again and again until it exits with the code.
func cmdWhenExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: whenexits CODE PROGRAM [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	await(ts, fmt.Sprintf("exit code %d of %v", want, args[1:]), func() bool {
		return exitCode(ts, args[1:]) == want
	})
}

// generate FILE N writes a file of N lines.
func cmdGenerate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: generate FILE LINES")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d %s\n", i, strings.Repeat("x", i%97))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
}

// patch PATTERN flips a bit in the middle of each file that matches, and wants there to be one.
func cmdPatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: patch PATTERN")
	}
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("no file matches %s", args[0])
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		ts.Check(err)
		if len(b) > 0 {
			b[len(b)/2] ^= 0x10
		}
		ts.Check(os.WriteFile(name, b, 0o600))
	}
}

// atmost N FIGURE wants a figure of the broker's page of metrics to be there and no more than N.
func cmdAtMost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: atmost N FIGURE")
	}
	answer, err := http.Get("http://" + ts.Getenv("HTTP") + "/metrics")
	ts.Check(err)
	page, err := io.ReadAll(answer.Body)
	ts.Check(errors.Join(err, answer.Body.Close()))
	_, after, found := strings.Cut(string(page), "\n"+args[1]+" ")
	text, _, _ := strings.Cut(after, "\n")
	got, err := strconv.ParseFloat(text, 64)
	if most, merr := strconv.ParseFloat(args[0], 64); !found || err != nil || merr != nil || got > most {
		ts.Fatalf("%s is %q, not at most %s", args[1], text, args[0])
	}
}

func await(ts *testscript.TestScript, what string, ok func() bool) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	ts.Fatalf("waited %v for %s", patience, what)
}

func openNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
