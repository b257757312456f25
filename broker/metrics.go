package broker

import (
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/skidway/skidway/wire"
)

// metrics are counted on the data path. What can be asked for when it is wanted is collected by collector instead.
// Safe for concurrent use.
type metrics struct {
	registry *prometheus.Registry

	connections atomic.Int64
	refused     atomic.Int64

	kafka *kafkaMetrics

	requests  *prometheus.CounterVec   // by api and result
	durations *prometheus.HistogramVec // by api
	apis      map[wire.API]*apiMetrics // found without allocating
	bytesIn   prometheus.Counter
	bytesOut  prometheus.Counter
	deleted   prometheus.Counter

	commits    *prometheus.CounterVec // of groups' offsets, by result
	commitTook prometheus.Histogram
}

// apiMetrics are those of one request kind whose labels are known beforehand.
type apiMetrics struct {
	name string
	ok   prometheus.Counter
	took prometheus.Observer
}

// resultOK is the value of the label result for an answer without an error; the others are names of error codes.
const resultOK = "ok"

// newMetrics makes a registry of the broker's own: several brokers live in one process in tests.
func newMetrics(b *Broker) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		apis:     make(map[wire.API]*apiMetrics),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skidway_requests_total",
			Help: "Requests answered, by kind and result: ok, or the name of the error that the whole request got.",
		}, []string{"api", "result"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "skidway_request_duration_seconds",
			Help:    "Time from a request's arrival to the end of writing its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 15),
		}, []string{"api"}),
		bytesIn: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skidway_bytes_in_total", Help: "Bytes of requests received.",
		}),
		bytesOut: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skidway_bytes_out_total", Help: "Bytes of answers written.",
		}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "skidway_retention_deleted_records_total", Help: "Records that retention has removed.",
		}),
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skidway_group_commits_total",
			Help: "Offsets of consumer groups committed, by result: ok, or the name of the error.",
		}, []string{"result"}),
		commitTook: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "skidway_group_commit_duration_seconds",
			Help:    "Time from a commit's arrival until it was durable.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 15),
		}),
	}
	m.kafka = newKafkaMetrics(m.bytesIn, m.bytesOut)
	for _, k := range wire.APIs() {
		name := k.API.String()
		m.apis[k.API] = &apiMetrics{
			name: name, ok: m.requests.WithLabelValues(name, resultOK), took: m.durations.WithLabelValues(name),
		}
	}
	for _, c := range []prometheus.Collector{
		m.kafka.requests, m.kafka.durations,
		m.requests, m.durations, m.bytesIn, m.bytesOut, m.deleted, m.commits, m.commitTook, newCollector(b, m),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// answered counts a request.
func (m *metrics) answered(a wire.Answered) {
	m.bytesIn.Add(float64(a.BytesIn))
	m.bytesOut.Add(float64(a.BytesOut))
	api := m.apis[a.API]
	if api == nil {
		m.requests.WithLabelValues("unknown", strings.ToLower(a.Code.Name())).Inc()
		return
	}
	api.took.Observe(a.Took.Seconds())
	if a.Code == 0 {
		api.ok.Inc()
		return
	}
	m.requests.WithLabelValues(api.name, strings.ToLower(a.Code.Name())).Inc()
}

// committed counts the offsets of one request that had the same result.
func (m *metrics) committed(e *wire.Error, n int, begun time.Time) {
	if e != nil {
		m.commits.WithLabelValues(strings.ToLower(e.Code.Name())).Add(float64(n))
		return
	}
	m.commits.WithLabelValues(resultOK).Add(float64(n))
	m.commitTook.Observe(time.Since(begun).Seconds())
}

// retained counts what retention has removed. There are no metrics yet while the first logs open.
func (m *metrics) retained(records int64) {
	if records > 0 {
		m.deleted.Add(float64(records))
	}
}

// buildLabels are the values of build_info.
func buildLabels(v Version) []string { return []string{v.Number, v.Commit, runtime.Version()} }
