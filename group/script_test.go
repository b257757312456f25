package group

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// stage is what a script plays on: one group, its store, and what each member was answered last.
type stage struct {
	t      *testing.T
	opts   Options
	now    time.Time
	topics []Topic
	lastID uint64
	g      *Group
	store  map[string][]byte
	epochs map[string]int32
}

// TestScripts runs testdata/script: what members say, and what they are answered. Commands:
//
//	group [assignor=] [max-members=] [assign-interval=]   a new group; session timeout 45s, rebalance timeout 60s
//	topics a=4 b=2              the topics from now on; "new" before others makes them all new ones
//	join m1 topics=(a,b) [regex=] [instance=] [assignor=] [timeout=]
//	beat m1 [owned=(a/0,a/1)|owned=none] [epoch=] [topics=] [regex=] [keep=topics|regex] [assignor=] [timeout=]
//	leave m1, stop m1           for good; of a static member, to be back
//	wait 10s                    time passes, the group is ticked
//	commit m1|nobody a/0 [epoch=]
//	restart                     another coordinator takes over
//	show, history, nodes, delete
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		s := &stage{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			out, err := s.run(d)
			if err != nil {
				out = "error: " + err.Error()
			}
			if s.g != nil {
				s.write()
			}
			if out = strings.TrimSpace(out); out != "" {
				out += "\n"
			}
			return out
		})
	})
}

func (s *stage) run(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "group":
		return "", s.start(d)
	case "topics":
		s.setTopics(d)
		return s.woken(), nil
	case "join", "beat", "leave", "stop":
		return s.heartbeat(d)
	case "wait":
		dur, err := time.ParseDuration(d.CmdArgs[0].Key)
		if err != nil {
			return "", err
		}
		for end := s.now.Add(dur); ; {
			due := s.g.Deadline()
			if due.IsZero() || due.After(end) {
				s.now = end
				return s.woken(), nil
			}
			s.now = due
			s.g.Tick(s.now)
		}
	case "commit":
		return s.commit(d)
	case "restart":
		return "", s.restart()
	case "show":
		return s.show(), nil
	case "history":
		return s.history(), nil
	case "delete":
		return "", s.g.Delete()
	case "nodes":
		var names []string
		for suffix := range s.store {
			names = append(names, Change{Suffix: suffix}.Path("g"))
		}
		slices.Sort(names)
		return strings.Join(names, "\n"), nil
	}
	return "", fmt.Errorf("no command %q", d.Cmd)
}

// arg returns the value of an argument, or "".
func arg(d *datadriven.TestData, key string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return strings.Join(a.Vals, ",")
		}
	}
	return ""
}

func list(d *datadriven.TestData, key string) []string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return a.Vals
		}
	}
	return nil
}

func (s *stage) start(d *datadriven.TestData) (err error) {
	s.now, s.store, s.epochs = time.Unix(0, 0), make(map[string][]byte), make(map[string]int32)
	s.opts = Options{RebalanceTimeout: time.Minute, AssignInterval: -1}
	if v := arg(d, "assignor"); v != "" {
		if s.opts.Assignor, err = ParseAssignor(v); err != nil {
			return err
		}
	}
	if v := arg(d, "max-members"); v != "" {
		s.opts.MaxMembers, _ = strconv.Atoi(v)
	}
	if v := arg(d, "assign-interval"); v != "" {
		s.opts.AssignInterval, _ = time.ParseDuration(v)
	}
	s.g, err = New(Identity{ID: "g", GID: 5, Created: s.now}, s.opts, NewTopics(s.topics))
	return err
}

func (s *stage) setTopics(d *datadriven.TestData) {
	before, fresh := s.topics, false
	s.topics = nil
	for _, a := range d.CmdArgs {
		if a.Key == "new" {
			fresh = true
			continue
		}
		n, _ := strconv.Atoi(a.Vals[0])
		t := Topic{Name: a.Key, Partitions: int32(n)}
		if i := slices.IndexFunc(before, func(b Topic) bool { return b.Name == t.Name }); i >= 0 && !fresh {
			t.ID = before[i].ID
		} else {
			s.lastID++
			t.ID = s.lastID
		}
		s.topics = append(s.topics, t)
	}
	if s.g != nil {
		s.g.TopicsChanged(s.now, NewTopics(s.topics))
	}
}

func (s *stage) partition(text string) Partition {
	name, index, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(index)
	for _, t := range s.topics {
		if t.Name == name && err == nil {
			return Partition{t.ID, int32(n)}
		}
	}
	return Partition{999, int32(n)}
}

