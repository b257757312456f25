package group

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// consumer is a member as it sees itself: it acts on the answers that reach it.
type consumer struct {
	id, instance string
	epoch        int32
	sub          Subscription
	owned        map[Partition]bool // given and not let go
	assigned     map[Partition]bool // of the last answer
	full         bool               // the last answer was lost: say everything
	released     bool               // let go since the last heartbeat
	paused       bool               // says nothing, and still believes that it owns what it owns
	slow         bool               // does not let go
	joined       bool
	held, lost   map[Partition]int32 // the epochs under which the group had it as the holder, and had it last
}

// world is a group, the store that its changes go to, its consumers, and a clock.
type world struct {
	t         *rapid.T
	now       time.Time
	opts      Options
	topics    []Topic
	view      *Topics
	nextTopic uint64
	nextID    int
	g         *Group
	store     map[string][]byte
	consumers []*consumer
	gone      []*consumer // that left for good
	epochs    map[string]int32
	epoch     int32 // stored: what was never stored was never said to anybody
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, now: time.Unix(1_000_000, 0), store: make(map[string][]byte), epochs: make(map[string]int32),
		opts: Options{
			SessionTimeout: 9 * time.Second, RebalanceTimeout: 4 * time.Second, MaxMembers: 12,
			AssignInterval: rapid.SampledFrom([]time.Duration{-1, 50 * time.Millisecond}).Draw(t, "interval"),
			Assignor:       rapid.SampledFrom([]Assignor{Uniform, Uniform, Range}).Draw(t, "assignor"),
		},
	}
	for _, name := range []string{"a", "b", "bb"} {
		w.createTopic(name, int32(rapid.IntRange(1, 7).Draw(t, "partitions")))
	}
	w.view = NewTopics(w.topics)
	g, err := New(Identity{ID: "g/1", GID: 7, Created: w.now}, w.opts, w.view)
	w.must(err)
	w.g = g
	w.write()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v", err)
	}
}

func (w *world) createTopic(name string, partitions int32) {
	w.nextTopic++
	w.topics = append(w.topics, Topic{Name: name, ID: w.nextTopic, Partitions: partitions})
}

// write carries the group's changes to the store.
func (w *world) write() {
	for _, run := range Split("g/1", w.g.Changes()) {
		for _, c := range run {
			w.apply(c)
		}
	}
}

// mayWrite writes, or crashes the coordinator in the middle of it.
func (w *world) mayWrite() {
	if rapid.IntRange(0, 7).Draw(w.t, "crash") == 0 {
		w.crash()
		return
	}
	w.write()
}

// crash carries only the first of the changes to the store; another coordinator takes over.
func (w *world) crash() {
	list := w.g.Changes()
	for _, change := range list[:rapid.IntRange(0, len(list)).Draw(w.t, "written")] {
		w.apply(change)
	}
	w.restore()
}

func (w *world) apply(c Change) {
	if c.Data == nil {
		if _, there := w.store[c.Suffix]; !there {
			w.t.Fatalf("%q is deleted and was not there", c.Suffix)
		}
		delete(w.store, c.Suffix)
		return
	}
	w.store[c.Suffix] = c.Data
	if c.Suffix == "" {
		node, err := DecodeNode(c.Data)
		w.must(err)
		if node.Epoch < w.epoch {
			w.t.Fatalf("the group's epoch went from %d to %d", w.epoch, node.Epoch)
		}
		w.epoch = node.Epoch
	}
}

// restore makes the group anew of the store.
func (w *world) restore() {
	var below []Change
	for _, suffix := range slices.Sorted(maps.Keys(w.store)) {
		if suffix != "" {
			below = append(below, Change{suffix, w.store[suffix]})
		}
	}
	g, err := Restore(w.now, Stored{ID: "g/1", Node: w.store[""], Below: below}, w.opts, w.view)
	w.must(err)
	w.g = g
}

// heartbeat sends the consumer's request; fate says what becomes of the answer.
func (w *world) heartbeat(c *consumer, fate string) {
	req := HeartbeatRequest{MemberID: c.id, Epoch: c.epoch}
	if !c.joined {
		req.Epoch, req.InstanceID, req.Subscription = EpochJoin, c.instance, &c.sub
		c.owned, c.assigned = map[Partition]bool{}, nil
	} else if c.full || c.released || rapid.Bool().Draw(w.t, "full") {
		req.Owned = assignmentOf(slices.SortedFunc(maps.Keys(c.owned), Partition.Compare))
		req.Subscription = &c.sub
	}
	answer, err := w.g.Heartbeat(w.now, req)
	if err != nil { // all of them mean: drop everything and join again
		if c.joined {
			w.drop(c)
		}
		return
	}
	if fate == "crash" { // of the coordinator, while it writes
		w.crash()
		c.full = true
		return
	}
	w.write()
	if fate == "lost" {
		c.full = true
		return
	}
	c.joined, c.full, c.released, c.epoch = true, false, false, answer.Epoch
	if answer.Assignment != nil {
		c.assigned = make(map[Partition]bool)
		for p := range answer.Assignment.All() {
			c.assigned[p] = true
			c.owned[p] = true
		}
	}
	if !c.slow {
		w.letGo(c)
	}
}

