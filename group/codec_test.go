package group

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/metadata"
)

// TestPaths: each id has a path of its own, which the store takes and which leads back to the id (I-14).
func TestPaths(t *testing.T) {
	for _, id := range []string{"g", ".", "..", "a/b", "members", "zookeeper", "grüße", "%2F", strings.Repeat("ü", 127)} {
		if err := metadata.CheckPath(Path(id)); err != nil {
			t.Error(err)
		}
		if back, err := ParsePath(Path(id)); back != id || err != nil {
			t.Errorf("%q became %q, %v", id, back, err)
		}
	}
	for _, id := range []string{"", "a\nb", "a\x00", "\x7f", "\xff", "a\u0085", strings.Repeat("x", MaxGroupIDBytes+1)} {
		if err := ValidateID(id); !errors.Is(err, ErrInvalidGroupID) {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, path := range []string{"", "/groups/", "Z", "Zx", "Zw==", "Zw/members", "Zw\n", "Z\nw", "AA"} {
		if id, err := ParsePath(path); err == nil {
			t.Errorf("%q is read as group %q", path, id)
		}
	}
}

func TestPathsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringN(1, -1, MaxGroupIDBytes).Draw(t, "id")
		if ValidateID(id) != nil {
			return
		}
		if back, err := ParsePath(Path(id)); back != id || err != nil {
			t.Fatalf("%q became %q, %v", id, back, err)
		}
	})
}

// richGroup has members of all kinds, in the middle of a rebalance.
func richGroup(t testing.TB) (*Group, *Topics) {
	topics := NewTopics([]Topic{{"a", 1, 300}, {"b", 7, 3}})
	g, err := New(Identity{"g", 3, Coordinator{1, 2}, time.UnixMilli(5)}, Options{AssignInterval: -1}, topics)
	if err != nil {
		t.Fatal(err)
	}
	for _, req := range []HeartbeatRequest{
		{MemberID: "m1", Subscription: &Subscription{Topics: []string{"a", "b"}}, ClientID: "c", Host: "h", Rack: "r"},
		{MemberID: "m2", Subscription: &Subscription{Regex: "a|b"}, InstanceID: "i", Assignor: "range"},
		{MemberID: "m1", Epoch: 1},
		{MemberID: "m2", Epoch: EpochLeaveStatic},
	} {
		if _, err := g.Heartbeat(time.UnixMilli(1000), req); err != nil {
			t.Fatal(err)
		}
	}
	return g, topics
}

// TestUnknownFieldsAreKept: what a newer version added to a node is there after this one wrote it (G30).
func TestUnknownFieldsAreKept(t *testing.T) {
	g, topics := richGroup(t)
	grow := func(data []byte) []byte { // two more elements: [true, {"x": nil}] and "new"
		grown := bytes.Clone(data)
		grown[0] += 2
		return append(grown, 0x92, 0xc3, 0x81, 0xa1, 'x', 0xc0, 0xa3, 'n', 'e', 'w')
	}
	s := Stored{ID: "g"}
	for _, c := range g.Changes() {
		switch {
		case c.Suffix == "":
			s.Node = grow(c.Data)
		case strings.HasPrefix(c.Suffix, membersPart):
			s.Below = append(s.Below, Change{c.Suffix, grow(c.Data)})
		default:
			s.Below = append(s.Below, c)
		}
	}
	g, err := Restore(time.UnixMilli(2000), s, Options{}, topics)
	if err != nil {
		t.Fatal(err)
	}
	if got := g.encodeNode(); !bytes.Equal(got, s.Node) {
		t.Errorf("the group's node was\n%x, is\n%x", s.Node, got)
	}
	for _, c := range s.Below {
		for id, m := range g.members {
			if got := encodeMember(m); c.Suffix == memberSuffix(id) && !bytes.Equal(got, c.Data) {
				t.Errorf("the node of %s was\n%x, is\n%x", id, c.Data, got)
			}
		}
	}
}

// TestRestoreRefuses: damage is named, and nothing is made of it.
func TestRestoreRefuses(t *testing.T) {
	g, topics := richGroup(t)
	list := g.Changes()
	for i := range list {
		for name, damage := range map[string]func([]byte) []byte{
			"cut": func(b []byte) []byte { return b[:len(b)/2] }, "empty": func([]byte) []byte { return nil },
			"more":    func(b []byte) []byte { return append(bytes.Clone(b), 1) },
			"another": func([]byte) []byte { return []byte{0x93, 1, 0xdf, 0xff, 0xff, 0xff, 0xff} },
		} {
			s := Stored{ID: "g"}
			for j, c := range list {
				if i == j {
					c.Data = damage(c.Data)
				}
				if c.Suffix == "" {
					s.Node = c.Data
				} else {
					s.Below = append(s.Below, c)
				}
			}
			if _, err := Restore(time.UnixMilli(1), s, Options{}, topics); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s, %s: %v", list[i].Suffix, name, err)
			}
		}
	}
}

