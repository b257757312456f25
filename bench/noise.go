package bench

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// What makes small differences unbelievable.
const (
	noisy        = 0.05 // of the machine's CPU, used by others or stolen
	diskUnsteady = 2.0  // the time of an fsync after a run over that before it, or the other way round
	diskDiffers  = 1.5  // the same, of the medians of two sets of runs
	runsDiffer   = 0.15 // half the range of the runs' throughput, of their median
)

// FsyncTimes are how long a small write with an fsync took on the idle disk, the median of many, in us. What the system
// still held back in memory was written to disk first: a broker that does not sync leaves much of it.
type FsyncTimes struct {
	Before int64 `json:"before_us"`
	After  int64 `json:"after_us"` // when what was written had been read, and the broker had little left to do
}

// mean is one figure for both.
func (f *FsyncTimes) mean() float64 { return float64(f.Before+f.After) / 2 }

// How much timeFsyncs does.
const (
	fsyncBytes = 16 << 10
	fsyncCount = 50
	fsyncTime  = 500 * time.Millisecond
)

// timeFsyncs has the system write out what it holds back, appends to a file of its own in dir, syncs after each write,
// and returns the median time in us.
func timeFsyncs(dir string) (us int64, err error) {
	unix.Sync()
	f, err := os.CreateTemp(dir, ".skidway-bench-")
	if err != nil {
		return 0, fmt.Errorf("bench: the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, fsyncBytes)
	var times []float64
	for begun := time.Now(); len(times) < fsyncCount && time.Since(begun) < fsyncTime || len(times) == 0; {
		at := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, fmt.Errorf("bench: the disk: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("bench: the disk: %w", err)
		}
		times = append(times, float64(time.Since(at).Microseconds()))
	}
	return max(int64(Median(times)), 1), nil
}

// disturbances are what made one run hard to believe; none if nothing was seen.
func (r *Result) disturbances() (all []string) {
	if r.OthersCPU > noisy {
		text := fmt.Sprintf("other processes used %.0f%% of the machine's CPU", 100*r.OthersCPU)
		if r.StolenCPU > 0.01 {
			text += fmt.Sprintf(" (%.0f%% stolen by other machines)", 100*r.StolenCPU)
		}
		all = append(all, text)
	}
	if f := r.Fsync; f != nil && far(float64(f.Before), float64(f.After), diskUnsteady) {
		all = append(all, fmt.Sprintf("a small fsync took %s before and %s after", FormatLatency(f.Before),
			FormatLatency(f.After)))
	}
	return all
}

// far tells whether one of two figures is more than that many times the other.
func far(a, b, times float64) bool { return a > b*times || b > a*times }

// noise is what is known of the disturbances of a set of runs of one load.
type noise struct {
	runs           int
	others, fsyncs []float64 // of the runs that know them
	spread         float64   // half the range of the throughput, of its median
}

func noiseOf(c Column, title string) (n noise) {
	for _, r := range c.Results {
		if r.Title() != title {
			continue
		}
		n.runs++
		if r.Broker != nil && r.OthersCPU >= 0 {
			n.others = append(n.others, r.OthersCPU)
		}
		if r.Fsync != nil {
			n.fsyncs = append(n.fsyncs, r.Fsync.mean())
		}
	}
	if v := throughputs(c, title); len(v) > 1 {
		n.spread = (slices.Max(v) - slices.Min(v)) / 2 / Median(v)
	}
	return n
}

func (n *noise) known() bool { return len(n.others)+len(n.fsyncs) > 0 }

// String is what a table says of one column.
func (n *noise) String() string {
	if n.runs == 0 {
		return "-"
	}
	parts := []string{map[bool]string{true: "1 run", false: fmt.Sprintf("%d runs", n.runs)}[n.runs == 1]}
	if len(n.others) > 0 {
		parts = append(parts, fmt.Sprintf("others' CPU %.0f%%", 100*Median(n.others)))
	}
	if len(n.fsyncs) > 0 {
		parts = append(parts, "fsync "+FormatLatency(int64(Median(n.fsyncs))))
	}
	return strings.Join(parts, ", ")
}

// verdictOnNoise tells whether what two sets of runs differ in may come from the machine.
func verdictOnNoise(before, after *noise) string {
	if !before.known() || !after.known() {
		return "-"
	}
	var faults []string
	if others := slices.Concat(before.others, after.others); len(others) > 0 && Median(others) > noisy {
		faults = append(faults, fmt.Sprintf("others used %.0f%% of the CPU", 100*Median(others)))
	}
	if len(before.fsyncs) > 0 && len(after.fsyncs) > 0 {
		if a, b := Median(before.fsyncs), Median(after.fsyncs); far(a, b, diskDiffers) {
			faults = append(faults, fmt.Sprintf("an fsync took %s and %s", FormatLatency(int64(a)), FormatLatency(int64(b))))
		}
	}
	if s := max(before.spread, after.spread); s > runsDiffer {
		faults = append(faults, fmt.Sprintf("runs lie ±%.0f%% apart", 100*s))
	}
	if len(faults) == 0 {
		return "quiet enough"
	}
	return "too noisy to tell small differences: " + strings.Join(faults, "; ")
}

// noiseRow is the row of a comparison that says how far the others can be believed; nil if nothing is known.
func noiseRow(title string, columns []Column) []string {
	all := make([]noise, len(columns))
	known := false
	for i, c := range columns {
		all[i] = noiseOf(c, title)
		known = known || all[i].known()
	}
	if !known {
		return nil
	}
	row := []string{title, "noise"}
	for i := range all {
		row = append(row, all[i].String())
	}
	last := len(all) - 1
	for i := range all[:last] {
		row = append(row, verdictOnNoise(&all[i], &all[last]))
	}
	return row
}