func (w *world) letGo(c *consumer) {
	for p := range c.owned {
		if !c.assigned[p] {
			delete(c.owned, p)
			c.released = true
		}
	}
}

func (w *world) drop(c *consumer) {
	c.joined, c.full, c.released = false, false, false
	c.owned, c.assigned = map[Partition]bool{}, nil
}

func (w *world) leave(c *consumer, epoch int32) {
	req := HeartbeatRequest{MemberID: c.id, InstanceID: c.instance, Epoch: epoch}
	if _, err := w.g.Heartbeat(w.now, req); err == nil {
		w.mayWrite()
	}
	old := *c
	old.joined = true
	w.gone = append(w.gone, &old)
	w.drop(c)
	c.id, c.held, c.lost = w.newID(), nil, nil
	if epoch == EpochLeave {
		w.consumers = slices.DeleteFunc(w.consumers, func(o *consumer) bool { return o == c })
	}
}

func (w *world) newID() string {
	w.nextID++
	return fmt.Sprintf("m%02d", w.nextID)
}

func (w *world) subscription() Subscription {
	return rapid.SampledFrom([]Subscription{
		{Topics: []string{"a"}}, {Topics: []string{"a", "b"}}, {Topics: []string{"b", "a", "b"}}, {Regex: "b+"},
		{Topics: []string{"a"}, Regex: "b.*"}, {Topics: []string{"none"}}, {Regex: ".*"}, {Regex: ".*"},
	}).Draw(w.t, "subscription")
}

func (w *world) pick() *consumer {
	if len(w.consumers) == 0 {
		w.t.Skip("no consumer")
	}
	return rapid.SampledFrom(w.consumers).Draw(w.t, "consumer")
}

func (w *world) actions() map[string]func(*rapid.T) {
	beat := func(fate string) func(*rapid.T) {
		return func(t *rapid.T) {
			w.t = t
			if c := w.pick(); !c.paused {
				w.heartbeat(c, fate)
			}
		}
	}
	act := func(f func()) func(*rapid.T) { return func(t *rapid.T) { w.t = t; f() } }
	return map[string]func(*rapid.T){
		"start": act(func() {
			c := &consumer{id: w.newID(), sub: w.subscription(), slow: rapid.IntRange(0, 3).Draw(w.t, "slow") == 0}
			if rapid.IntRange(0, 2).Draw(w.t, "static") == 0 {
				c.instance = rapid.SampledFrom([]string{"i1", "i2", "i3"}).Draw(w.t, "instance")
			}
			w.consumers = append(w.consumers, c)
			w.heartbeat(c, "answered")
		}),
		"heartbeat":  beat("answered"),
		"heartbeat2": beat("answered"),
		"lost":       beat("lost"),
		"crash":      beat("crash"),
		"all": act(func() {
			for _, c := range w.consumers {
				if !c.paused {
					w.heartbeat(c, "answered")
				}
			}
		}),
		"let go": act(func() { w.letGo(w.pick()) }),
		"pause":  act(func() { c := w.pick(); c.paused = !c.paused }),
		"slow":   act(func() { c := w.pick(); c.slow = !c.slow }),
		"leave":  act(func() { w.leave(w.pick(), EpochLeave) }),
		"rejoin": act(func() { w.drop(w.pick()) }),
		"resubscribe": act(func() {
			c := w.pick()
			c.sub, c.full = w.subscription(), true
		}),
		"stop": act(func() {
			if c := w.pick(); c.instance != "" {
				w.leave(c, EpochLeaveStatic)
			}
		}),
		"wait": act(func() {
			ms := rapid.SampledFrom([]int{10, 60, 1000, 3000, 5000}).Draw(w.t, "ms")
			w.now = w.now.Add(time.Duration(ms) * time.Millisecond)
			w.g.Tick(w.now)
			w.mayWrite()
		}),
		"topics": act(func() {
			switch i := rapid.IntRange(0, 2).Draw(w.t, "change"); {
			case i == 0 && len(w.topics) > 0:
				at := rapid.IntRange(0, len(w.topics)-1).Draw(w.t, "topic")
				w.topics[at].Partitions += int32(rapid.IntRange(1, 3).Draw(w.t, "more"))
			case i == 1 && len(w.topics) > 0:
				at := rapid.IntRange(0, len(w.topics)-1).Draw(w.t, "topic")
				w.topics = slices.Delete(w.topics, at, at+1)
			default:
				name := rapid.SampledFrom([]string{"a", "b", "bb", "c", "__x"}).Draw(w.t, "name")
				if !slices.ContainsFunc(w.topics, func(t Topic) bool { return t.Name == name }) {
					w.createTopic(name, int32(rapid.IntRange(1, 5).Draw(w.t, "partitions")))
				}
			}
			w.view = NewTopics(w.topics)
			w.g.TopicsChanged(w.now, w.view)
			w.mayWrite()
		}),
		"restart": act(func() { w.restore(); w.write() }),
		"":        act(w.check),
	}
}

