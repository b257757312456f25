package replication

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// planned is a cluster as a controller sees it, to which plans are applied.
type planned struct {
	t *testing.T
	s Snapshot
}

// TestPlan runs the scripts of testdata/plan.
//
//	brokers        one a line: id [be=] [sid=] [rack=] [draining]; replaces all
//	topic          id= partitions= rf= min= [deleting]; adds or replaces it
//	set            part=topic/index, and what a leader wrote: isr=(..) elr=(..); or target=(..),
//	               unclean=(broker, epoch seen), version=
//	decommission   [moves=n] ids
//	plan           [preferred]: one turn of the controller, applied
//	settle         turns until nothing changes; adding replicas join the ISR between them
//	show           leaders and replicas by broker
//	movable        leaderships by broker that draining it waits for
//
// The storage id of a broker is ten times its id and one more, where nothing else is said.
func TestPlan(t *testing.T) {
	datadriven.Walk(t, "testdata/plan", func(t *testing.T, path string) {
		p := &planned{t: t}
		p.s.ControllerEpoch = 1
		datadriven.RunTest(t, path, p.run)
	})
}

func (p *planned) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "brokers":
		p.s.Brokers = nil
		for line := range strings.Lines(d.Input) {
			p.s.Brokers = append(p.s.Brokers, parseBroker(t, strings.Fields(line)))
		}
		return ""
	case "topic":
		p.topic(d)
		return ""
	case "set":
		p.set(d)
		return ""
	case "decommission":
		p.s.Decommission, p.s.MaxMoves = nil, 0
		d.MaybeScanArgs(t, "moves", &p.s.MaxMoves)
		for _, f := range strings.Fields(d.Input) {
			p.s.Decommission = append(p.s.Decommission, number(t, f))
		}
		return ""
	case "plan":
		p.s.Preferred = d.HasArg("preferred")
		return p.turn()
	case "settle":
		return p.settle()
	case "show":
		return p.show()
	case "movable":
		return p.movable()
	}
	t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
	return ""
}

func number(t *testing.T, s string) int32 {
	n, err := strconv.ParseInt(s, 10, 32)
	require.NoError(t, err)
	return int32(n)
}

func storageOf(id int32) uint64 { return uint64(10*id + 1) }

func parseBroker(t *testing.T, fields []string) Broker {
	id := number(t, fields[0])
	b := Broker{Member: Member{id, storageOf(id)}, Epoch: 1}
	for _, f := range fields[1:] {
		switch key, value, _ := strings.Cut(f, "="); key {
		case "be":
			b.Epoch = number(t, value)
		case "sid":
			b.Member.Storage = uint64(number(t, value))
		case "rack":
			b.Rack = value
		case "draining":
			b.Draining = true
		default:
			t.Fatalf("unknown field %q", f)
		}
	}
	return b
}

func (p *planned) topic(d *datadriven.TestData) {
	topic := Topic{Replicas: 1, MinISR: 1, Deleting: d.HasArg("deleting")}
	d.ScanArgs(p.t, "id", &topic.ID)
	d.MaybeScanArgs(p.t, "partitions", &topic.Partitions)
	d.MaybeScanArgs(p.t, "rf", &topic.Replicas)
	d.MaybeScanArgs(p.t, "min", &topic.MinISR)
	i := slices.IndexFunc(p.s.Topics, func(x Topic) bool { return x.ID == topic.ID })
	if i < 0 {
		p.s.Topics = append(p.s.Topics, topic)
		return
	}
	p.s.Topics[i] = topic
}

func (p *planned) find(topic uint64, index int32) int {
	return slices.IndexFunc(p.s.Partitions, func(x Partition) bool { return x.Topic == topic && x.Index == index })
}

func (p *planned) set(d *datadriven.TestData) {
	var part string
	d.ScanArgs(p.t, "part", &part)
	topic, index, _ := strings.Cut(part, "/")
	i := p.find(uint64(number(p.t, topic)), number(p.t, index))
	require.GreaterOrEqual(p.t, i, 0, "%s: no partition %s", d.Pos, part)
	at := &p.s.Partitions[i]
	for _, arg := range d.CmdArgs {
		var ids []int32
		for _, v := range arg.Vals {
			if v != "" && arg.Key != "part" {
				ids = append(ids, number(p.t, v))
			}
		}
		switch arg.Key {
		case "isr":
			at.State.ISR = p.members(ids)
			at.Version++
		case "elr":
			at.State.ELR = p.members(ids)
		case "target":
			at.Target = ids
		case "unclean":
			at.Unclean = &UncleanOrder{ids[0], ids[1]}
		}
	}
}

