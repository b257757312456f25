package group

import (
	"fmt"
	"testing"
	"time"
)

// crowd is a group of members that subscribe to one topic, all settled.
func crowd(tb testing.TB, members int, partitions int32) (*Group, *Topics, map[string]int32) {
	topics := NewTopics([]Topic{{Name: "a", ID: 1, Partitions: partitions}})
	g, err := New(Identity{ID: "g", GID: 1}, Options{}, topics)
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Unix(0, 0)
	epochs := make(map[string]int32)
	for i := range members {
		id := fmt.Sprintf("member-%04d-0000-0000-0000-000000000000", i)
		answer, err := g.Heartbeat(now, HeartbeatRequest{MemberID: id, Subscription: &Subscription{Topics: []string{"a"}}})
		if err != nil {
			tb.Fatal(err)
		}
		epochs[id] = answer.Epoch
	}
	settleAll(tb, g, now.Add(time.Second), epochs)
	return g, topics, epochs
}

// settleAll lets the members let go and take until the group is stable, and returns how many heartbeats that took.
func settleAll(tb testing.TB, g *Group, now time.Time, epochs map[string]int32) (beats int) {
	g.Tick(now)
	for g.State() != Stable {
		woken := g.Woken()
		if len(woken) == 0 {
			tb.Fatalf("the group is %v, and nobody is woken", g.State())
		}
		for _, id := range woken {
			if g.members[id] == nil { // woken to hear that it is no member
				continue
			}
			req := HeartbeatRequest{MemberID: id, Epoch: epochs[id]}
			for range 2 { // told, then let go
				answer, err := g.Heartbeat(now, req)
				if err != nil {
					tb.Fatal(err)
				}
				beats++
				req.Epoch, req.Owned = answer.Epoch, answer.Assignment
				if answer.Assignment == nil {
					break
				}
			}
			epochs[id] = req.Epoch
		}
	}
	return beats
}

// TestThousand: 1,000 members on 1,000 partitions settle by being woken alone, within few heartbeats a member.
func TestThousand(t *testing.T) {
	g, _, epochs := crowd(t, 1000, 1000)
	for _, m := range g.Describe().Members {
		if m.Assigned.Count() != 1 {
			t.Fatalf("%s has %v", m.ID, m.Assigned)
		}
	}
	g.Changes()
	now := time.Unix(5, 0)
	leaver := g.Describe().Members[500].ID
	if _, err := g.Heartbeat(now, HeartbeatRequest{MemberID: leaver, Epoch: EpochLeave}); err != nil {
		t.Fatal(err)
	}
	delete(epochs, leaver)
	if beats := settleAll(t, g, now, epochs); beats > 2 { // of the one that gets its partition, and confirms it
		t.Errorf("one of 1,000 left, and %d heartbeats were called for", beats)
	}
	list := g.Changes()
	size := 0
	for _, c := range list {
		size += len(c.Data)
	}
	// The group's node, one member, one block, one deletion.
	if len(list) != 4 || size > 32<<10 {
		t.Errorf("%d nodes of %d bytes are written for one leave", len(list), size)
	}
}

// BenchmarkRebalance is one member leaving a settled group of 1,000 members and 1,000 partitions, and coming
// back: two targets, and what follows.
func BenchmarkRebalance(b *testing.B) {
	g, _, epochs := crowd(b, 1000, 1000)
	id := g.Describe().Members[500].ID
	now := time.Unix(5, 0)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		if _, err := g.Heartbeat(now, HeartbeatRequest{MemberID: id, Epoch: EpochLeave}); err != nil {
			b.Fatal(err)
		}
		now = now.Add(time.Second)
		answer, err := g.Heartbeat(now, HeartbeatRequest{MemberID: id, Subscription: &Subscription{Topics: []string{"a"}}})
		if err != nil {
			b.Fatal(err)
		}
		epochs[id] = answer.Epoch
		for woken := range g.members {
			if g.members[woken].work {
				if answer, err = g.Heartbeat(now, HeartbeatRequest{MemberID: woken, Epoch: epochs[woken]}); err != nil {
					b.Fatal(err)
				}
				epochs[woken] = answer.Epoch
			}
		}
		g.Woken()
		g.Changes()
	}
}

// BenchmarkHeartbeat is a heartbeat without news, over 100 groups of 100 members.
func BenchmarkHeartbeat(b *testing.B) {
	var groups []*Group
	var epochs []map[string]int32
	var ids []string
	for range 100 {
		g, _, e := crowd(b, 100, 100)
		groups, epochs = append(groups, g), append(epochs, e)
	}
	for _, m := range groups[0].Describe().Members {
		ids = append(ids, m.ID)
	}
	now := time.Unix(5, 0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		g, id := i%100, ids[i/100%100]
		if _, err := groups[g].Heartbeat(now, HeartbeatRequest{MemberID: id, Epoch: epochs[g][id]}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommit folds 100 partitions of 100 groups into one write each, encodes and applies them.
func BenchmarkCommit(b *testing.B) {
	books := make([]*Book, 100)
	for i := range books {
		books[i] = NewBook(uint64(i + 1))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		book, fold := books[i%100], NewFold()
		for p := range int32(100) {
			if err := fold.Commit(Partition{1, p}, Offset{Offset: int64(i), LeaderEpoch: 3, Time: 1}); err != nil {
				b.Fatal(err)
			}
		}
		if len(book.Changes(fold)) != 1 {
			b.Fatal("more than one node")
		}
		book.Apply(fold)
	}
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "commits/s")
}
