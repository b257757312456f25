// Package moves is the file in which it stands where partitions are to be: reassign plan writes it, people edit it,
// reassign apply reads it.
//
//	cluster = "0p6IgPXX6DJaTWSfoiwtXQ"
//
//	[topics.orders]
//	0 = [3, 1, 2] # was 1,2,3
//
// It knows no cluster: whether there are such topics and brokers is the commands' matter.
package moves

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/tomlfile"
)

// maxBytes bounds a file: a line for each of the most partitions that one request may name.
const maxBytes = 16 << 20

// Move is a partition, and where it is to be.
type Move struct {
	Topic     string
	Partition int32
	Replicas  []int32 // the preferred leader first; at least one, none twice
	Was       []int32 // written only, as a comment

	at tomlfile.Span
}

// List is the content of a file.
type List struct {
	Cluster string // the id of the cluster that it is for; "": any
	Moves   []Move // in the file's order, no partition twice

	file *tomlfile.File
}

// Write writes a file. Each line of about becomes a comment at its top. Moves of one topic must stand together.
func (l *List) Write(w io.Writer, about ...string) error {
	b := bufio.NewWriter(w)
	for _, line := range about {
		fmt.Fprintln(b, strings.TrimRight("# "+line, " "))
	}
	fmt.Fprintf(b, "cluster = %s\n", strconv.Quote(l.Cluster))
	topic := ""
	for _, m := range l.Moves {
		if m.Topic != topic {
			topic = m.Topic
			fmt.Fprintf(b, "\n[topics.%s]\n", key(topic))
		}
		fmt.Fprintf(b, "%d = [%s] # was %s\n", m.Partition, joined(m.Replicas, ", "), joined(m.Was, ","))
	}
	return b.Flush()
}

// key writes a topic's name as TOML has it: names with a dot need quotes.
func key(name string) string {
	if strings.Contains(name, ".") {
		return strconv.Quote(name)
	}
	return name
}

func joined(ids []int32, separator string) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(int(id))
	}
	return strings.Join(texts, separator)
}

// Read reads a file. The error is a failure.List, or one Failure, that names the lines.
func Read(path string) (*List, error) {
	text, err := tomlfile.Read(path, maxBytes)
	if err != nil {
		return nil, &failure.Failure{Code: failure.CodeInput, Exit: failure.ExitUsage, Err: err,
			Message: fmt.Sprintf("cannot read %s: %v", path, err),
			Hint:    "write one with  skidway reassign plan -o " + path}
	}
	return parse(path, text)
}

// reading is a List under way.
type reading struct {
	*List
	section []string
	faults  failure.List
	seen    map[string]map[int32]bool
}

func parse(path string, text []byte) (*List, error) {
	r := &reading{List: &List{file: tomlfile.New(path, text)}, seen: make(map[string]map[int32]bool)}
	err := r.file.Walk(func(e *unstable.Node) {
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			r.enter(e)
		case unstable.KeyValue:
			r.keyValue(e)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case len(r.faults) > 0:
		return nil, r.faults
	}
	return r.List, nil
}

const form = `a file has  cluster = "ID"  and for each topic  [topics.NAME]  with lines  PARTITION = [BROKER, ...]`

func (r *reading) enter(e *unstable.Node) {
	names, at := r.file.Name(e.Key())
	r.section, r.file.Header = names, 0
	if e.Kind != unstable.Table || names[0] != "topics" || len(names) > 2 {
		r.fault(at, "no section [%s] is expected", strings.Join(names, ".")).Hint = form
		return
	}
	r.file.Header = at.Line
}

func (r *reading) keyValue(e *unstable.Node) {
	names, at := r.file.Name(e.Key())
	path := slices.Concat(r.section, names)
	switch {
	case len(path) == 1 && path[0] == "cluster" && e.Value().Kind == unstable.String:
		r.Cluster = string(e.Value().Data)
	case path[0] == "topics" && len(path) == 3:
		r.move(path[1], path[2], e.Value(), at)
	case len(r.section) > 0 && (r.section[0] != "topics" || len(r.section) > 2): // told already
	default:
		r.fault(at, "%s is not expected", strings.Join(path, ".")).Hint = form
	}
}

func (r *reading) move(topic, partition string, value *unstable.Node, at tomlfile.Span) {
	n, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || n < 0 {
		r.fault(at, "%q is no partition of topic %q: they are numbered from 0", partition, topic)
		return
	}
	m := Move{Topic: topic, Partition: int32(n), at: at}
	if r.seen[topic][m.Partition] {
		r.fault(at, "partition %d of topic %q stands here a second time", n, topic)
		return
	}
	if r.seen[topic] == nil {
		r.seen[topic] = make(map[int32]bool)
	}
	r.seen[topic][m.Partition] = true
	if value.Kind != unstable.Array {
		r.fault(at, "partition %d of topic %q wants a list of brokers, such as [3, 1, 2]", n, topic)
		return
	}
	for children := value.Children(); children.Next(); {
		id, err := strconv.ParseInt(string(children.Node().Data), 10, 32)
		switch {
		case children.Node().Kind != unstable.Integer || err != nil || id < 0:
			r.fault(at, "partition %d of topic %q: %s is no broker's id", n, topic, children.Node().Data)
			return
		case slices.Contains(m.Replicas, int32(id)):
			r.fault(at, "partition %d of topic %q: broker %d is named twice", n, topic, id)
			return
		}
		m.Replicas = append(m.Replicas, int32(id))
	}
	if len(m.Replicas) == 0 {
		r.fault(at, "partition %d of topic %q has no broker in its list", n, topic)
		return
	}
	r.Moves = append(r.Moves, m)
}

func (r *reading) fault(at tomlfile.Span, format string, args ...any) *failure.Failure {
	f := failure.BadValue(r.file.Where(at), format, args...)
	f.Snippet = r.file.Snippet(at, "here")
	r.faults = append(r.faults, f)
	return f
}

// Fault is a failure of one move that was read, with its line.
func (l *List) Fault(m *Move, f *failure.Failure) *failure.Failure {
	l.file.Header = 0
	f.Message = l.file.Where(m.at) + ": " + f.Message
	f.Snippet = l.file.Snippet(m.at, "here")
	return f
}
