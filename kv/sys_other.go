//go:build !unix

package kv

// isLockHeld cannot be told here: Pebble's own error is passed on.
func isLockHeld(error) bool { return false }

func lockHolder(string) int { return 0 }

func boundOpenFiles(want int) int { return want }
