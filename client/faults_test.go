package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// ledger keeps what promises say.
type ledger struct {
	mu    sync.Mutex
	acked map[string]int64 // offsets by value
	fails map[string]*client.Error
	order []string // values as their promises came
}

func newLedger() *ledger {
	return &ledger{acked: map[string]int64{}, fails: map[string]*client.Error{}}
}

func (l *ledger) promise(r client.Record, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.order = append(l.order, string(r.Value))
	if err != nil {
		l.fails[string(r.Value)] = err.(*client.Error)
		return
	}
	l.acked[string(r.Value)] = r.Offset
}

// sendNumbers sends "0" to "n-1", each a batch of its own, and waits for all promises.
func sendNumbers(t *testing.T, p *client.Producer, n int) *ledger {
	t.Helper()
	l := newLedger()
	ctx := testContext(t)
	for i := range n {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i))}, l.promise)
	}
	require.NoError(t, p.Flush(ctx))
	require.Equal(t, numbered(n), l.order)
	return l
}

// singles makes each record a batch of its own.
func singles() client.ProducerOptions { return client.ProducerOptions{BatchBytes: 1} }

// warm proves the producer's identity to the broker, so that five requests may be under way.
func warm(t *testing.T, p *client.Producer) {
	t.Helper()
	_, err := p.Send(testContext(t), client.Record{Topic: "demo", Value: []byte("warm")})
	require.NoError(t, err)
}

// H1: the answer is lost after the request was carried out; the repetition finds the first copy. Whichever of the
// five requests it is.
func TestH1AnswerLost(t *testing.T) {
	for n := 1; n <= 5; n++ {
		for _, do := range []action{dropAnswer, cutBefore} {
			t.Run(fmt.Sprint(n, do), func(t *testing.T) {
				x, _, c := throughProxy(t, client.Options{})
				create(t, c, "demo", 1)
				p := newProducer(t, c, singles())
				warm(t, p)
				x.rule(nth(wire.APIProduce, n, do))
				l := sendNumbers(t, p, 20)
				require.Empty(t, l.fails)
				records := readAll(t, c, "demo")[0]
				require.Equal(t, append([]string{"warm"}, numbered(20)...), values(records))
				for _, r := range records[1:] {
					require.Equal(t, r.Offset, l.acked[string(r.Value)])
				}
			})
		}
	}
}

// H1: many cuts, at answers and before requests, under load over several partitions.
func TestH1ManyCuts(t *testing.T) {
	x, _, c := throughProxy(t, client.Options{RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond})
	create(t, c, "demo", 8)
	p := newProducer(t, c, client.ProducerOptions{Partitioner: client.RoundRobin, BatchBytes: 300,
		MaxRequestBytes: 1000})
	x.rule(func(api client.API, n int) action {
		switch {
		case api != wire.APIProduce:
			return pass
		case n%7 == 0:
			return dropAnswer
		case n%11 == 0:
			return cutBefore
		case n%5 == 0:
			return refuse
		}
		return pass
	})
	const n = 5000
	l := newLedger()
	ctx := testContext(t)
	for i := range n {
		p.SendAsync(ctx, client.Record{Topic: "demo", Value: []byte(fmt.Sprint(i))}, l.promise)
	}
	require.NoError(t, p.Flush(ctx))
	require.Empty(t, l.fails)
	require.Len(t, l.acked, n)
	x.rule(nil)
	for i, records := range readAll(t, c, "demo") {
		require.Len(t, records, n/8)
		for j, r := range records {
			require.Equal(t, fmt.Sprint(j*8+int(i)), string(r.Value))
			require.Equal(t, r.Offset, l.acked[string(r.Value)])
		}
	}
}

