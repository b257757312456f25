//go:build !unix

package kv

import "time"

// isLockHeld cannot be told here: Pebble's own error is passed on.
func isLockHeld(error) bool { return false }

func lockHolder(string) int { return 0 }

func boundOpenFiles(want int) int { return want }

func nap(d time.Duration) { time.Sleep(d) }
