package bench

import (
	"fmt"
	"sync"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// What a histogram holds: 1 us to 60 s with three digits. What is longer counts as 60 s.
const (
	shortest = 1
	longest  = 60_000_000
	digits   = 3
)

func newHistogram() *hdr.Histogram { return hdr.New(shortest, longest, digits) }

// recorder is the histogram of one worker. Safe for concurrent use: one records, one collects.
type recorder struct {
	mu    sync.Mutex // guards current
	spare *hdr.Histogram

	current *hdr.Histogram
}

func newRecorder() *recorder { return &recorder{current: newHistogram(), spare: newHistogram()} }

// record counts a time in ns.
func (r *recorder) record(ns int64) {
	us := min(max(ns/1000, shortest), longest)
	r.mu.Lock()
	_ = r.current.RecordValue(us) // it is within bounds
	r.mu.Unlock()
}

// collect moves what was recorded into another histogram.
func (r *recorder) collect(into *hdr.Histogram) {
	r.mu.Lock()
	full := r.current
	r.current = r.spare
	r.mu.Unlock()
	into.Merge(full)
	full.Reset()
	r.spare = full
}

// Latency is a distribution of times in microseconds.
type Latency struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean_us"`
	P50   int64   `json:"p50_us"`
	P90   int64   `json:"p90_us"`
	P95   int64   `json:"p95_us"`
	P99   int64   `json:"p99_us"`
	P999  int64   `json:"p99_9_us"`
	P9999 int64   `json:"p99_99_us"`
	Max   int64   `json:"max_us"`
	HDR   string  `json:"hdr,omitempty"` // the histogram in HDR's compressed form, in us
}

// percentiles summarizes a histogram without writing it out.
func percentiles(h *hdr.Histogram) Latency {
	return Latency{
		Count: h.TotalCount(), Mean: h.Mean(), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90),
		P95: h.ValueAtQuantile(95),
		P99: h.ValueAtQuantile(99), P999: h.ValueAtQuantile(99.9), P9999: h.ValueAtQuantile(99.99), Max: h.Max(),
	}
}

// newLatency summarizes a histogram and keeps it.
func newLatency(h *hdr.Histogram) (Latency, error) {
	l := percentiles(h)
	text, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return l, fmt.Errorf("bench: encode a histogram: %w", err)
	}
	l.HDR = string(text)
	return l, nil
}

// brief is the summary alone.
func (l *Latency) brief() *Latency {
	if l == nil {
		return nil
	}
	b := *l
	b.HDR = ""
	return &b
}

// Histogram returns the whole distribution.
func (l *Latency) Histogram() (*hdr.Histogram, error) {
	h, err := hdr.Decode([]byte(l.HDR))
	if err != nil {
		return nil, fmt.Errorf("bench: decode a histogram: %w", err)
	}
	return h, nil
}
