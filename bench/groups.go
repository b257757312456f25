package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/wire"
)

// GroupLoad describes a measurement of consumer groups. Zero fields take the default named.
type GroupLoad struct {
	Groups     int           // that commit at the same time; 100
	Partitions int           // of the topic, all committed by each group with each request; 100
	Duration   time.Duration // of committing, and of each watch over a rebalance; 5 s
	Members    int           // of the group that is rebalanced; 4
}

// GroupResult is what consumer groups came to.
type GroupResult struct {
	Load     GroupLoad `json:"load"`
	Requests float64   `json:"commit_requests_per_second"`
	Offsets  float64   `json:"offsets_committed_per_second"`
	Commit   Latency   `json:"commit_latency"`
	// QuietGap is the longest time without a record in any partition while nothing changed.
	QuietGap   time.Duration `json:"quiet_gap_ns"`
	Rebalances []Rebalanced  `json:"rebalances"`
}

// Rebalanced is one change of a group's members.
type Rebalanced struct {
	Why   string `json:"why"`
	Moved int    `json:"partitions_moved"`
	// Took is from the change to the first record of the last partition that moved.
	Took time.Duration `json:"took_ns"`
	// OthersGap is the longest time without a record in a partition that did not move.
	OthersGap time.Duration `json:"others_gap_ns"`
	// Session is the session timeout that a death has to wait for; 0: it was no death.
	Session time.Duration `json:"session_timeout_ns,omitempty"`
}

// Groups measures commits and rebalances at the broker of Skidway at one of the addresses, on a topic of its own.
func Groups(ctx context.Context, addresses []string, l GroupLoad) (_ *GroupResult, err error) {
	fill(&l.Groups, 100)
	fill(&l.Partitions, 100)
	fill(&l.Duration, 5*time.Second)
	fill(&l.Members, 4)
	if l.Groups < 1 || l.Partitions < l.Members+1 || l.Members < 1 || l.Duration < 0 {
		return nil, fmt.Errorf("bench: %d groups, %d partitions, %d members: there must be more partitions than members",
			l.Groups, l.Partitions, l.Members)
	}
	d := &skidwayDriver{addresses: addresses}
	if d.control, err = d.connect(ctx); err != nil {
		return nil, err
	}
	defer d.Close()
	g := &groupRun{d: d, load: l, topic: fmt.Sprintf("bench-groups-%x", time.Now().UnixNano())}
	if err := d.CreateTopic(ctx, NewTopic{Name: g.topic, Partitions: l.Partitions}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, d.DeleteTopic(context.WithoutCancel(ctx), g.topic)) }()
	r := &GroupResult{Load: l}
	if err := g.commits(ctx, r); err != nil {
		return nil, err
	}
	return r, g.rebalances(ctx, r)
}

// groupRun is a measurement under way.
type groupRun struct {
	d     *skidwayDriver
	load  GroupLoad
	topic string
	flow  []flowing // by partition
	start time.Time
}

// flowing is what is seen of one partition; times are ns since the start.
type flowing struct {
	last    atomic.Int64 // of the newest record
	gap     atomic.Int64 // the longest between two, since it was reset
	resumed atomic.Int64 // when that gap ended
	owner   atomic.Int32 // who got the newest record
	moved   atomic.Int64 // when the owner changed last
}

// commits has all groups commit all partitions, one request after another each, from a connection of its own.
func (g *groupRun) commits(ctx context.Context, r *GroupResult) error {
	until, cancel := context.WithTimeout(ctx, g.load.Duration)
	defer cancel()
	rec, count := newRecorder(), atomic.Int64{}
	errs := make(chan error, g.load.Groups)
	var all sync.WaitGroup
	begun := time.Now()
	for i := range g.load.Groups {
		all.Go(func() { errs <- g.committer(until, i, rec, &count) })
	}
	all.Wait()
	took := time.Since(begun).Seconds()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	h := newHistogram()
	rec.collect(h)
	var err error
	r.Requests = float64(count.Load()) / took
	r.Offsets = r.Requests * float64(g.load.Partitions)
	r.Commit, err = newLatency(h)
	return err
}

