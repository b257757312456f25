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

// classicStage is what a script about a classic group plays on.
type classicStage struct {
	t       *testing.T
	opts    Options
	now     time.Time
	g       *Classic
	store   map[string][]byte
	asked   int
	tickets map[Ticket]string // who waits
	ids     map[string]string // member ids by the names of the script
	last    map[string]int32  // generations
}

// TestClassicScripts runs testdata/classic. A member is called by a name of the script; its id is what it was answered
// last. Commands:
//
//	group [delay=] [max-members=]    a new group; without delay its first members wait for nobody
//	join a [protocols=(p,q)] [says=] [type=] [instance=] [known] [skip] [session=] [timeout=] [id=]
//	sync a [assign=(a:bytes,b:bytes)] [protocol=]
//	beat a, leave a b [instance=], commit a|nobody   each with [generation=] [instance=] [id=]
//	wait 10s                         time passes, the group is ticked
//	restart [lose=suffix]            another coordinator takes over; lose: of the last write that node was not written
//	show, history, nodes
func TestClassicScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/classic", func(t *testing.T, path string) {
		s := &classicStage{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			out, err := s.run(d)
			if err != nil {
				out += "error: " + err.Error()
			}
			out = strings.TrimSpace(out + "\n" + s.settle())
			if out != "" {
				out += "\n"
			}
			return out
		})
	})
}

func (s *classicStage) run(d *datadriven.TestData) (string, error) {
	switch d.Cmd {
	case "group":
		return "", s.start(d)
	case "join":
		return "", s.join(d)
	case "sync":
		s.sync(d)
		return "", nil
	case "beat":
		if err := s.g.Heartbeat(s.now, s.sender(d)); err != nil {
			s.forget(d.CmdArgs[0].Key, err)
			return "", err
		}
		return "ok", nil
	case "commit":
		if err := s.g.CheckCommit(s.now, s.sender(d)); err != nil {
			return "", err
		}
		return "ok", nil
	case "leave":
		return s.leave(d), nil
	case "wait":
		return "", s.wait(d.CmdArgs[0].Key)
	case "restart":
		return "", s.restart(d)
	case "show":
		return s.show(), nil
	case "history":
		return s.history(), nil
	case "nodes":
		var names []string
		for suffix := range s.store {
			names = append(names, suffix)
		}
		slices.Sort(names)
		return strings.Join(names, "\n"), nil
	}
	return "", fmt.Errorf("no command %q", d.Cmd)
}

func (s *classicStage) start(d *datadriven.TestData) (err error) {
	s.now, s.store = time.Unix(0, 0), make(map[string][]byte)
	s.ids, s.last, s.tickets = make(map[string]string), make(map[string]int32), make(map[Ticket]string)
	s.opts = Options{InitialRebalanceDelay: -1}
	if v := arg(d, "delay"); v != "" {
		if s.opts.InitialRebalanceDelay, err = time.ParseDuration(v); err != nil {
			return err
		}
	}
	if v := arg(d, "max-members"); v != "" {
		s.opts.MaxMembers, err = strconv.Atoi(v)
	}
	s.g = NewClassic("g", s.opts)
	return err
}

func (s *classicStage) ticket(name string) Ticket {
	s.asked++
	s.tickets[Ticket(s.asked)] = name
	return Ticket(s.asked)
}

func has(d *datadriven.TestData, flag string) bool {
	return slices.ContainsFunc(d.CmdArgs, func(a datadriven.CmdArg) bool { return a.Key == flag })
}

func (s *classicStage) join(d *datadriven.TestData) (err error) {
	name := d.CmdArgs[0].Key
	req := JoinRequest{
		MemberID: s.ids[name], InstanceID: arg(d, "instance"), ClientID: name, Host: "h", ProtocolType: "consumer",
		SessionTimeout: 10 * time.Second, RebalanceTimeout: time.Minute,
		RequireKnownID: has(d, "known"), CanSkip: has(d, "skip"),
	}
	if has(d, "id") {
		req.MemberID = arg(d, "id")
	}
	if has(d, "type") {
		req.ProtocolType = arg(d, "type")
	}
	if v := arg(d, "session"); v != "" {
		if req.SessionTimeout, err = time.ParseDuration(v); err != nil {
			return err
		}
	}
	if v := arg(d, "timeout"); v != "" {
		if req.RebalanceTimeout, err = time.ParseDuration(v); err != nil {
			return err
		}
	}
	protocols := []string{"range"}
	if has(d, "protocols") {
		protocols = list(d, "protocols")
	}
	for _, p := range protocols {
		if p != "" {
			req.Protocols = append(req.Protocols, Protocol{p, []byte(arg(d, "says"))})
		}
	}
	ticket := s.ticket(name)
	req.Fresh = strconv.Itoa(s.asked)
	s.g.Join(s.now, ticket, req)
	return nil
}

func (s *classicStage) sender(d *datadriven.TestData) Sender {
	name := d.CmdArgs[0].Key
	from := Sender{MemberID: s.ids[name], InstanceID: arg(d, "instance"), Generation: s.last[name]}
	if name == "nobody" {
		from.Generation = -1
	}
	if has(d, "id") {
		from.MemberID = arg(d, "id")
	}
	if v := arg(d, "generation"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			s.t.Fatal(err)
		}
		from.Generation = int32(n)
	}
	return from
}

