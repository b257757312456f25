//go:build unix

package kv

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// isLockHeld says whether taking the lock failed because another process has
// it.
func isLockHeld(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) }

// lockHolder is the process that has path locked, or 0. It must not be called
// for a file that this process has locked: closing any descriptor of it gives
// the lock up.
func lockHolder(path string) int {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	spec := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &spec); err != nil || spec.Type == unix.F_UNLCK {
		return 0
	}
	return int(spec.Pid)
}

// boundOpenFiles lowers want to half of what the process may open, so that
// connections find descriptors too.
func boundOpenFiles(want int) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return want
	}
	return int(min(uint64(want), max(uint64(limit.Cur)/2, 64)))
}

// nap sleeps for d, a fraction of a millisecond: Go's own timers wake a process that is idle only at whole ones.
func nap(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // a signal ends it early
}