func (g *groupRun) committer(until context.Context, i int, rec *recorder, count *atomic.Int64) error {
	ctx := context.WithoutCancel(until)
	c, err := g.d.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(ctx) }() // nothing is under way
	group := fmt.Sprintf("%s-%d", g.topic, i)
	offsets := make([]client.Offset, g.load.Partitions)
	for p := range offsets {
		offsets[p] = client.Offset{Topic: g.topic, Partition: int32(p), LeaderEpoch: -1}
	}
	for n := int64(0); until.Err() == nil; n++ {
		for p := range offsets {
			offsets[p].Offset = n
		}
		begun := time.Now()
		if err := c.CommitOffsets(ctx, group, offsets...); err != nil {
			return err
		}
		rec.record(int64(time.Since(begun)))
		count.Add(1)
	}
	return client.NewAdmin(c).DeleteGroup(ctx, group, client.Apply)
}

// rebalances lets members come and go while records flow.
func (g *groupRun) rebalances(ctx context.Context, r *GroupResult) error {
	g.flow, g.start = make([]flowing, g.load.Partitions), time.Now()
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	if err := g.feed(ctx, &running); err != nil {
		return err
	}
	var last *client.GroupConsumer
	join := func(i int) (err error) {
		last, err = g.member(ctx, i, &running)
		return err
	}
	for i := range g.load.Members {
		if err := join(i); err != nil {
			return err
		}
	}
	if err := g.settled(ctx); err != nil {
		return err
	}
	quiet, err := g.watch(ctx, "", func() error { return nil })
	if err != nil {
		return err
	}
	r.QuietGap = quiet.OthersGap
	for _, change := range []struct {
		why string
		do  func() error
	}{
		{"a member joins", func() error { return join(g.load.Members) }},
		{"a member leaves", func() error { return last.Leave(ctx) }},
	} {
		one, err := g.watch(ctx, change.why, change.do)
		if err != nil {
			return err
		}
		r.Rebalances = append(r.Rebalances, one)
	}
	death, err := g.death(ctx)
	r.Rebalances = append(r.Rebalances, death)
	return err
}

// feed sends a record to each partition every few milliseconds.
func (g *groupRun) feed(ctx context.Context, running *sync.WaitGroup) error {
	c, err := g.d.connect(ctx)
	if err != nil {
		return err
	}
	p, err := client.NewProducer(c, client.ProducerOptions{Partitioner: client.RoundRobin})
	if err != nil {
		return errors.Join(err, c.Close(ctx))
	}
	running.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		value := make([]byte, 100)
		for ctx.Err() == nil {
			<-tick.C
			for range g.load.Partitions {
				p.SendAsync(ctx, client.Record{Topic: g.topic, Value: value}, nil)
			}
		}
		_ = c.Close(context.WithoutCancel(ctx)) // what is under way is for nobody any more
	})
	return nil
}

// member joins and takes note of what it gets, until it leaves or ctx ends.
func (g *groupRun) member(ctx context.Context, i int, running *sync.WaitGroup) (*client.GroupConsumer, error) {
	c, err := g.d.connect(ctx)
	if err != nil {
		return nil, err
	}
	o := client.GroupOptions{NoOffset: client.NoOffsetEnd, CommitInterval: 100 * time.Millisecond}
	m, err := client.JoinGroup(ctx, c, g.topic, []string{g.topic}, o)
	if err != nil {
		return nil, errors.Join(err, c.Close(ctx))
	}
	running.Go(func() {
		for ctx.Err() == nil {
			records, err := m.Poll(ctx)
			if err != nil {
				break
			}
			now := int64(time.Since(g.start))
			for k := range records {
				g.see(&g.flow[records[k].Partition], int32(i)+1, now)
			}
			m.Mark(records...)
		}
		_ = c.Close(context.WithoutCancel(ctx)) // which leaves the group, if it has not
	})
	return m, nil
}

func (g *groupRun) see(f *flowing, owner int32, now int64) {
	if f.owner.Swap(owner) != owner {
		f.moved.Store(now)
	}
	if gap := now - f.last.Swap(now); gap > f.gap.Load() {
		f.gap.Store(gap)
		f.resumed.Store(now)
	}
}

// settled waits until the group is stable and each partition flows.
func (g *groupRun) settled(ctx context.Context) error {
	for ctx.Err() == nil {
		d, err := g.d.admin().DescribeGroup(ctx, g.topic)
		if err != nil {
			return err
		}
		after, flows := int64(time.Since(g.start)), 0
		time.Sleep(100 * time.Millisecond)
		for i := range g.flow {
			if g.flow[i].last.Load() > after {
				flows++
			}
		}
		if d.State == "stable" && flows == len(g.flow) {
			return nil
		}
	}
	return ctx.Err()
}

