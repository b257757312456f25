package kv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Events are called on the store's and Pebble's goroutines, some of them with
// Pebble's locks held: they must not block (Fatal apart) and must not call
// the store. Each may be nil.
type Events struct {
	// Fatal is called once, when a write or an fsync has failed: what the disk
	// holds is unknown, so nothing goes on. It must not return; a test may
	// block in it or end the goroutine. By default it logs and exits with 1.
	Fatal func(error)
	// Corruption is called when damaged data is found; the store goes on, and
	// the read that met it gets an error of the class ErrCorrupt.
	Corruption func(error)
	// DiskFull is called when free space falls below the reserve, and when it
	// is back.
	DiskFull func(full bool)
	// WriteStall is called when writes begin to wait for flushes or
	// compactions, with the reason, and when they go on.
	WriteStall func(begin bool, reason string)
	// DiskSlow is called while a write or sync of a file takes longer than
	// Options.DiskSlowAfter.
	DiskSlow func(path string, elapsed time.Duration)
}

// observer stands between Pebble and the store: it counts, logs and passes
// on what Pebble reports. Nothing of Pebble reaches standard error past it.
type observer struct {
	log    *slog.Logger
	events Events
	// die stops the store; it does not return.
	die func(error)

	corruptions      atomic.Int64
	backgroundErrors atomic.Int64
	stalls           atomic.Int64
	slow             atomic.Int64
	// pacer is told of memtables that are full, and of flushes.
	pacer flushPacer
	// upgraded says that Pebble has raised the format of the files.
	upgraded atomic.Bool
}

// listener is the observer as Pebble's event listener. DataCorruption is set
// here above all because Pebble's own would end the process.
func (o *observer) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			o.backgroundErrors.Add(1)
			o.log.Error("a flush or compaction failed and is tried again", "error", err)
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			// The read that met it reports it once more, with its key; a
			// compaction does not.
			o.log.Error("stored data is damaged", "file", i.Path, "error", i.Details)
			o.corrupt(fmt.Errorf("%s: %w: %w", i.Path, ErrCorrupt, i.Details))
		},
		FormatUpgrade: func(v pebble.FormatMajorVersion) {
			o.upgraded.Store(true)
			o.log.Debug("the store's file format was raised", "format", uint64(v))
		},
		WALCreated: func(pebble.WALCreateInfo) { o.pacer.rotate(time.Now()) },
		FlushBegin: func(i pebble.FlushInfo) { o.pacer.begin(time.Now(), int64(i.InputBytes)) },
		FlushEnd:   func(i pebble.FlushInfo) { o.pacer.end(i.Input) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			o.stalls.Add(1)
			if o.events.WriteStall != nil {
				o.events.WriteStall(true, i.Reason)
			}
		},
		WriteStallEnd: func() {
			if o.events.WriteStall != nil {
				o.events.WriteStall(false, "")
			}
		},
	}
}

func (o *observer) corrupt(err error) {
	o.corruptions.Add(1)
	if o.events.Corruption != nil {
		o.events.Corruption(err)
		return
	}
	o.log.Error("stored data is damaged", "error", err)
}

func (o *observer) diskSlow(i vfs.DiskSlowInfo) {
	o.slow.Add(1)
	if o.events.DiskSlow != nil {
		o.events.DiskSlow(i.Path, i.Duration)
	}
}

// Infof is Pebble's account of its flushes and compactions.
func (o *observer) Infof(format string, args ...any) {
	if o.log.Enabled(context.Background(), slog.LevelDebug) {
		o.log.Debug(fmt.Sprintf(format, args...))
	}
}

// Errorf is Pebble's account of what went wrong and was survived.
func (o *observer) Errorf(format string, args ...any) { o.log.Error(fmt.Sprintf(format, args...)) }

// Fatalf is called by Pebble when it cannot go on. One case it can: a file
// that a read needs is gone. Pebble answers that read with the error, so it is
// damage of what the file held and not the end of all partitions.
func (o *observer) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: "+format, args...)
	if len(args) == 1 {
		if cause, ok := args[0].(error); ok {
			if format == "%+v" && errors.Is(cause, fs.ErrNotExist) {
				o.corrupt(fmt.Errorf("a file is missing: %w: %w", ErrCorrupt, cause))
				return
			}
			err = fmt.Errorf("pebble: %w", cause)
		}
	}
	o.die(err)
}
