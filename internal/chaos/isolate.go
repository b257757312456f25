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

// Isolate has the program go on in a network namespace of its own, as a child of this process: one that it may make as
// it is, or else (no root, or a root who may not, as in many containers) one of a user namespace in which it is root,
// as unshare -Urn does. There it returns nil. In the parent it does not return: the process ends as the child ended.
// Where neither can be had it returns an error that wraps ErrNoNamespaces and says why. Call it first, from main or
// TestMain.
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
	asUser, err := possible()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	child := again(stageRun, asUser)
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
	err = child.Wait()
	if code := child.ProcessState.ExitCode(); err == nil || code > 0 {
		os.Exit(code)
	}
	fmt.Fprintln(os.Stderr, "the isolated process:", err)
	os.Exit(1)
	return nil
}

// possible tries both ways to have a network, and tells whether it takes a user namespace. An error says why neither
// can be had.
func possible() (asUser bool, err error) {
	var why []error
	for _, asUser := range []bool{false, true} {
		out, err := again(stageTry, asUser).CombinedOutput()
		if err == nil {
			return asUser, nil
		}
		how := "as it is"
		if asUser {
			how = "in a user namespace"
		}
		why = append(why, fmt.Errorf("%s: %w: %s", how, err, strings.TrimSpace(string(out))))
	}
	return false, errors.Join(why...)
}

// again prepares this program as a child in a network namespace, and maybe a user namespace, of its own.
func again(stage string, asUser bool) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), stageVariable+"="+stage)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: unix.SIGKILL}
	if asUser {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	return cmd
}