func (p *planned) members(ids []int32) (out []Member) {
	for _, id := range ids {
		out = append(out, Member{id, storageOf(id)})
	}
	return out
}

// turn applies what a controller changes, and tells it.
func (p *planned) turn() string {
	var out strings.Builder
	for _, c := range Plan(p.s) {
		i := p.find(c.Topic, c.Index)
		switch c.Kind {
		case CreatePartition:
			require.Negative(p.t, i)
			p.s.Partitions = append(p.s.Partitions, Partition{Topic: c.Topic, Index: c.Index, State: c.State})
			fmt.Fprintf(&out, "create %d/%d: %s\n", c.Topic, c.Index, describe(c.State))
		case SetPartition:
			require.Equal(p.t, p.s.Partitions[i].Version, c.Version)
			require.NotEmpty(p.t, c.State.ISR)
			p.s.Partitions[i].State = c.State
			p.s.Partitions[i].Version++
			fmt.Fprintf(&out, "set %d/%d: %s\n", c.Topic, c.Index, describe(c.State))
		case DeletePartition:
			p.s.Partitions = slices.Delete(slices.Clone(p.s.Partitions), i, i+1)
			fmt.Fprintf(&out, "delete %d/%d\n", c.Topic, c.Index)
		case DeleteTopic:
			p.s.Topics = slices.DeleteFunc(p.s.Topics, func(t Topic) bool { return t.ID == c.Topic })
			fmt.Fprintf(&out, "delete topic %d\n", c.Topic)
		}
	}
	return out.String()
}

// settle lets the controller turn, and the leaders take in who is missing, until nothing changes.
func (p *planned) settle() string {
	for turns := 0; ; turns++ {
		require.Less(p.t, turns, 50, "the plan does not come to rest")
		changed := len(Plan(p.s)) > 0
		p.turn()
		for i := range p.s.Partitions {
			s := &p.s.Partitions[i].State
			for _, id := range s.Replicas {
				b := slices.IndexFunc(p.s.Brokers, func(b Broker) bool { return b.Member.Broker == id && !b.Draining })
				if s.Leader != NoLeader && !holds(s.ISR, id) && b >= 0 {
					*s = s.withISR(append(slices.Clone(s.ISR), p.s.Brokers[b].Member))
					p.s.Partitions[i].Version++
					changed = true
				}
			}
		}
		if !changed {
			return p.show()
		}
	}
}

func (p *planned) show() string {
	var out strings.Builder
	for i := range p.s.Partitions {
		if len(p.s.Partitions) <= 4 {
			fmt.Fprintf(&out, "%d/%d: %s\n", p.s.Partitions[i].Topic, p.s.Partitions[i].Index,
				describe(p.s.Partitions[i].State))
		}
	}
	for _, b := range p.s.Brokers {
		leads, replicas := Held(&p.s, b.Member.Broker)
		fmt.Fprintf(&out, "broker %d: leads %d of %d\n", b.Member.Broker, leads, replicas)
	}
	return out.String()
}

// movable tells of each broker what draining it would wait for.
func (p *planned) movable() string {
	var out strings.Builder
	for _, b := range p.s.Brokers {
		fmt.Fprintf(&out, "broker %d: %d\n", b.Member.Broker, Movable(&p.s, b.Member.Broker))
	}
	return out.String()
}

func describe(s State) string {
	var out strings.Builder
	if s.Leader == NoLeader {
		fmt.Fprintf(&out, "no leader (last %d)", s.LastLeader)
	} else {
		fmt.Fprintf(&out, "leader %d be %d", s.Leader, s.LeaderBrokerEpoch)
	}
	fmt.Fprintf(&out, ", epoch %d, replicas %v", s.LeaderEpoch, s.Replicas)
	if len(s.Adding)+len(s.Removing) > 0 {
		fmt.Fprintf(&out, " adding %v removing %v", s.Adding, s.Removing)
	}
	fmt.Fprintf(&out, ", isr %s of %d", membersText(s.ISR), s.MinISR)
	if len(s.ELR) > 0 {
		fmt.Fprintf(&out, ", elr %s", membersText(s.ELR))
	}
	if len(s.UncleanEpochs) > 0 {
		fmt.Fprintf(&out, ", unclean %v", s.UncleanEpochs)
	}
	return out.String()
}

func membersText(ms []Member) string {
	var ids []string
	for _, m := range ms {
		text := fmt.Sprint(m.Broker)
		if m.Storage != storageOf(m.Broker) {
			text += fmt.Sprint("#", m.Storage)
		}
		ids = append(ids, text)
	}
	return "[" + strings.Join(ids, " ") + "]"
}
