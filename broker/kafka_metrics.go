package broker

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skidway/skidway/wire/kafka"
)

// kafkaMetrics are those of Kafka's clients. Safe for concurrent use.
type kafkaMetrics struct {
	connections       atomic.Int64
	requests          *prometheus.CounterVec
	durations         *prometheus.HistogramVec
	kinds             map[int16]kafkaKind // found without allocating
	bytesIn, bytesOut prometheus.Counter
}

// kafkaKind are the metrics of one kind of request.
type kafkaKind struct {
	answered prometheus.Counter
	took     prometheus.Observer
}

func newKafkaMetrics(bytesIn, bytesOut prometheus.Counter) *kafkaMetrics {
	m := &kafkaMetrics{
		kinds: make(map[int16]kafkaKind), bytesIn: bytesIn, bytesOut: bytesOut,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skidway_kafka_requests_total", Help: "Requests of Kafka's clients answered, by kind.",
		}, []string{"api"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "skidway_kafka_request_duration_seconds",
			Help:    "Time from the arrival of a Kafka client's request to the end of writing its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2.5, 15),
		}, []string{"api"}),
	}
	for _, key := range kafka.Keys() {
		name := kafka.KeyName(key)
		m.kinds[key] = kafkaKind{m.requests.WithLabelValues(name), m.durations.WithLabelValues(name)}
	}
	return m
}

// answered counts a request.
func (m *kafkaMetrics) answered(a kafka.Answered) {
	m.bytesIn.Add(float64(a.BytesIn))
	m.bytesOut.Add(float64(a.BytesOut))
	kind := m.kinds[a.Key]
	kind.answered.Inc()
	kind.took.Observe(a.Took.Seconds())
}
