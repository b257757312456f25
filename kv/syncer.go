package kv

import (
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// walBlockBytes is the block in which Pebble hands the write-ahead log to the
// operating system: a block that is not full stays in the process.
const walBlockBytes = 32 << 10

// syncer is the goroutine of the policies FsyncInterval and FsyncOS: at each
// interval, if anything was applied, it syncs the write-ahead log, or hands it
// to the operating system.
func (s *Store) syncer() {
	defer s.tasks.Done()
	tick := time.NewTicker(s.opts.FsyncInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-tick.C:
		}
		if !s.committer.unsynced.Swap(false) {
			continue
		}
		if err := s.pushLog(); err != nil {
			s.die(err)
			return
		}
	}
}

// pushLog makes what was applied durable (FsyncInterval), or pushes it out of
// the process by a record that fills the open block (FsyncOS).
func (s *Store) pushLog() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = recoverPebble(r)
		}
	}()
	if s.opts.Fsync == FsyncOS {
		err = s.db.LogData(make([]byte, walBlockBytes), pebble.NoSync)
	} else {
		err = s.db.LogData([]byte{0}, pebble.Sync)
	}
	if err != nil {
		return fmt.Errorf("kv: syncing the write-ahead log: %w", err)
	}
	return nil
}

func isRuntimeError(err error) bool {
	_, ok := err.(runtime.Error)
	return ok
}
