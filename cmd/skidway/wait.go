package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// The time between two looks of --wait: what takes a while is looked at more rarely.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = time.Second
)

// waitFlag adds --wait to a command whose order takes a while; what says until when.
func waitFlag(cmd *cobra.Command, wait *time.Duration, what string) {
	cmd.Flags().DurationVar(wait, "wait", 0, "wait until "+what+", at most this long")
	check(cmd, func() error {
		if *wait < 0 {
			return failure.BadValue("--wait", "%v is negative", *wait)
		}
		return nil
	})
}

// excluding refuses more than one of some flags.
func excluding(cmd *cobra.Command, flags ...string) {
	check(cmd, func() error {
		given := ""
		for _, name := range flags {
			switch {
			case !cmd.Flags().Changed(name):
			case given != "":
				return failure.Usage("%s: --%s and --%s exclude each other", cmd.CommandPath(), given, name)
			default:
				given = name
			}
		}
		return nil
	})
}

// await waits until nothing is left; a person sees how much is. look names the command that tells it later. It is a
// failure, after which the same command may be run again, when the time is over.
func (a *app) await(ctx context.Context, wait time.Duration, look string,
	ask func(ctx context.Context) (left string, err error)) error {
	left, watched := "", isTerminal(a.errOut)
	done, err := a.repeat(ctx, wait, func(ctx context.Context) (done bool, err error) {
		left, err = ask(ctx)
		if watched {
			fmt.Fprintf(a.errOut, "\r\x1b[K%s", left)
		}
		return err == nil && left == "", err
	})
	if watched {
		fmt.Fprint(a.errOut, "\r\x1b[K")
	}
	if err != nil || done {
		return err
	}
	return &failure.Failure{Code: failure.CodeTimedOut, Exit: failure.ExitUnreachable, Retriable: true,
		Message: fmt.Sprintf("timed out after %v: %s", wait, left), Hint: "it goes on;  " + look + "  tells how far it is"}
}

// repeat asks again until what a command waits for is so, its --wait is over, or there is an error that cannot pass. It
// returns what the last answer was.
func (a *app) repeat(ctx context.Context, wait time.Duration,
	ask func(ctx context.Context) (done bool, err error)) (bool, error) {
	pause := firstPause
	for deadline := time.Now().Add(wait); ; pause = min(pause*5/4, mostPause) {
		done, err := ask(ctx)
		left := time.Until(deadline)
		if left <= 0 || done && err == nil || err != nil && !worthAnotherTry(err) {
			return done, err
		}
		select {
		case <-time.After(min(pause, left)):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// worthAnotherTry tells a broker that is not there yet from a question that is wrong.
func worthAnotherTry(err error) bool {
	var f *failure.Failure
	return !errors.As(err, &f) || f.Exit == failure.ExitUnreachable || f.Retriable
}
