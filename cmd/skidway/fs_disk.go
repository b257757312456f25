//go:build !faultfs

package main

import "github.com/skidway/skidway/kv"

// storeFS returns the file system for the store in dir: nil, the disk itself. A build with the tag faultfs puts a file
// system there that loses what was not synced when the process dies.
func storeFS(string) (kv.FS, error) { return nil, nil }
