package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Probe says where the brokers' own view can be had; of several the sums are taken. The zero value: nowhere.
type Probe struct {
	PIDs    []int    // processes of brokers on this machine, and of what they need, such as ZooKeeper; none: unknown
	Metrics []string // URLs of /metrics; none: unknown
	// Disk is a directory on the brokers' disk; empty: none that can be looked at. What that disk writes is counted, and
	// small fsyncs are timed there before and after a run, so that each also tells of the disk, and begins with nothing
	// left to be written.
	Disk string
}

func (p Probe) none() bool { return len(p.PIDs)+len(p.Metrics) == 0 }

// clockTicks is what /proc counts CPU time in a second; it is 100 on every Linux that Go runs on.
const clockTicks = 100

// reading is the broker's counters at one moment. What could not be read is 0.
type reading struct {
	cpu                float64 // s
	rss, peak          int64
	written, readBytes int64 // to and from the disk, by the processes' accounts
	device             int64 // written by the disk
	files              int64
	metrics            map[string]float64 // sums over labels, by name
	fsyncs             map[float64]float64
}

// read takes a reading. The error tells what could not be read; the rest is valid.
func (p Probe) read(ctx context.Context) (reading, error) {
	var r reading
	var errs []error
	for _, pid := range p.PIDs {
		errs = append(errs, r.process(pid))
	}
	for _, url := range p.Metrics {
		errs = append(errs, r.scrape(ctx, url))
	}
	if p.Disk != "" {
		var err error
		r.device, err = deviceWritten(p.Disk)
		errs = append(errs, err)
	}
	return r, errors.Join(errs...)
}

// process adds what /proc says.
func (r *reading) process(pid int) error {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return fmt.Errorf("bench: the broker's process: %w", err)
	}
	r.cpu += processSeconds(string(stat))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return fmt.Errorf("bench: the broker's memory: %w", err)
	}
	r.rss += field(string(status), "VmRSS:") << 10
	r.peak += field(string(status), "VmHWM:") << 10
	if files, err := os.ReadDir(filepath.Join(dir, "fd")); err == nil {
		r.files += int64(len(files))
	}
	io, err := os.ReadFile(filepath.Join(dir, "io"))
	if err != nil {
		return fmt.Errorf("bench: the broker's disk: %w", err)
	}
	r.written += field(string(io), "write_bytes:")
	r.readBytes += field(string(io), "read_bytes:")
	return nil
}

// processSeconds is the CPU time in a line of /proc/PID/stat. The name in it, in parentheses, may hold anything.
func processSeconds(stat string) float64 {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12
	if len(f) <= system {
		return 0
	}
	u, _ := strconv.ParseFloat(f[user], 64) // 0 when it is no number
	s, _ := strconv.ParseFloat(f[system], 64)
	return (u + s) / clockTicks
}

// field is the number behind a name in a file of /proc; 0 if there is none.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				n, _ := strconv.ParseInt(f[0], 10, 64) // 0 when it is no number
				return n
			}
		}
	}
	return 0
}

// scrape adds what a page of metrics says.
func (r *reading) scrape(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("bench: the broker's metrics: %w", err)
	}
	q.Close = true // nothing is to stay open when the run is over
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return fmt.Errorf("bench: the broker's metrics: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // it was only read
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("bench: the broker's metrics: %s answers %s", url, answer.Status)
	}
	return r.parse(answer.Body)
}

// parse reads the text format of Prometheus, as far as it is needed: sums over labels, and one histogram.
func (r *reading) parse(body io.Reader) error {
	if r.metrics == nil {
		r.metrics, r.fsyncs = map[string]float64{}, map[float64]float64{}
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		cut := strings.LastIndexByte(line, ' ')
		if cut < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			continue
		}
		name, labels, _ := strings.Cut(line[:cut], "{")
		if name == fsyncMetric+"_bucket" {
			bound := strings.TrimSuffix(strings.TrimPrefix(labels, `le="`), `"}`)
			if le, err := strconv.ParseFloat(bound, 64); err == nil {
				r.fsyncs[le] += value
			}
		}
		r.metrics[name] += value
	}
	return lines.Err()
}

const fsyncMetric = "skidway_fsync_duration_seconds"

// BrokerView is what the broker used and did between two moments.
type BrokerView struct {
	CPUSeconds  float64 `json:"cpu_seconds"`
	RSS         int64   `json:"rss_bytes"`      // at the end
	PeakRSS     int64   `json:"peak_rss_bytes"` // since the process started
	Files       int64   `json:"open_files"`
	DiskWritten int64   `json:"disk_written_bytes"`   // by the account of its process, whole folios
	Device      int64   `json:"device_written_bytes"` // by its disk, for whomever; 0: unknown
	DiskRead    int64   `json:"disk_read_bytes"`
	Fsyncs      int64   `json:"fsyncs"`
	FsyncP99    float64 `json:"fsync_p99_seconds"` // upper bound of its bucket
	Stalls      int64   `json:"write_stalls"`
	Compactions int64   `json:"compactions"`
	Compacted   int64   `json:"compacted_bytes"`
	Commits     int64   `json:"commits"`
	Items       int64   `json:"commit_items"`
}

// written is what was written to the disk, as well as it is known.
func (v *BrokerView) written() int64 {
	if v.Device > 0 {
		return v.Device
	}
	return v.DiskWritten
}

// since is what happened after an earlier reading.
func (r *reading) since(earlier *reading) *BrokerView {
	grown := func(name string) int64 { return int64(r.metrics[name] - earlier.metrics[name]) }
	v := &BrokerView{
		CPUSeconds: r.cpu - earlier.cpu, RSS: r.rss, PeakRSS: r.peak, Files: r.files,
		DiskWritten: r.written - earlier.written, Device: r.device - earlier.device,
		DiskRead: r.readBytes - earlier.readBytes, Fsyncs: grown(fsyncMetric + "_count"),
		Stalls:      grown("skidway_storage_write_stalls_total"),
		Compactions: grown("skidway_storage_compactions_total"), Compacted: grown("skidway_storage_compacted_bytes_total"),
		Commits: grown("skidway_storage_commits_total"), Items: grown("skidway_storage_commit_items_total"),
	}
	v.FsyncP99 = math.Inf(1)
	for le, n := range r.fsyncs {
		if v.Fsyncs > 0 && n-earlier.fsyncs[le] >= 0.99*float64(v.Fsyncs) {
			v.FsyncP99 = min(v.FsyncP99, le)
		}
	}
	if math.IsInf(v.FsyncP99, 1) {
		v.FsyncP99 = 0
	}
	return v
}

// hostTimes is the machine's CPU time in s, of all processes.
type hostTimes struct{ busy, idle, stolen float64 }

// readHost reads /proc/stat; all is 0 where there is none.
func readHost() (t hostTimes) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(line)[1:] {
		n, _ := strconv.ParseFloat(f, 64) // 0 when it is no number
		switch i {
		case 3, 4: // idle, waiting for a disk
			t.idle += n / clockTicks
		case 7:
			t.stolen += n / clockTicks
		case 8, 9: // guests, counted as user time already
		default:
			t.busy += n / clockTicks
		}
	}
	return t
}

// ownSeconds is this process's CPU time.
func ownSeconds() float64 {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	return processSeconds(string(stat))
}