// H4: five in flight, one of them is refused for the moment: those behind it are refused as out of order, and all
// come in order.
func TestH4RefusedInTheMiddle(t *testing.T) {
	for n := 1; n <= 5; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			x, _, c := throughProxy(t, client.Options{})
			create(t, c, "demo", 1)
			p := newProducer(t, c, singles())
			warm(t, p)
			x.rule(nth(wire.APIProduce, n, refuse))
			l := sendNumbers(t, p, 20)
			require.Empty(t, l.fails)
			require.Equal(t, append([]string{"warm"}, numbered(20)...), values(readAll(t, c, "demo")[0]))
		})
	}
}

// H4: one of five fails for good. It alone fails, definitely; those behind it get new numbers and come in order, once.
func TestH4FailsInTheMiddle(t *testing.T) {
	for n := 1; n <= 5; n++ {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			x, _, c := throughProxy(t, client.Options{})
			create(t, c, "demo", 1)
			p := newProducer(t, c, singles())
			warm(t, p)
			x.rule(nth(wire.APIProduce, n, spoil))
			l := sendNumbers(t, p, 20)
			require.Len(t, l.fails, 1)
			for value, e := range l.fails {
				require.ErrorIs(t, e, client.ErrCorrupt)
				require.Equal(t, client.OutcomeFailed, e.Outcome)
				want := append([]string{"warm"}, slices.DeleteFunc(numbered(20),
					func(v string) bool { return v == value })...)
				require.Equal(t, want, values(readAll(t, c, "demo")[0]))
			}
		})
	}
}

// A record that may have reached the broker, and of which nothing is heard in time, is unknown; one that never left
// is not. A machine that is too slow for the time-out has a longer one.
func TestP5UnknownIsSaid(t *testing.T) {
	for limit := haste; !unknownIsSaid(t, limit); limit *= 2 {
		t.Logf("too slow for a DeliveryTimeout of %v", limit)
	}
}

// unknownIsSaid is false if the time was over before there was anything to see.
func unknownIsSaid(t *testing.T, limit time.Duration) bool {
	x, _, c := throughProxy(t, client.Options{})
	create(t, c, "demo", 1)
	o := singles()
	o.DeliveryTimeout, o.MaxInFlight = limit, 1
	p := newProducer(t, c, o)
	defer func() { require.NoError(t, p.Close(testContext(t))) }()
	warm := client.Record{Topic: "demo", Value: []byte("warm")}
	if _, err := p.Send(testContext(t), warm); errors.Is(err, client.ErrTimedOut) {
		return false
	}
	var left atomic.Bool
	x.rule(func(api client.API, _ int) action {
		if api != wire.APIProduce {
			return pass
		}
		left.Store(true)
		return swallow
	})
	l := sendNumbers(t, p, 2)
	if !left.Load() {
		return false
	}
	require.Len(t, l.fails, 2)
	for value, outcome := range map[string]client.Outcome{"0": client.OutcomeUnknown, "1": client.OutcomeFailed} {
		require.ErrorIs(t, l.fails[value], client.ErrTimedOut)
		require.Equal(t, outcome, l.fails[value].Outcome, value)
	}
	x.rule(nil)
	x.cutAll()
	patiently(t, func() error { _, err := p.Send(testContext(t), warm); return err }) // the producer goes on
	read := slices.DeleteFunc(values(readAll(t, c, "demo")[0]), func(v string) bool { return v == "warm" })
	require.Equal(t, []string{"0"}, read, "the definite failure never appears")
	return true
}

// Without idempotence, what may have been written is not repeated, and what was refused is.
func TestIdempotenceOff(t *testing.T) {
	x, _, c := throughProxy(t, client.Options{})
	create(t, c, "demo", 1)
	o := singles()
	o.Idempotence, o.MaxInFlight = client.IdempotenceOff, 1
	p := newProducer(t, c, o)
	x.rule(func(api client.API, n int) action {
		switch {
		case api == wire.APIProduce && n == 2:
			return refuse
		case api == wire.APIProduce && n == 5:
			return dropAnswer
		case api == wire.APIProduce && n == 8:
			return cutBefore
		}
		return pass
	})
	l := sendNumbers(t, p, 10)
	require.Len(t, l.fails, 2)
	for _, e := range l.fails {
		require.Equal(t, client.OutcomeUnknown, e.Outcome)
		require.ErrorIs(t, e, client.ErrUnreachable)
	}
	read := values(readAll(t, c, "demo")[0])
	require.Len(t, read, 9) // of the two unknown, one is there
	require.True(t, slices.IsSortedFunc(read, func(a, b string) int { return len(a) - len(b) }))
	require.Len(t, slices.Compact(slices.Clone(read)), 9)
}

