package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a Hand can do to a broker.
const (
	HandKill   = "kill"   // its process ends with no time for a last word, as by kill -9, and stays away
	HandStart  = "start"  // it starts again on its data; also one that is wiped
	HandPause  = "pause"  // it stands still, as by SIGSTOP
	HandResume = "resume" // it goes on
	HandWipe   = "wipe"   // it is killed, and its data is gone
)

// Hand does something to a broker, and returns when it is done; with HandStart, when the process is there.
type Hand func(ctx context.Context, what string, broker int32) error

// Command is a Hand that runs a command of the shell, with what is to be done and the broker's id as two more
// arguments.
func Command(text string) Hand {
	return func(ctx context.Context, what string, broker int32) error {
		cmd := exec.CommandContext(ctx, "sh", "-c", text+` "$@"`, "sh", what, strconv.Itoa(int(broker)))
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("bench: %s %s %d: %w: %s", text, what, broker, err, strings.TrimSpace(string(out)))
		}
		return nil
	}
}

// Faults says what a cluster is put through, again and again, while it is written and read.
type Faults struct {
	Hand Hand
	What string // HandKill, or HandPause, after which the broker goes on once others lead its partitions
	// Times is how often; each second time it is the broker that is the controller. 10.
	Times int
	// Before and After are how long the load goes on before the fault, and after others lead; 3 s and 5 s.
	Before, After time.Duration
	Each          func(*Result) error // is told each run
}

// Fault is what happened to a broker in a run.
type Fault struct {
	What       string  `json:"what"`
	Broker     int32   `json:"broker"`
	Controller bool    `json:"controller"` // it was that, too
	Led        int     `json:"led"`        // partitions of the load that it led
	At         float64 `json:"at"`         // s since the measured time began
}

// recovery bounds the wait for a cluster to be whole again.
const recovery = 10 * time.Minute

// RunFaults carries the load out once a fault, on a topic of its own each, and waits after each until the cluster is
// whole again. The load is named after whether the broker was the controller. What went wrong with records stands in
// the results; the error tells why it could not go on.
func RunFaults(ctx context.Context, d Driver, l Load, f Faults, o Options) error {
	fill(&f.Times, 10)
	fill(&f.Before, 3*time.Second)
	fill(&f.After, 5*time.Second)
	if f.What != HandKill && f.What != HandPause {
		return fmt.Errorf("bench: the fault %q is none of %s, %s", f.What, HandKill, HandPause)
	}
	l, err := l.Complete()
	if err != nil {
		return fmt.Errorf("bench: the load: %w", err)
	}
	for i := range f.Times {
		s := &faultRun{d: d, load: l, faults: f, options: o, controller: i%2 == 1}
		if err := errors.Join(s.run(ctx), s.cleanUp(ctx)); err != nil {
			return fmt.Errorf("bench: fault %d of %d: %w", i+1, f.Times, err)
		}
	}
	return nil
}

// faultRun is one fault.
type faultRun struct {
	d          Driver
	load       Load
	faults     Faults
	options    Options
	controller bool // whether it is to be the controller's

	topics []string
	fault  Fault
	begun  time.Time     // of the fault
	moved  time.Duration // until others led
}

func (s *faultRun) run(ctx context.Context) error {
	if err := s.place(ctx); err != nil {
		return err
	}
	o := s.options
	o.Topic, o.Made, o.Keep, o.During = s.topics[len(s.topics)-1], true, KeepTopic, s.during
	if s.controller {
		s.load.Name += "-controller"
	}
	r, err := Run(ctx, s.d, s.load, o)
	if err != nil {
		return errors.Join(err, s.mend(context.WithoutCancel(ctx)))
	}
	r.Fault, r.Figures = &s.fault, s.figures(r)
	if err := s.faults.Each(r); err != nil {
		return err
	}
	return s.mend(ctx)
}

// maxPlaces bounds how many topics are made until one is led by the broker that is wanted.
const maxPlaces = 50

// place makes topics until the broker that is to fail leads one, and remembers it.
func (s *faultRun) place(ctx context.Context) error {
	for range maxPlaces {
		name := fmt.Sprintf("bench-fault-%x", time.Now().UnixNano())
		if err := s.d.CreateTopic(ctx, s.load.topic(name)); err != nil {
			return err
		}
		s.topics = append(s.topics, name)
		l, err := s.awaitWhole(ctx)
		if err != nil {
			return err
		}
		if len(l.Brokers) < 2 {
			return fmt.Errorf("%d broker: there must be another one to take over", len(l.Brokers))
		}
		victim := l.Controller
		if !s.controller {
			victim = l.leaderBut(l.Controller)
		}
		if led := l.Leads(victim); victim >= 0 && led > 0 {
			s.fault = Fault{What: s.faults.What, Broker: victim, Controller: s.controller, Led: led}
			return nil
		}
	}
	return fmt.Errorf("of %d topics none was led by a broker that is the controller: %v", maxPlaces, s.controller)
}