// TestRestoreClearsWhatTheGoneHeld: the coordinator crashed when it had deleted a member and not yet what it held. The
// next one deletes that, or a member that comes back under its id would be taken to hold it.
func TestRestoreClearsWhatTheGoneHeld(t *testing.T) {
	topics := NewTopics([]Topic{{"a", 1, 1}})
	g, err := New(Identity{ID: "g", GID: 1}, Options{AssignInterval: -1}, topics)
	if err != nil {
		t.Fatal(err)
	}
	join := HeartbeatRequest{MemberID: "m", Subscription: &Subscription{Topics: []string{"a"}}}
	if _, err := g.Heartbeat(time.UnixMilli(1), join); err != nil {
		t.Fatal(err)
	}
	s := Stored{ID: "g"}
	block := targetSuffix(block{topic: 1})
	for _, c := range g.Changes() {
		switch c.Suffix {
		case "":
			s.Node = c.Data
		case block:
			s.Below = append(s.Below, c)
		}
	}
	next, err := Restore(time.UnixMilli(2), s, Options{AssignInterval: -1}, topics)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(next.Changes(), func(c Change) bool { return c.Suffix == block && c.Data == nil }) {
		t.Errorf("%s is left as it was", block)
	}
}

// TestLargestNodes: whatever requests and the topics hold, no node is larger than the store takes.
func TestLargestNodes(t *testing.T) {
	topics := NewTopics([]Topic{{"a", 1<<64 - 1, 10_000}})
	g, err := New(Identity{ID: "g", GID: 1}, Options{AssignInterval: -1}, topics)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("x", MaxTextBytes)
	names := []string{"a"}
	for i := 0; i < MaxSubscriptionBytes/MaxTextBytes-1; i++ {
		last := string([]byte{byte('a' + i/26/26), byte('a' + i/26%26), byte('a' + i%26)})
		names = append(names, strings.Repeat("n", MaxTextBytes-len(last))+last)
	}
	for i := range 600 {
		id := strings.Repeat("m", MaxMemberIDBytes-2) + string([]byte{byte('A' + i/26), byte('a' + i%26)})
		req := HeartbeatRequest{MemberID: id, ClientID: text, Host: text, Rack: text}
		req.Subscription = &Subscription{Topics: names[:1]}
		if i == 0 {
			req.Subscription = &Subscription{Topics: names, Regex: strings.Repeat("(x)", MaxRegexBytes/3)}
		}
		if _, err := g.Heartbeat(time.UnixMilli(int64(i)), req); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	runs := Split("g", g.Changes())
	for _, run := range runs {
		ops := []metadata.Op{metadata.Check(Path("g"), 1<<31-1)}
		for _, c := range run {
			most = max(most, len(c.Data))
			ops = append(ops, metadata.Set(c.Path("g"), c.Data, 1<<31-1))
		}
		if err := metadata.CheckOps(ops); err != nil {
			t.Error(err)
		}
	}
	if most < MaxSubscriptionBytes/2 || len(runs) < 2 {
		t.Errorf("the test is too small: the largest node has %d bytes, %d multis", most, len(runs))
	}
}

// TestDelete: a group's nodes are deleted children first.
func TestDelete(t *testing.T) {
	g, _ := richGroup(t)
	g.Changes()
	if err := g.Delete(); !errors.Is(err, ErrGroupBusy) {
		t.Fatalf("deleted with members: %v", err)
	}
	for _, id := range []string{"m1", "m2"} {
		if _, err := g.Heartbeat(time.UnixMilli(1), HeartbeatRequest{MemberID: id, Epoch: EpochLeave}); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Delete(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range g.Changes() {
		if c.Data != nil {
			t.Errorf("%q is written", c.Suffix)
		}
		got = append(got, c.Suffix)
	}
	want := []string{
		"target/1-0", "target/1-1", "target/7-0", "members/bTE", "members/bTI", "3/offsets", "3", "target", "members", "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := g.CheckCommit("", EpochNone, Partition{1, 0}); !errors.Is(err, ErrGroupDead) || g.State() != Dead {
		t.Errorf("a deleted group is %v: %v", g.State(), err)
	}
}

// TestOptions: all faults are reported at once.
func TestOptions(t *testing.T) {
	if err := (Options{}).Validate(); err != nil {
		t.Error(err)
	}
	bad := Options{
		SessionTimeout: time.Millisecond, HeartbeatInterval: time.Hour, RebalanceTimeout: -1, AssignInterval: time.Hour,
		MaxMembers: -1, Assignor: 9,
	}
	err := bad.Validate()
	for _, want := range []string{"session", "heartbeat", "rebalance", "assign interval", "max members", "assignor(9)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word about %q: %v", want, err)
		}
	}
	if _, err := New(Identity{ID: "g", GID: 1}, bad, NewTopics(nil)); err == nil {
		t.Error("a group was made with bad options")
	}
	if _, err := New(Identity{ID: "g"}, Options{}, NewTopics(nil)); !errors.Is(err, ErrInvalidGroupID) {
		t.Errorf("gid 0: %v", err)
	}
}

// FuzzNode, FuzzMember, FuzzBlock and FuzzOffsets: what is read is written as the same bytes or, where another
// encoder wrote it, as bytes that read alike; no input makes a decoder panic or allocate beyond its size.
func FuzzNode(f *testing.F) {
	g, _ := richGroup(f)
	f.Add(g.encodeNode())
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := DecodeNode(data)
		if err != nil {
			checkDecodeError(t, err)
			return
		}
		again, err := DecodeNode(n.Encode())
		if diff := cmp.Diff(n, again); diff != "" || err != nil {
			t.Errorf("%s, %v", diff, err)
		}
	})
}