// watch carries a change out, waits until all flows again, and tells what it did to the partitions.
func (g *groupRun) watch(ctx context.Context, why string, change func() error) (Rebalanced, error) {
	g.forgetGaps()
	begun := int64(time.Since(g.start))
	if err := change(); err != nil {
		return Rebalanced{}, fmt.Errorf("bench: %s: %w", why, err)
	}
	rest := time.NewTimer(g.load.Duration - (time.Since(g.start) - time.Duration(begun)))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return Rebalanced{}, ctx.Err()
	}
	if err := g.settled(ctx); err != nil {
		return Rebalanced{}, err
	}
	r := Rebalanced{Why: why}
	for i := range g.flow {
		f := &g.flow[i]
		if moved := f.moved.Load(); moved > begun {
			r.Moved++
			r.Took = max(r.Took, time.Duration(moved-begun))
		} else {
			r.OthersGap = max(r.OthersGap, time.Duration(f.gap.Load()))
		}
	}
	return r, nil
}

// forgetGaps begins to look for the longest gap anew.
func (g *groupRun) forgetGaps() {
	for i := range g.flow {
		g.flow[i].gap.Store(0)
	}
}

// death has a member join that takes partitions and is silent from then on: one whose machine is gone.
func (g *groupRun) death(ctx context.Context) (Rebalanced, error) {
	conn, err := wire.Dial(ctx, g.d.control.Address(), wire.DialOptions{ClientName: "skidway-bench"})
	if err != nil {
		return Rebalanced{}, err
	}
	defer func() { _ = conn.Close() }() // it says no farewell
	g.forgetGaps()
	beat := &wire.GroupHeartbeatRequest{Group: g.topic, MemberID: "dies", Subscribes: true, Topics: []string{g.topic}}
	var session time.Duration
	held := 0
	for held < g.load.Partitions/(g.load.Members+1) {
		answer, err := conn.Do(ctx, beat)
		if err != nil {
			return Rebalanced{}, fmt.Errorf("bench: a member that dies: %w", err)
		}
		a, ok := answer.(*wire.GroupHeartbeatResponse)
		if !ok {
			return Rebalanced{}, errors.New("bench: a member that dies: another kind of answer")
		}
		session = time.Duration(a.SessionTimeoutMs) * time.Millisecond
		if a.Assigns {
			held = 0
			beat = &wire.GroupHeartbeatRequest{Group: g.topic, MemberID: "dies", ReportsOwned: true}
			for _, t := range a.Assignment {
				held += len(t.Partitions)
				beat.Owned = append(beat.Owned, wire.GroupPartitions{ID: t.ID, Partitions: t.Partitions})
			}
		}
		beat.MemberEpoch = a.MemberEpoch
	}
	begun := int64(time.Since(g.start))
	if err := g.settled(ctx); err != nil {
		return Rebalanced{}, err
	}
	r := Rebalanced{Why: "a member dies", Session: session, Moved: held}
	for i := range g.flow { // those that were still for the longest are those that it had
		if gap := time.Duration(g.flow[i].gap.Load()); gap > session/2 {
			r.Took = max(r.Took, time.Duration(g.flow[i].resumed.Load()-begun))
		} else {
			r.OthersGap = max(r.OthersGap, gap)
		}
	}
	return r, nil
}

// WriteScreen writes the result for a person.
func (r *GroupResult) WriteScreen(w io.Writer) error {
	p := &printer{w: w}
	p.line("commits      %.0f requests/s, %.0f offsets/s by %d groups of %d partitions   p50 %s  p99 %s", r.Requests,
		r.Offsets, r.Load.Groups, r.Load.Partitions, FormatLatency(r.Commit.P50), FormatLatency(r.Commit.P99))
	p.line("undisturbed  longest pause of a partition %v", r.QuietGap.Round(time.Millisecond))
	for _, b := range r.Rebalances {
		note := ""
		if b.Session > 0 {
			note = fmt.Sprintf(" (session timeout %v)", b.Session)
		}
		p.line("%-16s %d of %d partitions moved, all flow after %v%s; longest pause of the others %v", b.Why, b.Moved,
			r.Load.Partitions, b.Took.Round(time.Millisecond), note, b.OthersGap.Round(time.Millisecond))
	}
	return p.err
}
