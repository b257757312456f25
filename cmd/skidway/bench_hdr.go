package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/skidway/skidway/bench"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// hdrFiles are the files of one run that HdrHistogram's own tools read.
type hdrFiles struct {
	prefix string
	log    *os.File
	series *bench.IntervalLog
}

// openHDR opens the log of a run, if a prefix is given. Runs after the first have their number in the names.
func openHDR(prefix string, run int) (*hdrFiles, error) {
	if prefix == "" {
		return nil, nil
	}
	if run > 1 {
		prefix += fmt.Sprintf("-%d", run)
	}
	f, err := os.Create(prefix + ".hlog")
	if err != nil {
		return nil, usage(failure.CodeInput, err, "--hdr: %v", err)
	}
	return &hdrFiles{prefix: prefix, log: f, series: bench.NewIntervalLog(f, time.Now())}, nil
}

// intervals is what the run reports to; nil when there is no file.
func (h *hdrFiles) intervals() func(bench.Interval) {
	if h == nil {
		return nil
	}
	return h.series.Add
}

// close ends the log, and writes the distributions of a run that came to a result.
func (h *hdrFiles) close(r *bench.Result) error {
	if h == nil {
		return nil
	}
	err := errors.Join(h.series.Err(), h.log.Close())
	if r == nil {
		return err
	}
	for series, l := range r.Latencies() {
		err = errors.Join(err, writeFile(h.prefix+"."+series+".hgrm", l.WritePercentiles))
	}
	return err
}
