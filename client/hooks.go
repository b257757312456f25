package client

import (
	"time"

	"github.com/skidway/skidway/wire"
)

// API is the kind of a request.
type API = wire.API

// Hooks are called when something happens, for metrics. A nil field is not called. They are called on the goroutines
// of the client with no lock held, at the same time from several, and must be quick: what they do delays requests.
type Hooks struct {
	// OnConnect follows each attempt to connect; err is nil when it succeeded.
	OnConnect func(address string, took time.Duration, err error)
	// OnDisconnect follows the end of a connection that was open; err is why, nil when it was closed on purpose.
	OnDisconnect func(address string, err error)
	// OnRequest follows each request; err is nil when the broker answered, even if it answered with errors of
	// partitions.
	OnRequest func(api API, took time.Duration, err error)
	// OnProduceBatch follows each batch that the broker acknowledged.
	OnProduceBatch func(topic string, partition int32, records, bytes int)
	// OnFetchBatch follows each batch that a Consumer took apart.
	OnFetchBatch func(topic string, partition int32, records, bytes int)
	// OnRetry precedes a repetition; err is why.
	OnRetry func(api API, err error)
	// OnSkip tells that a Consumer went on at offset to instead of from, as its policy for offsets out of range says.
	OnSkip func(topic string, partition int32, from, to int64)
}

func (h *Hooks) connect(address string, took time.Duration, err error) {
	if h.OnConnect != nil {
		h.OnConnect(address, took, err)
	}
}

func (h *Hooks) disconnect(address string, err error) {
	if h.OnDisconnect != nil {
		h.OnDisconnect(address, err)
	}
}

func (h *Hooks) request(api API, took time.Duration, err error) {
	if h.OnRequest != nil {
		h.OnRequest(api, took, err)
	}
}

func (h *Hooks) produceBatch(topic string, partition int32, records, bytes int) {
	if h.OnProduceBatch != nil {
		h.OnProduceBatch(topic, partition, records, bytes)
	}
}

func (h *Hooks) fetchBatch(topic string, partition int32, records, bytes int) {
	if h.OnFetchBatch != nil {
		h.OnFetchBatch(topic, partition, records, bytes)
	}
}

func (h *Hooks) retry(api API, err error) {
	if h.OnRetry != nil {
		h.OnRetry(api, err)
	}
}

func (h *Hooks) skip(topic string, partition int32, from, to int64) {
	if h.OnSkip != nil {
		h.OnSkip(topic, partition, from, to)
	}
}
