package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Many says how a cluster with many partitions is measured. Zero fields take the default named.
type Many struct {
	Hand      Hand
	Topic     NewTopic      // with a name that is free; 10,000 partitions of 3 replicas
	Settle    time.Duration // between the creation and the idle time; 1 min
	Idle      time.Duration // over which an idle cluster is looked at; 20 s
	Probe     Probe         // of the brokers alone
	ZooKeeper string        // HOST:PORT of a server whose traffic is told; empty: none
	Version   string        // of the program, for the result
	Each      func(Figure)  // is told each figure as it comes; nil: not
}

// RunMany creates a topic of many partitions, looks at the idle cluster, and has two brokers killed, one after the
// other, the second the controller: how long it takes until others lead what they led, and until all is in sync after
// they are back. The result holds figures only.
func RunMany(ctx context.Context, d Driver, m Many) (*Result, error) {
	fill(&m.Topic.Name, fmt.Sprintf("bench-many-%x", time.Now().UnixNano()))
	fill(&m.Topic.Partitions, 10_000)
	fill(&m.Topic.Replicas, 3)
	fill(&m.Settle, time.Minute)
	fill(&m.Idle, 20*time.Second)
	about, err := d.About(ctx)
	if err != nil {
		return nil, err
	}
	s := &manyRun{d: d, many: m, result: &Result{
		Format: resultFormat, Driver: d.Name(), Topic: m.Topic.Name, Target: about, Host: thisHost(), OthersCPU: -1,
		Client: "skidway " + m.Version, Started: time.Now().UTC(),
		Load: Load{Name: fmt.Sprintf("many-%d", m.Topic.Partitions),
			Partitions: m.Topic.Partitions, Replicas: m.Topic.Replicas, Settings: m.Topic.Settings},
	}}
	err = s.run(ctx)
	if deleted := s.deleteTopic(context.WithoutCancel(ctx)); err == nil {
		err = deleted
	}
	return s.result, err
}

// manyRun is such a measurement.
type manyRun struct {
	d      Driver
	many   Many
	result *Result
	made   bool
}

func (s *manyRun) figure(name string, value float64, unit string) {
	f := Figure{Name: name, Value: value, Unit: unit}
	s.result.Figures = append(s.result.Figures, f)
	if s.many.Each != nil {
		s.many.Each(f)
	}
}

func (s *manyRun) run(ctx context.Context) error {
	before, err := s.traffic(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	s.made = true
	if err := s.d.CreateTopic(ctx, s.many.Topic); err != nil {
		return err
	}
	s.figure("created, all led after", time.Since(begun).Seconds(), "s")
	if _, err := s.await(ctx, -1, func(l *Layout) bool { return l.InSync }); err != nil {
		return err
	}
	s.figure("created, all in sync after", time.Since(begun).Seconds(), "s")
	if err := s.addTraffic(ctx, "creation", before); err != nil {
		return err
	}
	if err := rest(ctx, s.many.Settle); err != nil {
		return err
	}
	if err := s.idle(ctx); err != nil {
		return err
	}
	for _, controller := range []bool{false, true} {
		if err := s.kill(ctx, controller); err != nil {
			return err
		}
	}
	return nil
}

func (s *manyRun) await(ctx context.Context, except int32, holds func(*Layout) bool) (Layout, error) {
	return awaitLayout(ctx, s.d, s.many.Topic.Name, except, holds)
}

// idle looks at the cluster while nothing is asked of it.
func (s *manyRun) idle(ctx context.Context) error {
	traffic, err := s.traffic(ctx)
	if err != nil {
		return err
	}
	before, err := s.many.Probe.read(ctx)
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := rest(ctx, s.many.Idle); err != nil {
		return err
	}
	after, err := s.many.Probe.read(ctx)
	if err != nil {
		return err
	}
	if brokers := float64(len(s.many.Probe.PIDs)); brokers > 0 {
		s.figure("idle CPU a broker", 100*(after.cpu-before.cpu)/time.Since(begun).Seconds()/brokers, "% of a core")
		s.figure("idle memory a broker", float64(after.rss)/(1<<20)/brokers, "MiB")
	}
	if s.many.ZooKeeper == "" {
		return nil
	}
	now, err := s.traffic(ctx)
	packets, bytes := now.since(traffic, time.Since(begun).Seconds())
	s.figure("ZooKeeper, idle", packets, "packets/s")
	s.figure("ZooKeeper, idle, bytes", bytes, "B/s")
	return err
}

// kill has a broker killed, and lets it come back.
func (s *manyRun) kill(ctx context.Context, controller bool) error {
	name := "a broker killed"
	l, err := s.await(ctx, -1, func(l *Layout) bool { return l.Controller >= 0 })
	if err != nil {
		return err
	}
	victim := l.Controller
	if controller {
		name = "the controller killed"
	} else if victim = l.leaderBut(l.Controller); victim < 0 {
		return errors.New("bench: no broker but the controller leads anything")
	}
	before, err := s.traffic(ctx)
	if err != nil {
		return err
	}
	led, begun := l.Leads(victim), time.Now()
	if err := s.many.Hand(ctx, HandKill, victim); err != nil {
		return err
	}
	_, err = s.await(ctx, victim, func(l *Layout) bool { return l.Leads(victim) == 0 && !slices.Contains(l.Leaders, -1) })
	moved := time.Since(begun)
	if err == nil {
		s.figure(name+": partitions it led", float64(led), "")
		s.figure(name+": others lead after", moved.Seconds(), "s")
		err = s.addTraffic(ctx, name, before)
	}
	begun = time.Now()
	if err := errors.Join(err, s.many.Hand(context.WithoutCancel(ctx), HandStart, victim)); err != nil {
		return err
	}
	if _, err := s.await(ctx, -1, func(l *Layout) bool { return l.InSync }); err != nil {
		return err
	}
	s.figure(name+": back in sync after", time.Since(begun).Seconds(), "s")
	return nil
}

// traffic is nothing where there is no ZooKeeper.
func (s *manyRun) traffic(ctx context.Context) (zooKeeperTraffic, error) {
	if s.many.ZooKeeper == "" {
		return zooKeeperTraffic{}, nil
	}
	return askZooKeeper(ctx, s.many.ZooKeeper)
}

// addTraffic adds figures of the traffic since an earlier reading.
func (s *manyRun) addTraffic(ctx context.Context, what string, before zooKeeperTraffic) error {
	if s.many.ZooKeeper == "" {
		return nil
	}
	now, err := s.traffic(ctx)
	packets, bytes := now.since(before, 1)
	s.figure("ZooKeeper, "+what, packets, "packets")
	s.figure("ZooKeeper, "+what+", bytes", bytes/(1<<20), "MiB")
	return err
}

// deleteTopic leaves the cluster as it was.
func (s *manyRun) deleteTopic(ctx context.Context) error {
	if !s.made {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return s.d.DeleteTopic(ctx, s.many.Topic.Name)
}