// check holds the group and its consumers to what must be true after every step.
func (w *world) check() {
	t, g := w.t, w.g
	if g.epoch < w.epoch {
		t.Fatalf("the group's epoch is %d, %d is stored", g.epoch, w.epoch)
	}
	owner := make(map[Partition]string)
	for _, c := range w.consumers {
		m := g.members[c.id]
		for p := range c.owned {
			if _, exists := w.view.ByID(p.Topic); m == nil || !c.joined || !exists {
				continue
			}
			if former, twice := owner[p]; twice {
				t.Fatalf("%v is with %s and %s", p, former, c.id)
			}
			owner[p] = c.id
			if holder, _ := g.Holder(p); holder != c.id {
				t.Fatalf("%s holds %v, the group has it with %q", c.id, p, holder)
			}
		}
		w.checkCommits(c)
	}
	for _, c := range w.gone {
		w.checkCommits(c)
	}
	unsettled := 0
	for id, m := range g.members {
		if m.epoch < w.epochs[id] || m.epoch > g.epoch || m.confirmed > m.epoch {
			t.Fatalf("%s: epoch %d after %d, confirmed %d, group %d", id, m.epoch, w.epochs[id], m.confirmed, g.epoch)
		}
		w.epochs[id] = m.epoch
	}
	for id, parts := range g.parts {
		for i := range parts {
			if !parts[i].settled() {
				unsettled++
			}
			for _, m := range []*member{parts[i].target, parts[i].holder} {
				if m != nil && g.members[m.id] != m {
					t.Fatalf("partition %d of topic %d is with %s, which is no member", i, id, m.id)
				}
			}
		}
	}
	if unsettled != g.unsettled {
		t.Fatalf("%d partitions are unsettled, counted %d", unsettled, g.unsettled)
	}
	w.checkLists()
	if g.epoch == g.targetEpoch {
		w.checkTarget()
	}
}

// checkLists holds the members' lists to the partitions.
func (w *world) checkLists() {
	for id, m := range w.g.members {
		var target, held []Partition
		telling := 0
		for _, topic := range w.g.topicIDs() {
			for i, ps := range w.g.parts[topic] {
				if ps.target == m {
					target = append(target, Partition{topic, int32(i)})
				}
				if ps.holder == m {
					held = append(held, Partition{topic, int32(i)})
					if !ps.told.IsZero() {
						telling++
					}
				}
			}
		}
		if !slices.Equal(target, m.target) || !slices.Equal(held, m.held) || telling != m.telling {
			w.t.Fatalf("%s: target %v, listed %v; held %v, listed %v; %d told, counted %d",
				id, target, m.target, held, m.held, telling, m.telling)
		}
	}
}

// checkCommits holds that a consumer can commit exactly what it owns (H12).
func (w *world) checkCommits(c *consumer) {
	m := w.g.members[c.id]
	if c.held == nil {
		c.held, c.lost = make(map[Partition]int32), make(map[Partition]int32)
	}
	for _, topic := range w.topics {
		for i := range topic.Partitions {
			p := Partition{topic.ID, i}
			w.checkLost(c, m, p)
			err := w.g.CheckCommit(c.id, c.epoch, p)
			holder, held := w.g.Holder(p)
			switch {
			case m != nil && c.joined && !m.away && c.owned[p] && err != nil && holder == c.id:
				w.t.Fatalf("%s owns %v at epoch %d and cannot commit: %v", c.id, p, c.epoch, err)
			case err == nil && (m == nil || held && holder != c.id || c.epoch < m.epoch && holder != c.id):
				w.t.Fatalf("%s at epoch %d could commit %v, which is with %q", c.id, c.epoch, p, holder)
			}
		}
	}
	if w.g.Size() > 0 && w.g.CheckCommit("", EpochNone, Partition{1, 0}) == nil {
		w.t.Fatal("a consumer outside the group could commit while it has members")
	}
}

