package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// resultFormat is the version of the form that results are kept in.
const resultFormat = 1

// Result is what one run came to.
type Result struct {
	Format  int       `json:"format"`
	Load    Load      `json:"load"`
	Driver  string    `json:"driver"`
	Topic   string    `json:"topic"`
	Target  About     `json:"target"`
	Client  string    `json:"client"` // what was measured through
	Host    Host      `json:"host"`
	Started time.Time `json:"started"`
	Opening float64   `json:"opening_seconds"` // until each partition had its first records; not measured
	Seconds float64   `json:"seconds"`         // measured

	Produce   *Flow    `json:"produce,omitempty"`    // latency: from the intended time of sending to the answer
	SendDelay *Latency `json:"send_delay,omitempty"` // open loop: how far the client was behind its schedule
	Consume   *Flow    `json:"consume,omitempty"`    // latency: end to end, from the intended sending to the receipt
	FetchWait *Latency `json:"fetch_wait,omitempty"` // how long the client waited for records
	CaughtUp  *Flow    `json:"caught_up,omitempty"`  // what the clients of Load.CatchUp read

	Pauses  *Pauses  `json:"pauses,omitempty"`  // between acks
	Fault   *Fault   `json:"fault,omitempty"`   // that the cluster was put through meanwhile
	Figures []Figure `json:"figures,omitempty"` // more, that comparisons show, too

	Verification Verification `json:"verification"`
	Broker       *BrokerView  `json:"broker,omitempty"`
	ClientCPU    float64      `json:"client_cpu_seconds"`
	// OthersCPU is the share of the machine that neither this client nor the broker used, or that was stolen; -1: unknown.
	OthersCPU float64 `json:"others_cpu_share"`
	// StolenCPU is the part of OthersCPU that the hardware gave to other machines.
	StolenCPU float64     `json:"stolen_cpu_share,omitempty"`
	Fsync     *FsyncTimes `json:"fsync,omitempty"` // of the disk by itself

	Timeline []Tick   `json:"timeline"`
	Trends   []Trend  `json:"trends,omitempty"` // of runs of two minutes and more
	Warnings []string `json:"warnings,omitempty"`
	Errors   []string `json:"errors,omitempty"` // the first few kinds
}

// Figure is what else was measured in a run.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"` // "s", "MB/s", "MiB", "% of a core" and the like
	// Worst has comparisons show the highest of the runs, too: what a median hides matters.
	Worst bool `json:"worst,omitempty"`
}

// Flow is a stream of records within the time that was measured.
type Flow struct {
	Records        int64    `json:"records"`
	Bytes          int64    `json:"bytes"` // of values
	PerSecond      float64  `json:"records_per_second"`
	BytesPerSecond float64  `json:"bytes_per_second"`
	Latency        *Latency `json:"latency,omitempty"`
}

// Tick is one second of a run.
type Tick struct {
	At       float64 `json:"at"` // s since the run began, at the end of the tick
	Phase    string  `json:"phase"`
	Produced float64 `json:"produced_per_second"`
	Consumed float64 `json:"consumed_per_second"`
	// CaughtUp is what the clients of Load.CatchUp read, in records a second.
	CaughtUp float64 `json:"caught_up_per_second,omitempty"`
	// Backlog is sent and not answered; when records are read meanwhile: answered and not received.
	Backlog     int64   `json:"backlog"`
	P50         int64   `json:"p50_us"` // of what matters: end to end if it is measured, else of producing
	P99         int64   `json:"p99_us"`
	P999        int64   `json:"p99_9_us"`
	Max         int64   `json:"max_us"`
	CPU         float64 `json:"broker_cpu_share"` // of one core
	RSS         int64   `json:"broker_rss_bytes"`
	Written     float64 `json:"broker_disk_written_per_second"`
	Files       int64   `json:"broker_open_files"`
	Fsyncs      float64 `json:"broker_fsyncs_per_second,omitempty"`
	FsyncP99    float64 `json:"broker_fsync_p99_seconds,omitempty"` // upper bound of its bucket
	Stalls      int64   `json:"broker_write_stalls,omitempty"`      // in this second, as are compactions
	Compactions int64   `json:"broker_compactions,omitempty"`
	// Stored is what the store's files take of the disk; 0: unknown.
	Stored int64 `json:"broker_stored_bytes,omitempty"`
}

// The phases of a run.
const (
	PhaseOpening   = "opening" // the first records of each partition
	PhaseLoading   = "loading"
	PhaseWarmUp    = "warm-up"
	PhaseMeasuring = "measuring"
	PhaseDraining  = "draining"
	PhaseVerifying = "verifying"
)

// Host is the machine that the client ran on.
type Host struct {
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memory_bytes"`
	System string `json:"system"`
}

// thisHost describes this machine.
func thisHost() Host {
	h := Host{CPUs: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		h.Memory = field(string(text), "MemTotal:") << 10
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		h.System = "Linux " + strings.TrimSpace(string(text))
	}
	return h
}

// OK tells whether the run can be believed: every record is accounted for.
func (r *Result) OK() bool { return r.Verification.OK() }

// Title names the run in a table.
func (r *Result) Title() string {
	if r.Load.Name != "" {
		return r.Load.Name
	}
	return r.Load.Mode + ": " + r.Load.String()
}

// Brief is the result without what happened second by second and without the whole histograms: what comparisons and
// their pictures are made of.
func (r *Result) Brief() *Result {
	b := *r
	b.Timeline = nil
	flow := func(f *Flow) *Flow {
		if f == nil {
			return nil
		}
		c := *f
		c.Latency = f.Latency.brief()
		return &c
	}
	b.Produce, b.Consume = flow(r.Produce), flow(r.Consume)
	b.SendDelay, b.FetchWait = r.SendDelay.brief(), r.FetchWait.brief()
	return &b
}

// WriteResults writes results as one line of JSON each.
func WriteResults(w io.Writer, results ...*Result) error {
	for _, r := range results {
		if err := json.NewEncoder(w).Encode(r); err != nil {
			return fmt.Errorf("bench: write a result: %w", err)
		}
	}
	return nil
}

// ReadResults reads what WriteResults wrote, once or several times.
func ReadResults(in io.Reader) ([]*Result, error) {
	var all []*Result
	for d := json.NewDecoder(in); ; {
		r := new(Result)
		err := d.Decode(r)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("bench: result %d: %w", len(all)+1, err)
		}
		if r.Format != resultFormat {
			return nil, fmt.Errorf("bench: result %d has format %d; this version reads %d", len(all)+1, r.Format, resultFormat)
		}
		all = append(all, r)
	}
}
