package broker

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

// The scripts in testdata/records and testdata/topics show what a client sees, one request after the other:
//
//	create T [partitions=N] [SETTING=VALUE ...]    alter T [SETTING=VALUE ...] [unset=SETTING]
//	grow T partitions=N                            delete T          describe T          list
//	produce T PARTITION VALUE ...                  fetch T PARTITION OFFSET
//	delete-records T PARTITION BEFORE              offsets T PARTITION              restart
func TestScripts(t *testing.T) {
	run := func(t *testing.T, path string) {
		s := &script{dir: t.TempDir()}
		s.node = startNode(t, s.inDir)
		defer func() { s.stopNode() }()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out, err := s.run(d)
			out = strings.TrimSpace(out)
			switch {
			case err != nil:
				out = "error: " + err.Error()
			case out == "":
				out = "ok"
			}
			return out + "\n"
		})
	}
	datadriven.Walk(t, "testdata/records", run)
	datadriven.Walk(t, "testdata/topics", run)
}

type script struct {
	*node
	dir string
}

func (s *script) inDir(c *Config) { c.DataDir = s.dir }

// words are the arguments without a value, pairs those with one.
func words(d *datadriven.TestData) (words []string, pairs map[string]string) {
	pairs = map[string]string{}
	for _, arg := range d.CmdArgs {
		if len(arg.Vals) == 0 {
			words = append(words, arg.Key)
		} else {
			pairs[arg.Key] = arg.Vals[0]
		}
	}
	return words, pairs
}

func number(t testing.TB, text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return n
}

// orError is nil for a nil *wire.Error.
func orError(e *wire.Error) error {
	if e == nil {
		return nil
	}
	return e
}

func settingsOf(pairs map[string]string) (list []wire.Setting) {
	for name, value := range pairs {
		list = append(list, wire.Setting{Name: name, Value: value})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list
}

func (s *script) run(d *datadriven.TestData) (string, error) {
	w, pairs := words(d)
	partitions := int32(0)
	if text, ok := pairs["partitions"]; ok {
		partitions = int32(number(s.t, text))
		delete(pairs, "partitions")
	}
	switch d.Cmd {
	case "create":
		r := createOne(s.node, wire.NewTopic{Name: w[0], Partitions: partitions, Settings: settingsOf(pairs)})
		return fmt.Sprintf("%s: %d partitions\n", w[0], r.Partitions), orError(r.Error)
	case "alter":
		change := wire.TopicChange{Name: w[0]}
		if name, ok := pairs["unset"]; ok {
			change.Unset = []string{name}
			delete(pairs, "unset")
		}
		change.Set = settingsOf(pairs)
		r := do[*wire.AlterTopicsResponse](s.node, &wire.AlterTopicsRequest{Topics: []wire.TopicChange{change}})
		return "", orError(r.Topics[0].Error)
	case "grow":
		r := do[*wire.AddPartitionsResponse](s.node, &wire.AddPartitionsRequest{
			Topics: []wire.PartitionCount{{Name: w[0], Total: partitions}},
		})
		return "", orError(r.Topics[0].Error)
	case "delete":
		r := do[*wire.DeleteTopicsResponse](s.node, &wire.DeleteTopicsRequest{Names: w})
		return "", orError(r.Topics[0].Error)
	case "list":
		return s.list(), nil
	case "describe":
		return s.describe(w[0])
	case "restart":
		s.stopNode()
		s.node = startNode(s.t, s.inDir)
		return "", nil
	}
	return s.records(d.Cmd, w)
}

// records are the commands on one partition's records.
func (s *script) records(cmd string, w []string) (string, error) {
	md := do[*wire.MetadataResponse](s.node, &wire.MetadataRequest{Topics: w[:1]}).Topics[0]
	if md.Error != nil {
		return "", md.Error
	}
	partition := int32(number(s.t, w[1]))
	switch cmd {
	case "produce":
		r := s.produce(md.ID, partition, batch(s.t, w[2:]...))
		return fmt.Sprintf("offset %d\n", r.BaseOffset), orError(r.Error)
	case "fetch":
		offset := number(s.t, w[2])
		r := s.fetch(md.ID, partition, offset)
		return fmt.Sprint(values(s.t, r.Batches, offset)), orError(r.Error)
	case "delete-records":
		r := do[*wire.DeleteRecordsResponse](s.node, deleteBefore(md.ID, partition, number(s.t, w[2])))
		p := r.Topics[0].Partitions[0]
		return fmt.Sprintf("start %d\n", p.Start), orError(p.Error)
	case "offsets":
		out := ""
		for _, at := range []int64{wire.AtStart, wire.AtEnd} {
			r := do[*wire.ListOffsetsResponse](s.node, &wire.ListOffsetsRequest{Topics: []wire.ListOffsetsTopic{
				{ID: md.ID, Partitions: []wire.ListOffsetsPartition{{Index: partition, At: at}}},
			}}).Topics[0].Partitions[0]
			if r.Error != nil {
				return out, r.Error
			}
			out += fmt.Sprintf("%d ", r.Offset)
		}
		return out, nil
	}
	s.t.Fatalf("no command %q", cmd)
	return "", nil
}

func (s *script) list() (out string) {
	for _, t := range do[*wire.ListTopicsResponse](s.node, &wire.ListTopicsRequest{}).Topics {
		out += fmt.Sprintf("%s: %d partitions, %d records, %s\n", t.Name, t.Partitions, t.Records, t.Health)
	}
	return out
}

func (s *script) describe(name string) (string, error) {
	d := do[*wire.DescribeTopicsResponse](s.node, &wire.DescribeTopicsRequest{Names: []string{name}}).Topics[0]
	if d.Error != nil {
		return "", d.Error
	}
	out := ""
	for _, v := range d.Settings {
		if v.Origin != wire.OriginDefault {
			out += fmt.Sprintf("%s = %s (%s)\n", v.Name, v.Value, v.Origin)
		}
	}
	for _, p := range d.Partitions {
		out += fmt.Sprintf("partition %d: %d..%d\n", p.Index, p.Start, p.End)
	}
	return out, nil
}
