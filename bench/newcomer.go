package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Newcomer says how a broker that comes back with an empty disk is measured.
type Newcomer struct {
	Hand  Hand
	Bytes Bytes // that it has to fetch; 10 GiB
	// Quiet is how long the load runs undisturbed first, for comparison; 20 s.
	Quiet time.Duration
}

// RunNewcomer writes a topic, has a broker that is not the controller lose its disk, and measures how fast it fetches
// the topic while the load, an open loop on a topic of its own, goes on. The result is that of the load meanwhile.
func RunNewcomer(ctx context.Context, d Driver, l Load, n Newcomer, o Options) (*Result, error) {
	fill(&n.Bytes, 10<<30)
	fill(&n.Quiet, 20*time.Second)
	l, err := l.Complete()
	if err != nil {
		return nil, fmt.Errorf("bench: the load: %w", err)
	}
	s := &newcomerRun{d: d, load: l, newcomer: n, options: o, victim: -1}
	r, err := s.run(ctx)
	if err != nil && s.wiped {
		err = errors.Join(err, n.Hand(context.WithoutCancel(ctx), HandStart, s.victim))
	}
	s.deleteTopics(ctx)
	return r, err
}

// newcomerRun is such a measurement.
type newcomerRun struct {
	d        Driver
	load     Load
	newcomer Newcomer
	options  Options

	topics []string
	victim int32
	wiped  bool
	took   time.Duration
}

func (s *newcomerRun) create(ctx context.Context) (string, error) {
	name := fmt.Sprintf("bench-newcomer-%x", time.Now().UnixNano())
	err := s.d.CreateTopic(ctx, s.load.topic(name))
	if err == nil {
		s.topics = append(s.topics, name)
	}
	return name, err
}

func (s *newcomerRun) inSync(ctx context.Context, topic string) (Layout, error) {
	return awaitLayout(ctx, s.d, topic, -1, func(l *Layout) bool { return l.InSync && l.Controller >= 0 })
}

func (s *newcomerRun) run(ctx context.Context) (*Result, error) {
	full, err := s.create(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.fillTopic(ctx, full); err != nil {
		return nil, err
	}
	quiet, err := s.measure(ctx, func(ctx context.Context) error { return rest(ctx, s.newcomer.Quiet) }, nil)
	if err != nil {
		return nil, err
	}
	l, err := s.inSync(ctx, full)
	if err != nil {
		return nil, err
	}
	if s.victim = l.leaderBut(l.Controller); s.victim < 0 {
		return nil, errors.New("bench: no broker but the controller leads anything")
	}
	r, err := s.measure(ctx, func(ctx context.Context) error { return s.catchUp(ctx, full) }, s.wipe)
	if err != nil {
		return nil, err
	}
	rate := float64(s.newcomer.Bytes) / s.took.Seconds() / 1e6
	r.Figures = append(r.Figures, Figure{Name: "caught up after", Value: s.took.Seconds(), Unit: "s"},
		Figure{Name: "catch-up rate", Value: rate, Unit: "MB/s"})
	if q := quiet.Produce.Latency; q != nil {
		r.Figures = append(r.Figures, Figure{Name: "produce p99 before", Value: float64(q.P99) / 1e3, Unit: "ms"})
	}
	return r, nil
}

// fillTopic writes what is to be fetched.
func (s *newcomerRun) fillTopic(ctx context.Context, topic string) error {
	l := Load{Name: "fill", Mode: ModeProduce, Partitions: s.load.Partitions, Replicas: s.load.Replicas,
		Keys: KeysRandom, Batch: 256 << 10, Bytes: s.newcomer.Bytes, Verify: Off}
	o := s.options
	o.Topic, o.Made, o.Keep, o.Probe.Disk = topic, true, KeepTopic, ""
	r, err := Run(ctx, s.d, l, o)
	if err == nil && !r.OK() {
		err = fmt.Errorf("bench: the topic that is to be fetched could not be written: %s", r.verdict())
	}
	return err
}

// measure carries the load out on a topic of its own, while something is done. before comes after the topic is made.
func (s *newcomerRun) measure(
	ctx context.Context, during, before func(context.Context) error,
) (*Result, error) {
	topic, err := s.create(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.inSync(ctx, topic); err != nil {
		return nil, err
	}
	if before != nil {
		if err := before(ctx); err != nil {
			return nil, err
		}
	}
	o := s.options
	o.Topic, o.Made, o.Keep, o.During = topic, true, KeepTopic, during
	return Run(ctx, s.d, s.load, o)
}

// wipe takes the broker's disk away, and waits until others lead.
func (s *newcomerRun) wipe(ctx context.Context) error {
	s.wiped = true
	if err := s.newcomer.Hand(ctx, HandWipe, s.victim); err != nil {
		return err
	}
	for _, topic := range s.topics {
		_, err := awaitLayout(ctx, s.d, topic, s.victim, func(l *Layout) bool {
			return l.Leads(s.victim)+l.Leads(-1) == 0
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// catchUp starts the broker, and waits until it is in sync.
func (s *newcomerRun) catchUp(ctx context.Context, topic string) error {
	begun := time.Now()
	if err := s.newcomer.Hand(ctx, HandStart, s.victim); err != nil {
		return err
	}
	s.wiped = false
	if _, err := s.inSync(ctx, topic); err != nil {
		return err
	}
	s.took = time.Since(begun)
	return nil
}

// deleteTopics leaves the cluster as it was, as far as it can.
func (s *newcomerRun) deleteTopics(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	for _, topic := range s.topics {
		_ = s.d.DeleteTopic(ctx, topic)
	}
}
