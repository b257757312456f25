package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// attend looks, as often as free space is looked at, whether the data directory is still the one that was opened. It
// ends with ctx.
func (s *Store) attend(ctx context.Context) {
	tick := time.NewTicker(s.opts.testing.pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.present(); err != nil {
			s.die(err)
		}
	}
}

// present is an error when the directory was emptied or removed, or its disk unmounted, under the running store.
// Open files outlive that: writes and fsyncs of a log that has no name any more succeed, and nothing of it is there at
// the next start (C13).
func (s *Store) present() error {
	_, err := s.fs.Stat(s.fs.PathJoin(s.opts.Dir, markerName))
	if !errors.Is(err, fs.ErrNotExist) {
		return nil // what else fails here fails where it matters, too
	}
	return fmt.Errorf("kv: data directory %s: the file %s is gone: the files were removed, or their disk unmounted, "+
		"while it was open; bring them back, or start with an empty directory", s.opts.Dir, markerName)
}