func (s *stage) heartbeat(d *datadriven.TestData) (string, error) {
	id := d.CmdArgs[0].Key
	req := HeartbeatRequest{
		MemberID: id, Epoch: s.epochs[id], InstanceID: arg(d, "instance"), Assignor: arg(d, "assignor"),
		ClientID: "client-" + id,
	}
	req.RebalanceTimeout, _ = time.ParseDuration(arg(d, "timeout"))
	topics, regex := list(d, "topics"), arg(d, "regex")
	switch d.Cmd {
	case "join":
		req.Epoch = EpochJoin
	case "leave":
		req.Epoch = EpochLeave
	case "stop":
		req.Epoch = EpochLeaveStatic
	}
	if d.Cmd == "join" || topics != nil || regex != "" {
		req.Subscription = &Subscription{Topics: topics, Regex: regex}
		req.KeepTopics, req.KeepRegex = arg(d, "keep") == "topics", arg(d, "keep") == "regex"
	}
	if v := arg(d, "epoch"); v != "" {
		n, _ := strconv.Atoi(v)
		req.Epoch = int32(n)
	}
	if owned := list(d, "owned"); owned != nil {
		var parts []Partition
		for _, text := range owned {
			if text != "none" {
				parts = append(parts, s.partition(text))
			}
		}
		req.Owned = assignmentOf(parts)
	}
	answer, err := s.g.Heartbeat(s.now, req)
	if err != nil {
		return "", err
	}
	if answer.Epoch > 0 {
		s.epochs[id] = answer.Epoch
	}
	out := fmt.Sprintf("epoch %d", answer.Epoch)
	if answer.Assignment != nil {
		out += ", assignment: " + s.names(answer.Assignment)
	}
	return out + "\n" + s.woken(id), nil
}

// woken prints who is to hear news, but for the one who was just answered.
func (s *stage) woken(but ...string) string {
	if s.g == nil {
		return ""
	}
	ids := slices.DeleteFunc(s.g.Woken(), func(id string) bool { return slices.Contains(but, id) })
	if len(ids) == 0 {
		return ""
	}
	return "news for " + strings.Join(ids, " ")
}

// names prints partitions as a/0-3 b/1.
func (s *stage) names(a Assignment) string {
	var words []string
	for _, tp := range a {
		name := "deleted"
		for _, t := range s.topics {
			if t.ID == tp.Topic {
				name = t.Name
			}
		}
		for i := 0; i < len(tp.Partitions); {
			j := i
			for j+1 < len(tp.Partitions) && tp.Partitions[j+1] == tp.Partitions[j]+1 {
				j++
			}
			word := fmt.Sprintf("%s/%d", name, tp.Partitions[i])
			if j > i {
				word += fmt.Sprintf("-%d", tp.Partitions[j])
			}
			words = append(words, word)
			i = j + 1
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, " ")
}

func (s *stage) commit(d *datadriven.TestData) (string, error) {
	id := d.CmdArgs[0].Key
	epoch := s.epochs[id]
	if id == "nobody" {
		id, epoch = "", EpochNone
	}
	if v := arg(d, "epoch"); v != "" {
		n, _ := strconv.Atoi(v)
		epoch = int32(n)
	}
	if err := s.g.CheckCommit(id, epoch, s.partition(d.CmdArgs[1].Key)); err != nil {
		return "", err
	}
	return "ok", nil
}

func (s *stage) write() {
	for _, c := range s.g.Changes() {
		switch _, there := s.store[c.Suffix]; {
		case c.Data != nil:
			s.store[c.Suffix] = c.Data
		case there:
			delete(s.store, c.Suffix)
		case !slices.Contains(append(Directories(5), ""), c.Suffix):
			s.t.Errorf("%q is deleted and was not there", c.Suffix)
		}
	}
}

func (s *stage) restart() error {
	var below []Change
	for suffix, data := range s.store {
		if suffix != "" {
			below = append(below, Change{suffix, data})
		}
	}
	node, err := DecodeNode(s.store[""])
	if err != nil {
		return err
	}
	node.Coordinator = Coordinator{Broker: 2, Epoch: 9}
	g, err := Restore(s.now, Stored{ID: "g", Node: node.Encode(), Below: below}, s.opts, NewTopics(s.topics))
	if err == nil && g.Identity().Coordinator != node.Coordinator {
		err = errors.New("the coordinator was forgotten")
	}
	s.g = g
	return err
}

func (s *stage) show() string {
	d := s.g.Describe()
	var b strings.Builder
	fmt.Fprintf(&b, "%v, epoch %d, %v\n", d.State, d.Epoch, d.Assignor)
	for _, m := range d.Members {
		fmt.Fprintf(&b, "%s epoch %d: %s", m.ID, m.Epoch, s.names(m.Assigned))
		if len(m.Revoking) > 0 {
			fmt.Fprintf(&b, "; to let go: %s", s.names(m.Revoking))
		}
		if got, want := s.names(m.Assigned), s.names(m.Target); got != want {
			fmt.Fprintf(&b, "; target: %s", want)
		}
		if m.Away {
			fmt.Fprintf(&b, "; away")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (s *stage) history() string {
	var b strings.Builder
	for _, r := range s.g.History() {
		fmt.Fprintf(&b, "%v epoch %d: %v %s", r.Time.Sub(time.Unix(0, 0)), r.Epoch, r.Reason, r.Detail)
		if r.Events > 1 {
			fmt.Fprintf(&b, " (%d times)", r.Events)
		}
		fmt.Fprintf(&b, ", %d moved", r.Moved)
		if r.Duration >= 0 {
			fmt.Fprintf(&b, ", settled after %v", r.Duration)
		}
		b.WriteString("\n")
	}
	return b.String()
}