// A connection that goes silent is given up after RequestTimeout, and what was under way is repeated on another.
func TestSilentConnection(t *testing.T) {
	x, _, patient := throughProxy(t, client.Options{})
	create(t, patient, "demo", 1)
	c := connectInHaste(t, x.address(), client.Options{})
	p := newProducer(t, c, singles())
	warm(t, p)
	x.rule(nth(wire.APIProduce, 3, swallow))
	l := sendNumbers(t, p, 20)
	require.Empty(t, l.fails)
	require.Equal(t, append([]string{"warm"}, numbered(20)...), values(readAll(t, patient, "demo")[0]))

	x.rule(nth(wire.APIFetch, 1, swallow))
	r := newConsumer(t, c, client.ConsumerOptions{})
	patiently(t, func() error { return r.Assign(testContext(t), "demo", client.At(0)) })
	for read := 0; read < 21; {
		records, err := r.Poll(testContext(t))
		require.NoError(t, err)
		read += len(records)
	}

	var swallowed atomic.Bool
	x.rule(func(api client.API, _ int) action {
		if api == wire.APIListTopics && swallowed.CompareAndSwap(false, true) {
			return swallow
		}
		return pass
	})
	var err error
	for !swallowed.Load() { // a busy machine may be too slow to send it
		_, err = client.NewAdmin(c).ListTopics(testContext(t))
		require.Error(t, err)
	}
	require.ErrorIs(t, err, client.ErrTimedOut)
	patiently(t, func() error { _, err := client.NewAdmin(c).ListTopics(testContext(t)); return err })
}

// A change whose answer is lost is not repeated, and is unknown; a question is repeated.
func TestAdminRepeatsQuestionsOnly(t *testing.T) {
	x, _, c := throughProxy(t, client.Options{})
	a := client.NewAdmin(c)
	x.rule(nth(wire.APICreateTopics, 1, dropAnswer))
	_, err := a.CreateTopics(testContext(t), []wire.NewTopic{{Name: "demo", Partitions: 1}}, client.Apply)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, client.OutcomeUnknown, e.Outcome)
	require.ErrorIs(t, err, client.ErrUnreachable)
	x.rule(nth(wire.APIListTopics, 1, dropAnswer))
	topics, err := a.ListTopics(testContext(t))
	require.NoError(t, err)
	require.Len(t, topics, 1)
}

func TestContextEndsWaiting(t *testing.T) {
	x, _, c := throughProxy(t, client.Options{})
	create(t, c, "demo", 1)
	p := newProducer(t, c, singles())
	warm(t, p)
	seen := make(chan struct{})
	x.rule(func(api client.API, n int) action {
		if api == wire.APIProduce && n == 1 {
			close(seen)
			return swallow
		}
		return pass
	})
	ctx, cancel := context.WithCancel(testContext(t))
	go func() {
		<-seen
		cancel()
	}()
	_, err := p.Send(ctx, client.Record{Topic: "demo", Value: []byte("x")})
	require.ErrorIs(t, err, context.Canceled)
	var e *client.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, client.OutcomeUnknown, e.Outcome)
	x.rule(nil)
	x.cutAll()
	require.NoError(t, p.Flush(testContext(t))) // it goes on its way all the same
	require.Equal(t, []string{"warm", "x"}, values(readAll(t, c, "demo")[0]))
}
