package wire

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func produceOne(topic uint64, batch []byte) *ProduceRequest {
	return &ProduceRequest{Acks: AcksAll, Topics: []ProduceTopic{{ID: topic,
		Partitions: []ProducePartition{{Index: 3, Batch: batch}}}}}
}

func fetchOne(topic uint64, offset int64) *FetchRequest {
	return &FetchRequest{MaxBytes: 1 << 20, Topics: []FetchTopic{{ID: topic,
		Partitions: []FetchPartition{{Index: 3, Offset: offset, MaxBytes: 1 << 20, LeaderEpoch: -1}}}}}
}

func TestHelloProduceFetch(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := s.dial(t)
	require.Equal(t, "test-cluster", c.Hello().ClusterID)
	require.Equal(t, APIs(), c.Hello().APIs)
	require.EqualValues(t, 8<<20, c.Hello().MaxFrameBytes)

	small, large := []byte("small"), bytes.Repeat([]byte("large"), 100_000)
	for i, b := range [][]byte{small, large} {
		resp, err := c.Do(t.Context(), produceOne(7, b))
		require.NoError(t, err)
		require.Equal(t, int64(i), resp.(*ProduceResponse).Topics[0].Partitions[0].BaseOffset)
	}
	resp, err := c.Do(t.Context(), fetchOne(7, 0))
	require.NoError(t, err)
	require.Equal(t, append(small, large...), resp.(*FetchResponse).Topics[0].Partitions[0].Batches)

	_, err = c.Do(t.Context(), &ListTopicsRequest{})
	require.ErrorIs(t, err, CodeUnsupported)
}

func TestPipelinedInOrder(t *testing.T) {
	s := startServer(t, ServerOptions{MaxOutstanding: 4})
	c := s.dial(t)
	var calls []*Call
	for range 500 {
		call, err := c.Start(produceOne(7, []byte("x")))
		require.NoError(t, err)
		calls = append(calls, call)
	}
	for i, call := range calls {
		<-call.Done()
		resp, err := call.Result()
		require.NoError(t, err)
		require.Equal(t, int64(i), resp.(*ProduceResponse).Topics[0].Partitions[0].BaseOffset)
	}
}

// A cancelled call leaves the connection whole: its late answer is dropped.
func TestCancelledCall(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := s.dial(t)
	slow := produceOne(7, []byte("slow"))
	slow.TimeoutMs = 1000
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Do(ctx, slow)
	require.ErrorIs(t, err, ErrOutcomeUnknown)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(s.log.release)
	resp, err := c.Do(t.Context(), fetchOne(7, 0))
	require.NoError(t, err)
	require.Equal(t, []byte("slow"), resp.(*FetchResponse).Topics[0].Partitions[0].Batches)

	cancel()
	_, err = c.Do(ctx, slow)
	require.ErrorIs(t, err, ErrNotSent)
}

// A broken connection tells what may have been carried out from what cannot.
func TestBrokenConnection(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := s.dial(t)
	slow := produceOne(7, []byte("slow"))
	slow.TimeoutMs = 1000
	call, err := c.Start(slow)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.log.count(7) == 1 }, 5*time.Second, time.Millisecond)
	require.NoError(t, c.Close())
	<-call.Done()
	_, err = call.Result()
	require.ErrorIs(t, err, ErrOutcomeUnknown)
	require.ErrorIs(t, err, ErrConnClosed)
	_, err = c.Start(slow)
	require.ErrorIs(t, err, ErrNotSent)
	require.ErrorIs(t, c.Err(), ErrConnClosed)
	close(s.log.release)
}

// A frame of which only a part went out was not sent.
func TestHalfWrittenIsNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	hello := newEncoder()
	encodeResponse(hello, envelope{correlation: 1}, &HelloResponse{MaxFrameBytes: 1 << 30}, nil)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = readFrame(newReader(c), 1<<20)
		_, _ = hello.buffers().WriteTo(c)
		time.Sleep(50 * time.Millisecond) // the large frame fills the socket's buffers meanwhile
		_ = c.Close()
	}()
	c, err := Dial(t.Context(), l.Addr().String(), DialOptions{})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Do(t.Context(), produceOne(1, make([]byte, 64<<20)))
	require.ErrorIs(t, err, ErrNotSent)
	require.Contains(t, err.Error(), l.Addr().String())
}