func FuzzMember(f *testing.F) {
	g, _ := richGroup(f)
	for _, m := range g.members {
		f.Add(encodeMember(m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := decodeMember("m", data)
		if err != nil {
			checkDecodeError(t, err)
			return
		}
		again, err := decodeMember("m", encodeMember(m))
		if diff := cmp.Diff(m, again, cmp.AllowUnexported(member{})); diff != "" || err != nil {
			t.Errorf("%s, %v", diff, err)
		}
	})
}

func FuzzBlock(f *testing.F) {
	g, topics := richGroup(f)
	f.Add(g.encodeBlock(block{1, 0}))
	f.Add(g.encodeBlock(block{7, 0}))
	list := g.Changes()
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := decodeBlock(data); err != nil {
			checkDecodeError(t, err)
		}
		s := Stored{ID: "g"}
		for _, c := range list {
			switch c.Suffix {
			case "":
				s.Node = c.Data
			case "target/7-0":
				s.Below = append(s.Below, Change{c.Suffix, data})
			default:
				s.Below = append(s.Below, c)
			}
		}
		restored, err := Restore(time.UnixMilli(9), s, Options{}, topics)
		if err != nil {
			checkDecodeError(t, err)
			return
		}
		restored.Changes()
	})
}

func FuzzOffsets(f *testing.F) {
	f.Add(encodeOffsets(map[int32]Offset{0: {1, -1, "x", 5}, 255: {Offset: 1 << 40}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := decodeOffsets(block{1, 0}, data)
		if err != nil {
			checkDecodeError(t, err)
			return
		}
		again, err := decodeOffsets(block{1, 0}, encodeOffsets(parts))
		if diff := cmp.Diff(parts, again); diff != "" || err != nil {
			t.Errorf("%s, %v", diff, err)
		}
	})
}

func checkDecodeError(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNewerFormat) {
		t.Errorf("an error of no class: %v", err)
	}
}

// TestCutSuccession: a static member was succeeded, and the coordinator crashed before the former one's node was
// deleted. The successor counts, in whatever order the nodes are read, and the next write deletes the other.
func TestCutSuccession(t *testing.T) {
	g, topics := richGroup(t)
	store := g.Changes()
	req := HeartbeatRequest{MemberID: "m3", InstanceID: "i", Subscription: &Subscription{Regex: "a|b"}}
	if _, err := g.Heartbeat(time.UnixMilli(2000), req); err != nil {
		t.Fatal(err)
	}
	for _, c := range g.Changes() {
		if c.Suffix == memberSuffix("m3") {
			store = append(store, c)
		}
	}
	for range 2 {
		slices.Reverse(store)
		s := Stored{ID: "g"}
		for _, c := range store {
			if c.Suffix == "" {
				s.Node = c.Data
			} else {
				s.Below = append(s.Below, c)
			}
		}
		restored, err := Restore(time.UnixMilli(3000), s, Options{}, topics)
		if err != nil {
			t.Fatal(err)
		}
		if restored.members["m2"] != nil || restored.members["m3"] == nil || len(restored.members["m3"].target) == 0 {
			t.Errorf("restored as %+v", restored.Describe())
		}
		gone := Change{Suffix: memberSuffix("m2")}
		if list := restored.Changes(); !slices.ContainsFunc(list, func(c Change) bool { return cmp.Equal(c, gone) }) {
			t.Errorf("the former member's node is not deleted: %v", list)
		}
	}
}
