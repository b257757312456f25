//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageVariable tells a process that Isolate started what it is for.
const stageVariable = "SKIDWAY_CHAOS_STAGE"

const (
	stageTry = "try" // to find out whether a network can be had, and to end
	stageRun = "run" // to run
)

// Isolate has the program go on in a network namespace of its own, as a child of this process: as root, or else as a
// user who is root in a user namespace of its own. There it returns nil. In the parent it does not return: the process
// ends as the child ended. Where namespaces cannot be had it returns an error that wraps ErrNoNamespaces and says why.
// Call it first, from main or TestMain.
func Isolate() error {
	switch os.Getenv(stageVariable) {
	case stageTry:
		if err := errors.Join(becomeRouter(), tryNetwork(context.Background())); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case stageRun:
		return becomeRouter()
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("%w: %w (Debian: apt-get install iproute2)", ErrNoNamespaces, err)
	}
	runtime.LockOSThread() // the child ends with the thread that started it
	defer runtime.UnlockOSThread()
	if out, err := again(stageTry).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %w: %s", ErrNoNamespaces, err, strings.TrimSpace(string(out)))
	}
	child := again(stageRun)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		return fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	go func() {
		for s := range signals {
			_ = child.Process.Signal(s)
		}
	}()
	err := child.Wait()
	if code := child.ProcessState.ExitCode(); err == nil || code > 0 {
		os.Exit(code)
	}
	fmt.Fprintln(os.Stderr, "the isolated process:", err)
	os.Exit(1)
	return nil
}

// again prepares this program as a child in namespaces of its own.
func again(stage string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageVariable+"="+stage)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}