func TestTooLargeIsNotSent(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := s.dial(t)
	_, err := c.Do(t.Context(), produceOne(7, make([]byte, 9<<20)))
	require.ErrorIs(t, err, CodeRequestTooLarge)
	require.NoError(t, c.Err())
	s.serves(t)
}

func TestDialRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	_, err = Dial(t.Context(), addr, DialOptions{})
	require.ErrorContains(t, err, addr)
}

// A broker that accepts and says nothing does not hold Dial longer than its
// context.
func TestDialSilentBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	_, err = Dial(ctx, l.Addr().String(), DialOptions{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReader(c) }

// What a broker must not send breaks the connection, and every call learns it.
func TestHostileBroker(t *testing.T) {
	answerOf := func(correlation uint32, r Response, refusal *Error) []byte {
		e := newEncoder()
		encodeResponse(e, envelope{correlation: correlation}, r, refusal)
		return flatten(e)
	}
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"another's answer":  {answerOf(9, &MetadataResponse{}, nil), "response 9 answers no request that is next"},
		"another kind":      {answerOf(2, &HelloResponse{}, nil), "metadata response: 4 fields wanted, 7 found"},
		"too long":          {[]byte{0xff, 0xff, 0xff, 0xff}, "response frame length 4294967295"},
		"too short":         {[]byte{0, 0, 0, 1, 0x90}, "response frame length 1"},
		"no array":          {[]byte{0, 0, 0, 4, 1, 2, 3, 4}, "response: array wanted, integer found"},
		"error and body":    {[]byte{0, 0, 0, 7, 0x93, 2, 0x92, 110, 0xa0, 0x90, 0}, "body: nil wanted beside an error"},
		"bytes too many":    {[]byte{0, 0, 0, 9, 0x93, 2, 0xc0, 0x94, 0xa0, 0x90, 0x90, 0xc2, 1}, "1 bytes follow the end"},
		"closes":            {nil, "EOF"},
		"closes in a frame": {[]byte{0, 0, 0, 9, 0x93}, "unexpected EOF"},
		"whole connection":  {answerOf(0, nil, Errorf(CodeOverloaded, "go away")), "go away [E149]"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				r := newReader(nc)
				_, _ = readFrame(r, 1<<20)
				_, _ = nc.Write(answerOf(1, &HelloResponse{MaxFrameBytes: 1 << 20}, nil))
				_, _ = readFrame(r, 1<<20)
				_, _ = nc.Write(c.bytes)
			}()
			conn, err := Dial(t.Context(), l.Addr().String(), DialOptions{})
			require.NoError(t, err)
			defer conn.Close()
			_, err = conn.Do(t.Context(), &MetadataRequest{})
			require.ErrorIs(t, err, ErrOutcomeUnknown)
			require.ErrorContains(t, err, c.want)
			<-conn.Done()
		})
	}
}

// Many callers on one connection, some of which give up, all get their own
// answers.
func TestConcurrentCallers(t *testing.T) {
	s := startServer(t, ServerOptions{MaxOutstanding: 8})
	c := s.dial(t)
	var seen sync.Map
	var done sync.WaitGroup
	for g := range 16 {
		done.Go(func() {
			for i := range 100 {
				ctx, cancel := context.WithCancel(t.Context())
				if (g+i)%3 == 0 {
					time.AfterFunc(time.Duration(i)*time.Microsecond, cancel)
				}
				resp, err := c.Do(ctx, produceOne(uint64(100+g), bytes.Repeat([]byte{byte(g)}, 1+i*100)))
				cancel()
				if err != nil {
					require.ErrorIs(t, err, context.Canceled)
					continue
				}
				topic := resp.(*ProduceResponse).Topics[0]
				require.Equal(t, uint64(100+g), topic.ID)
				_, twice := seen.LoadOrStore([2]int64{int64(g), topic.Partitions[0].BaseOffset}, true)
				require.False(t, twice, "an offset was answered twice")
			}
		})
	}
	done.Wait()
	require.NoError(t, c.Err())
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	for key, batches := range s.log.batches {
		for _, b := range batches {
			require.Equal(t, bytes.Repeat([]byte{byte(key[0] - 100)}, len(b)), b)
		}
	}
}
