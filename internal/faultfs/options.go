package faultfs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Options are the faults that an FS injects. The zero value is an honest disk that loses what was not synced.
type Options struct {
	// Seed makes the random choices repeatable.
	Seed uint64
	// Writeback is the probability, 0 to 1, that a page is written down right after it was written, unasked for.
	Writeback float64
	// LieAfter makes the disk lie: from the n-th sync of a file on, a sync returns success and writes nothing.
	// 0: never.
	LieAfter int64
	// FailWriteAfter and FailSyncAfter: the n-th write or file sync and all later ones fail with EIO. 0: never.
	FailWriteAfter, FailSyncAfter int64
	// Capacity is the disk's size in bytes; a write that would take the files beyond it fails with ENOSPC.
	// 0: as large as the disk below.
	Capacity int64
	// StallEvery and Stall: each n-th file sync takes Stall longer. 0: never.
	StallEvery int64
	Stall      time.Duration
}

// ParseOptions reads options as a test passes them in the environment: "seed=7,writeback=0.2,fail-sync-after=100".
// An empty text is the zero Options. Every fault of the text is reported at once.
func ParseOptions(text string) (Options, error) {
	var o Options
	if text == "" {
		return o, nil
	}
	var faults []error
	for _, field := range strings.Split(text, ",") {
		name, value, _ := strings.Cut(field, "=")
		if err := o.set(name, value); err != nil {
			faults = append(faults, fmt.Errorf("faultfs: option %q: %w", field, err))
		}
	}
	return o, errors.Join(faults...)
}

func (o *Options) set(name, value string) (err error) {
	switch name {
	case "seed":
		o.Seed, err = strconv.ParseUint(value, 10, 64)
	case "writeback":
		o.Writeback, err = strconv.ParseFloat(value, 64)
	case "lie-after":
		o.LieAfter, err = strconv.ParseInt(value, 10, 64)
	case "fail-write-after":
		o.FailWriteAfter, err = strconv.ParseInt(value, 10, 64)
	case "fail-sync-after":
		o.FailSyncAfter, err = strconv.ParseInt(value, 10, 64)
	case "capacity":
		o.Capacity, err = strconv.ParseInt(value, 10, 64)
	case "stall-every":
		o.StallEvery, err = strconv.ParseInt(value, 10, 64)
	case "stall":
		o.Stall, err = time.ParseDuration(value)
	default:
		err = errors.New("no such option")
	}
	return err
}
