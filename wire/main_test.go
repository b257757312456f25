package wire

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryLog is a small broker: it keeps batches in memory, one offset a batch.
// Topic 666 panics; topic 13 does not exist; produce with acks=-1 and a timeout
// waits for release.
type memoryLog struct {
	mu      sync.Mutex
	batches map[[2]uint64][][]byte
	// release, when not nil, is what produce requests with TimeoutMs > 0 wait for.
	release chan struct{}
	// released counts answers that were released.
	released int
	// thin are the records of thin requests, by topic.
	thin map[string][]FetchedRecord
}

func newMemoryLog() *memoryLog {
	return &memoryLog{batches: map[[2]uint64][][]byte{}, release: make(chan struct{}),
		thin: map[string][]FetchedRecord{}}
}

func (m *memoryLog) Handle(_ context.Context, _ *Peer, req Request) Pending {
	switch r := req.(type) {
	case *ProduceRequest:
		resp := m.produce(r)
		if r.TimeoutMs > 0 {
			return &waiting{resp, m.release}
		}
		return Ready(resp, nil)
	case *FetchRequest:
		return Ready(&releasedFetch{m.fetch(r), m}, nil)
	case *MetadataRequest:
		resp := &MetadataResponse{ClusterID: "c"}
		for _, n := range r.Topics {
			resp.Topics = append(resp.Topics, TopicMetadata{Name: n, Error: Errorf(CodeUnknownTopic, "no topic %q", n)})
		}
		return Ready(resp, nil)
	case *CreateTopicsRequest:
		return Ready(m.create(r), nil)
	case *ThinProduceRequest:
		return Ready(m.thinProduce(r), nil)
	case *ThinFetchRequest:
		return Ready(m.thinFetch(r), nil)
	}
	return Ready(nil, Errorf(CodeUnsupported, "%s is not offered", req.API()))
}

func (m *memoryLog) produce(r *ProduceRequest) *ProduceResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	resp := &ProduceResponse{}
	for _, t := range r.Topics {
		if t.ID == 666 {
			panic("topic of the beast")
		}
		out := ProduceTopicResult{ID: t.ID}
		for _, p := range t.Partitions {
			key := [2]uint64{t.ID, uint64(p.Index)}
			res := ProduceResult{Index: p.Index, BaseOffset: int64(len(m.batches[key])), AppendTimeMs: -1}
			if t.ID == 13 {
				res = ProduceResult{Index: p.Index, BaseOffset: -1, AppendTimeMs: -1, LogStart: -1,
					Error: Errorf(CodeUnknownTopicID, "no topic 13")}
			} else {
				m.batches[key] = append(m.batches[key], append([]byte(nil), p.Batch...))
			}
			out.Partitions = append(out.Partitions, res)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (m *memoryLog) fetch(r *FetchRequest) *FetchResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	resp := &FetchResponse{}
	for _, t := range r.Topics {
		out := FetchTopicResult{ID: t.ID}
		for _, p := range t.Partitions {
			all := m.batches[[2]uint64{t.ID, uint64(p.Index)}]
			res := FetchResult{Index: p.Index, End: int64(len(all))}
			for i := p.Offset; i < int64(len(all)); i++ {
				res.Batches = append(res.Batches, all[i]...)
			}
			out.Partitions = append(out.Partitions, res)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (m *memoryLog) create(r *CreateTopicsRequest) *CreateTopicsResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	resp := &CreateTopicsResponse{}
	for _, t := range r.Topics {
		res := TopicResult{Name: t.Name, ID: 1, Partitions: 1, Replicas: 1}
		if strings.Contains(t.Name, "/") {
			res = TopicResult{Name: t.Name, Error: Errorf(CodeInvalidTopicName, "the topic name %q is not allowed", t.Name)}
		} else if m.thin[t.Name] != nil {
			res = TopicResult{Name: t.Name, Error: Errorf(CodeTopicExists, "topic %q exists", t.Name)}
		}
		resp.Topics = append(resp.Topics, res)
	}
	return resp
}

func (m *memoryLog) thinProduce(r *ThinProduceRequest) *ThinProduceResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	resp := &ThinProduceResponse{BaseOffset: int64(len(m.thin[r.Topic]))}
	for _, rec := range r.Records {
		m.thin[r.Topic] = append(m.thin[r.Topic], FetchedRecord{Offset: int64(len(m.thin[r.Topic])),
			TimestampMs: rec.TimestampMs, Key: bytes.Clone(rec.Key), Value: bytes.Clone(rec.Value)})
	}
	return resp
}

func (m *memoryLog) thinFetch(r *ThinFetchRequest) *ThinFetchResponse {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.thin[r.Topic]
	from := min(max(r.Offset, 0), int64(len(all)))
	to := min(from+2, int64(len(all))) // two at a time, so that clients come again
	return &ThinFetchResponse{End: int64(len(all)), Next: to, Records: all[from:to]}
}

// count is the number of batches in partition 3 of the topic.
func (m *memoryLog) count(topic uint64) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.batches[[2]uint64{topic, 3}])
}

// releasedFetch is a response with a Release of its own, as a broker's is.
type releasedFetch struct {
	*FetchResponse
	log *memoryLog
}

func (r *releasedFetch) Release() {
	r.log.mu.Lock()
	r.log.released++
	r.log.mu.Unlock()
}

// waiting is done when ready is closed.
type waiting struct {
	resp  Response
	ready chan struct{}
}

func (w *waiting) Wait(ctx context.Context) (Response, error) {
	select {
	case <-w.ready:
		return w.resp, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Ready tells whether it is done.
func (w *waiting) Ready() bool { return !w.Held() }

// Held says that a produce whose wait was cut short may still be under way.
func (w *waiting) Held() bool {
	select {
	case <-w.ready:
		return false
	default:
		return true
	}
}

// testServer is a Server on loopback in front of a memoryLog.
type testServer struct {
	*Server
	log  *memoryLog
	addr string
}

// startServer starts a server that is stopped at the end of the test.
func startServer(t testing.TB, o ServerOptions) *testServer {
	t.Helper()
	log := newMemoryLog()
	if o.Handler == nil {
		o.Handler = log
	}
	o.Hello = HelloResponse{ClusterID: "test-cluster", BrokerID: 1, BrokerVersion: "v0"}
	s, err := NewServer(o)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		require.ErrorIs(t, <-served, ErrServerClosed)
		require.Equal(t, s.opts.MemoryBytes, s.Stats().MemoryFree, "request memory was not given back")
		require.Zero(t, s.Stats().Connections)
	})
	return &testServer{s, log, l.Addr().String()}
}

// dial connects to s and says hello; the connection is closed with the test.
func (s *testServer) dial(t testing.TB) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), s.addr, DialOptions{ClientName: "test"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// serves makes sure that s answers a client in good order.
func (s *testServer) serves(t testing.TB) {
	t.Helper()
	c, err := Dial(t.Context(), s.addr, DialOptions{})
	require.NoError(t, err)
	defer c.Close()
	resp, err := c.Do(t.Context(), &MetadataRequest{Topics: []string{"x"}})
	require.NoError(t, err)
	require.Len(t, resp.(*MetadataResponse).Topics, 1)
}
