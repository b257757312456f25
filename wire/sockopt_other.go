//go:build !linux

package wire

import (
	"net"
	"time"
)

// setUserTimeout does nothing where the system has no such option: keepalive and
// the write deadline find the dead peer later.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }

// openFiles is a limit that every system allows.
func openFiles() uint64 { return 1024 }
