package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/skidway/skidway/internal/zkserver"
)

// limit ends a case whose program does not end by itself; the programs give up waiting before.
const limit = 3 * time.Minute

// exitNotApplicable is how a program says that its client has no such feature.
const exitNotApplicable = 77

// outcome is what became of a case.
type outcome struct {
	State string `json:"state"`
	// Why is the program's last line, or what was found wrong afterwards.
	Why string `json:"why,omitempty"`
}

// States of an outcome.
const (
	passed        = "passed"
	failed        = "failed"
	notApplicable = "n/a"
)

// runCase carries out a case on a topic of its own.
func runCase(t *target, c *client, w workshop, k testCase) outcome {
	topic := c.name + "-" + k.name
	err := t.createTopic(topic, k.partitions, k.settings)
	if err == nil && k.before != nil {
		err = k.before(t, topic)
	}
	if err != nil {
		return outcome{failed, "preparing: " + oneLine(err.Error())}
	}
	said, err := runProgram(append(c.command(w), t.address, k.name, topic))
	said = strings.ReplaceAll(said, w.root+"/", "") // what it says goes onto a page
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == exitNotApplicable:
		return outcome{notApplicable, lastLine(said)}
	case err != nil:
		why := lastLine(said)
		if exit == nil || exit.ExitCode() != 1 {
			why = strings.TrimSpace(err.Error() + ": " + why)
		}
		return outcome{failed, oneLine(why)}
	}
	if k.after != nil {
		if err := k.after(t, topic); err != nil {
			return outcome{failed, "looked at afterwards: " + oneLine(err.Error())}
		}
	}
	return outcome{State: passed}
}

// runProgram runs a client's program to its end, and ends all that it started with it.
func runProgram(command []string) (said string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	zkserver.EndWithParent(cmd) // and a process group of its own
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if ctx.Err() != nil {
		err = fmt.Errorf("no end after %v", limit)
	}
	return out.String(), err
}

// versionOf asks a client for its version.
func versionOf(c *client, w workshop) (string, error) {
	said, err := runProgram(append(c.command(w), "-", "version", "-"))
	if err != nil {
		return "", fmt.Errorf("%s does not tell its version: %w: %s", c.name, err, oneLine(said))
	}
	return lastLine(said), nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// mostWhy bounds a reason on the page, in bytes.
const mostWhy = 300

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > mostWhy {
		s = strings.ToValidUTF8(s[:mostWhy], "") + " ..."
	}
	return s
}
