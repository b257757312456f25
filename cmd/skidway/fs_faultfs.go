//go:build faultfs

package main

import (
	"os"

	"github.com/skidway/skidway/internal/faultfs"
	"github.com/skidway/skidway/kv"
)

// storeFS returns a file system that forgets what was not synced when the process dies, with the faults that
// SKIDWAY_FAULTFS asks for (see faultfs.ParseOptions). Such a build is for tests alone.
func storeFS(dir string) (kv.FS, error) {
	o, err := faultfs.ParseOptions(os.Getenv("SKIDWAY_FAULTFS"))
	if err != nil {
		return nil, err
	}
	return faultfs.New(dir, o)
}
