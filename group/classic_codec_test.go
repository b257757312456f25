package group

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/skidway/skidway/metadata"
)

// A member that says, and is assigned, as much as is taken fits a node, and comes back whole.
func TestClassicLargestMember(t *testing.T) {
	c := NewClassic("g", Options{InitialRebalanceDelay: -1})
	text := func(i int) string { return fmt.Sprintf("%03d", i) + strings.Repeat("x", MaxTextBytes-3) }
	req := JoinRequest{
		InstanceID: text(0), ClientID: text(1), Host: text(2), ProtocolType: text(3), Fresh: strings.Repeat("f", 36),
		SessionTimeout: MaxSessionTimeout, RebalanceTimeout: maxTimeout,
	}
	for i := range MaxProtocols {
		req.Protocols = append(req.Protocols, Protocol{Name: text(i)})
	}
	req.Protocols[0].Metadata = bytes.Repeat([]byte{0xff}, MaxProtocolBytes)
	c.Join(time.Unix(0, 0), 1, req)
	joined := c.Answers()[0]
	if joined.Err != nil || len(joined.Join.MemberID) > MaxMemberIDBytes {
		t.Fatalf("%v, %q", joined.Err, joined.Join.MemberID)
	}
	assignment := bytes.Repeat([]byte{0xfe}, MaxAssignedBytes)
	c.Sync(time.Unix(0, 0), 2, SyncRequest{
		Sender:      Sender{joined.Join.MemberID, text(0), joined.Join.Generation},
		Assignments: []MemberAssignment{{joined.Join.MemberID, assignment}},
	})
	if a := c.Answers()[0]; a.Err != nil {
		t.Fatal(a.Err)
	}
	changes := c.Changes()
	for _, change := range changes {
		if err := metadata.CheckPath(change.Path("g")); err != nil {
			t.Error(err)
		}
	}
	if runs := Split("g", changes); len(runs) != 1 { // it panics at a node that is too large
		t.Errorf("%d multis", len(runs))
	}
	back, err := RestoreClassic(time.Unix(0, 0), "g", changes[0].Data, changes[1:], c.opts)
	if err != nil {
		t.Fatal(err)
	}
	d := back.Describe()
	if d.State != Stable || !bytes.Equal(d.Members[0].Assignment, assignment) ||
		!bytes.Equal(d.Members[0].Metadata, req.Protocols[0].Metadata) || d.Members[0].ClientID != text(1) {
		t.Errorf("%v with %d bytes", d.State, len(d.Members[0].Assignment))
	}
}

// classicNodes are the nodes of a stable group of two members.
func classicNodes(t testing.TB) (node []byte, members []Change) {
	c := NewClassic("g", Options{InitialRebalanceDelay: -1})
	now := time.Unix(0, 0)
	for i, name := range []string{"a", "b", "a"} {
		req := JoinRequest{
			InstanceID: name, Fresh: name, ProtocolType: "consumer", SessionTimeout: time.Minute,
			Protocols: []Protocol{{"range", []byte("t")}, {"sticky", []byte("t")}},
		}
		if i == 2 {
			req.MemberID = "a-a"
		}
		c.Join(now, Ticket(i+1), req)
	}
	c.Sync(now, 9, SyncRequest{
		Sender: Sender{c.leader, "", c.generation}, Assignments: []MemberAssignment{{"b-b", []byte("p")}},
	})
	if c.State() != Stable || c.Size() != 2 {
		t.Fatalf("%v with %d members", c.State(), c.Size())
	}
	changes := c.Changes()
	return changes[0].Data, changes[1:]
}

// Nodes that are damaged, or of a newer version, are refused as such, and never take the broker down.
func FuzzClassic(f *testing.F) {
	node, members := classicNodes(f)
	f.Add(node, members[0].Data, members[1].Data)
	f.Add(node, members[0].Data, []byte{0x99, 2})
	f.Add([]byte{0xc0}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, node, a, b []byte) {
		now := time.Unix(0, 0)
		below := []Change{{members[0].Suffix, a}, {members[1].Suffix, b}}
		c, err := RestoreClassic(now, "g", node, below, Options{})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewerFormat) {
				t.Fatalf("%v is of no class", err)
			}
			return
		}
		for _, change := range c.Changes() {
			if change.Data == nil {
				continue
			}
			if change.Suffix == ClassicDirectory {
				_, _, err = NewClassic("g", Options{}).decodeNode(change.Data)
			} else {
				_, _, err = decodeClassicMember("a-a", change.Data)
			}
			if err != nil {
				t.Fatalf("what was written anew cannot be read: %v", err)
			}
		}
		for !c.Deadline().IsZero() {
			c.Tick(c.Deadline())
		}
	})
}

// What members say of themselves is bounded for all of them together: the leader is told of it in one answer.
func TestClassicMembersSayTooMuch(t *testing.T) {
	c := NewClassic("g", Options{InitialRebalanceDelay: -1})
	req := JoinRequest{ProtocolType: "consumer", SessionTimeout: time.Minute}
	for i := range 9 {
		req.Protocols = append(req.Protocols, Protocol{fmt.Sprint(i), make([]byte, MaxProtocolBytes)})
	}
	for i := 1; ; i++ {
		req.Fresh = fmt.Sprint(i)
		c.Join(time.Unix(0, 0), Ticket(i), req)
		for _, a := range c.Answers() {
			if a.Err == nil {
				continue
			}
			if !errors.Is(a.Err, ErrGroupFull) || c.said > MaxSaidBytes || c.said < MaxSaidBytes-9*MaxProtocolBytes {
				t.Errorf("%v, with %d bytes", a.Err, c.said)
			}
			return
		}
	}
}