func (s *classicStage) sync(d *datadriven.TestData) {
	req := SyncRequest{Sender: s.sender(d), Protocol: arg(d, "protocol")}
	for _, pair := range list(d, "assign") {
		name, what, _ := strings.Cut(pair, ":")
		id := s.ids[name]
		if id == "" {
			id = name
		}
		req.Assignments = append(req.Assignments, MemberAssignment{id, []byte(what)})
	}
	s.g.Sync(s.now, s.ticket(d.CmdArgs[0].Key), req)
}

func (s *classicStage) leave(d *datadriven.TestData) string {
	var leavers []Sender
	if v := arg(d, "instance"); v != "" {
		leavers = append(leavers, Sender{MemberID: arg(d, "id"), InstanceID: v})
	}
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			leavers = append(leavers, Sender{MemberID: s.ids[a.Key]})
		}
	}
	var out strings.Builder
	for _, err := range s.g.Leave(s.now, leavers) {
		if err != nil {
			fmt.Fprintf(&out, "error: %v\n", err)
		} else {
			out.WriteString("left\n")
		}
	}
	return out.String()
}

func (s *classicStage) wait(text string) error {
	dur, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	end := s.now.Add(dur)
	for {
		due := s.g.Deadline()
		if due.IsZero() || due.After(end) {
			s.now = end
			return nil
		}
		s.now = due
		s.g.Tick(s.now)
		if again := s.g.Deadline(); !again.IsZero() && !again.After(due) {
			return errors.New("after a tick the same is due again")
		}
	}
}

// settle writes what changed, and prints the answers that are then due.
func (s *classicStage) settle() string {
	if s.g == nil {
		return ""
	}
	for _, c := range s.g.Changes() {
		if _, there := s.store[c.Suffix]; c.Data == nil && !there {
			s.t.Errorf("%q is deleted and was not there", c.Suffix)
		}
		if s.store[c.Suffix] = c.Data; c.Data == nil {
			delete(s.store, c.Suffix)
		}
	}
	var out strings.Builder
	for _, a := range s.g.Answers() {
		name, waits := s.tickets[a.Ticket]
		if !waits {
			s.t.Errorf("ticket %d is answered and waits no more", a.Ticket)
		}
		delete(s.tickets, a.Ticket)
		s.print(&out, name, a)
	}
	return out.String()
}

// forget does what a client does that is no member any more: it joins without member id.
func (s *classicStage) forget(name string, err error) {
	if errors.Is(err, ErrUnknownMember) {
		delete(s.ids, name)
	}
}

func (s *classicStage) print(out *strings.Builder, name string, a ClassicAnswer) {
	if errors.Is(a.Err, ErrMemberIDRequired) || a.Err == nil && a.Join.MemberID != "" {
		s.ids[name] = a.Join.MemberID
	}
	s.forget(name, a.Err)
	switch {
	case a.Err != nil:
		fmt.Fprintf(out, "%s: error: %v\n", name, a.Err)
	case a.Join.MemberID == "":
		fmt.Fprintf(out, "%s: assigned %q\n", name, a.Sync.Assignment)
	default:
		s.last[name] = a.Join.Generation
		fmt.Fprintf(out, "%s: %s in generation %d of %s, led by %s", name, a.Join.MemberID, a.Join.Generation,
			a.Join.Protocol, a.Join.Leader)
		if a.Join.SkipAssignment {
			out.WriteString(", nothing to assign")
		}
		for _, m := range a.Join.Members {
			fmt.Fprintf(out, "\n  %s %q", m.MemberID, m.Metadata)
		}
		out.WriteString("\n")
	}
}

func (s *classicStage) restart(d *datadriven.TestData) (err error) {
	if v := arg(d, "lose"); v != "" {
		delete(s.store, classicSuffix(s.ids[v]))
	}
	var below []Change
	for suffix, data := range s.store {
		if suffix != ClassicDirectory {
			below = append(below, Change{suffix, data})
		}
	}
	clear(s.tickets) // the connections are gone
	s.g, err = RestoreClassic(s.now, "g", s.store[ClassicDirectory], below, s.opts)
	return err
}

func (s *classicStage) show() string {
	g := s.g.Describe()
	var b strings.Builder
	fmt.Fprintf(&b, "%v, generation %d", g.State, g.Generation)
	if g.Protocol != "" {
		fmt.Fprintf(&b, " of %s/%s", g.ProtocolType, g.Protocol)
	}
	for _, m := range g.Members {
		fmt.Fprintf(&b, "\n%s", m.ID)
		if m.ID == g.Leader {
			b.WriteString(" leads,")
		}
		if m.Waits {
			b.WriteString(" waits,")
		}
		fmt.Fprintf(&b, " has %q", m.Assignment)
	}
	return b.String()
}

func (s *classicStage) history() string {
	var b strings.Builder
	for _, r := range s.g.History() {
		fmt.Fprintf(&b, "%v generation %d: %v %s", r.Time.Sub(time.Unix(0, 0)), r.Epoch, r.Reason, r.Detail)
		if r.Events > 1 {
			fmt.Fprintf(&b, " (%d times)", r.Events)
		}
		if r.Duration >= 0 {
			fmt.Fprintf(&b, ", settled after %v", r.Duration)
		}
		b.WriteString("\n")
	}
	return b.String()
}