// leaderBut is a broker that leads most of the partitions, other than one; -1: there is none.
func (l *Layout) leaderBut(except int32) int32 {
	best := int32(-1)
	for _, id := range l.Brokers {
		if id != except && l.Leads(id) > 0 && (best < 0 || l.Leads(id) > l.Leads(best)) {
			best = id
		}
	}
	return best
}

// awaitWhole waits until all replicas of the newest topic are in sync.
func (s *faultRun) awaitWhole(ctx context.Context) (Layout, error) {
	return awaitLayout(ctx, s.d, s.topics[len(s.topics)-1], -1, func(l *Layout) bool { return l.InSync })
}

// during is the fault, in the midst of the load.
func (s *faultRun) during(ctx context.Context) error {
	begun := time.Now()
	if err := rest(ctx, s.faults.Before); err != nil {
		return err
	}
	s.begun = time.Now()
	s.fault.At = s.begun.Sub(begun).Seconds()
	if err := s.faults.Hand(ctx, s.faults.What, s.fault.Broker); err != nil {
		return err
	}
	topic := s.topics[len(s.topics)-1]
	_, err := awaitLayout(ctx, s.d, topic, s.fault.Broker, func(l *Layout) bool {
		return l.Leads(s.fault.Broker) == 0 && !slices.Contains(l.Leaders, -1)
	})
	if err != nil {
		return err
	}
	s.moved = time.Since(s.begun)
	if err := rest(ctx, s.faults.After); err != nil || s.faults.What != HandPause {
		return err
	}
	if err := s.faults.Hand(ctx, HandResume, s.fault.Broker); err != nil {
		return err
	}
	return rest(ctx, s.faults.After) // it says what it has to say late
}

// figures are what the fault came to.
func (s *faultRun) figures(r *Result) []Figure {
	v := &r.Verification
	all := []Figure{
		{Name: "no acks at all", Value: time.Duration(r.Pauses.All.Longest).Seconds(), Unit: "s", Worst: true},
		{Name: "others lead after", Value: s.moved.Seconds(), Unit: "s", Worst: true},
		{Name: "lost", Value: float64(v.Lost), Worst: true}, {Name: "duplicated", Value: float64(v.Duplicated), Worst: true},
		{Name: "out of order", Value: float64(v.Reordered), Worst: true},
		{Name: "failed", Value: float64(v.Failed), Worst: true},
	}
	if l := r.Produce.Latency; l != nil {
		slowest := Figure{Name: "longest wait for an ack", Value: float64(l.Max) / 1e6, Unit: "s", Worst: true}
		all = slices.Insert(all, 1, slowest)
	}
	return all
}

// mend starts the broker again, or has it go on, and waits until the cluster is whole.
func (s *faultRun) mend(ctx context.Context) error {
	if s.begun.IsZero() {
		return nil // nothing has happened to it
	}
	undo := map[string]string{HandKill: HandStart, HandPause: HandResume}[s.faults.What]
	if err := s.faults.Hand(ctx, undo, s.fault.Broker); err != nil {
		return err
	}
	_, err := s.awaitWhole(ctx)
	return err
}

// cleanUp deletes the topics. What it cannot do is no fault of what was measured.
func (s *faultRun) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	for _, topic := range s.topics {
		_ = s.d.DeleteTopic(ctx, topic)
	}
	return nil
}

// awaitLayout looks at a topic, as a broker other than except sees it, until holds says so.
func awaitLayout(
	ctx context.Context, d Driver, topic string, except int32, holds func(*Layout) bool,
) (l Layout, err error) {
	ctx, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	for {
		begun := time.Now()
		if l, err = d.Layout(ctx, topic, except); err == nil && holds(&l) {
			return l, nil
		}
		// Looking is to cost little beside what is looked at, however many partitions there are.
		if waited := rest(ctx, max(layoutPause, 4*time.Since(begun))); waited != nil {
			return l, errors.Join(err, fmt.Errorf("topic %q was not as it is to be within %v: %w", topic, recovery, waited))
		}
	}
}

// layoutPause is how often a topic is looked at, at most.
const layoutPause = 10 * time.Millisecond

// rest waits, unless ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