// checkLost holds that an epoch under which a member lost a partition is of no use for it ever after.
func (w *world) checkLost(c *consumer, m *member, p Partition) {
	if m == nil || m.id != c.id {
		clear(c.held)
		return
	}
	if holder, _ := w.g.Holder(p); holder == c.id {
		c.held[p] = m.epoch
	} else if epoch, held := c.held[p]; held {
		c.lost[p] = epoch
		delete(c.held, p)
	}
	epoch, was := c.lost[p]
	wanted := int(p.Index) < len(w.g.parts[p.Topic]) && w.g.parts[p.Topic][p.Index].target != nil
	if was && wanted && w.g.CheckCommit(c.id, epoch, p) == nil {
		w.t.Fatalf("%s lost %v at epoch %d, and could commit for it at epoch %d", c.id, p, epoch, m.epoch)
	}
}

// checkTarget holds that each partition that a member wants is for one who wants it, and that the loads are balanced.
func (w *world) checkTarget() {
	wanted := make(map[uint64]bool)
	var first *member
	same := true
	low, high := 1<<30, 0
	for _, m := range w.g.members {
		if first == nil {
			first = m
		}
		same = same && slices.Equal(first.topics, m.topics)
		for _, id := range m.topics {
			wanted[id] = true
		}
		low, high = min(low, len(m.target)), max(high, len(m.target))
	}
	for _, topic := range w.topics {
		for i := range topic.Partitions {
			var target *member
			if int(i) < len(w.g.parts[topic.ID]) {
				target = w.g.parts[topic.ID][i].target
			}
			if wanted[topic.ID] != (target != nil) {
				w.t.Fatalf("partition %d of %s is wanted: %v, is for: %v", i, topic.Name, wanted[topic.ID], target)
			}
			if target != nil && !slices.Contains(target.topics, topic.ID) {
				w.t.Fatalf("partition %d of %s is for %s, which does not subscribe to it", i, topic.Name, target.id)
			}
		}
	}
	if same && w.g.assignor == Uniform && high-low > 1 && high > 0 {
		w.t.Fatalf("the members have %d to %d partitions", low, high)
	}
}

// settle lets all consumers that are not paused do their part until the group is stable.
func (w *world) settle() {
	for _, c := range w.consumers {
		c.slow = false
	}
	for round := 0; ; round++ {
		for _, c := range w.consumers {
			if !c.paused {
				w.letGo(c)
				w.heartbeat(c, "answered")
			}
		}
		w.check()
		w.now = w.now.Add(time.Second)
		w.g.Tick(w.now)
		w.write()
		if round > 25 { // longer than both timeouts: whoever is silent is gone
			break
		}
	}
	alive := 0
	owner := make(map[Partition]string)
	for _, c := range w.consumers {
		if c.joined && !c.paused {
			alive++
			for p := range c.owned {
				owner[p] = c.id
			}
		}
	}
	switch state := w.g.State(); {
	case alive == 0 && state != Empty, alive > 0 && state != Stable, alive != w.g.Size():
		w.t.Fatalf("%d consumers are alive, the group is %v with %d members", alive, state, w.g.Size())
	}
	for _, m := range w.g.members {
		for _, id := range m.topics {
			topic, _ := w.view.ByID(id)
			for i := range topic.Partitions {
				if owner[Partition{id, i}] == "" {
					w.t.Fatalf("partition %d of %s is with nobody, and %s wants it", i, topic.Name, m.id)
				}
			}
		}
	}
	for _, r := range w.g.History() {
		if r.Duration < 0 {
			w.t.Fatalf("the group is settled, and its history holds %+v", r)
		}
	}
	w.checkQuiet()
}

// checkQuiet holds that a stable group is left alone: nobody hears news, and a restart changes nothing.
func (w *world) checkQuiet() {
	before := w.g.Describe()
	w.restore()
	w.write()
	for _, c := range w.consumers {
		if c.paused || !c.joined {
			continue
		}
		owned := maps.Clone(c.owned)
		epoch := c.epoch
		w.heartbeat(c, "answered")
		if !maps.Equal(owned, c.owned) || epoch != c.epoch {
			w.t.Fatalf("%s heard news from a stable group", c.id)
		}
	}
	after := w.g.Describe()
	if before.Epoch != after.Epoch || len(before.Members) != len(after.Members) {
		w.t.Fatalf("a restart changed the group: %+v, then %+v", before, after)
	}
}

// TestModel runs random histories of a group and its consumers (H12, H13, H17, H20): answers are lost, consumers
// pause, the coordinator crashes in the middle of its writes.
func TestModel(t *testing.T) {
	for i := range 5 { // as many histories again
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				w := newWorld(t)
				t.Repeat(w.actions())
				w.t = t
				w.settle()
			})
		})
	}
}
