package partitionlog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/kv"
)

// TestScripts runs testdata/*.txt. A command works on partition 0 of topic 1:
//
//	append [now=ms] [ts=ms] [producer=id] [epoch=n] [seq=n]   one value a line
//	read offset=n [max=bytes]       records, until the end or max
//	time at=ms                      first record with that timestamp or later
//	age before=ms, bytes keep=n     where retention would cut
//	prefix to=n, suffix to=n        truncate, durably
//	raise to=n, flush               the start in memory; made durable
//	reopen                          close the store and open it again
//	rows                            producers and time rows as they are stored
//
// Each answers what it was told and then, where the log changed, "start..end".
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if !strings.HasSuffix(path, ".txt") {
			t.Skip("not a script")
		}
		s := &script{t: t, disk: disk{fs: vfs.NewMem(), rowBytes: 1 << 10}}
		s.open()
		defer func() { require.NoError(t, s.store.Close()) }()
		datadriven.RunTest(t, path, s.run)
	})
}

type script struct {
	t     *testing.T
	disk  disk
	store *kv.Store
	log   *Log
}

func (s *script) open() {
	var ls *Logs
	s.store, ls = s.disk.open(s.t)
	s.log = mustLog(s.t, ls, 1, 0)
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	arg := func(name string, standard int64) int64 {
		if !d.HasArg(name) {
			return standard
		}
		var text string
		d.ScanArgs(t, name, &text)
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err)
		return n
	}
	var answer string
	var err error
	switch d.Cmd {
	case "append":
		answer, err = s.append(d, arg)
	case "read":
		return s.read(arg("offset", 0), int(arg("max", 1<<20)))
	case "time":
		off, found, err := s.log.OffsetForTime(arg("at", 0))
		require.NoError(t, err)
		return fmt.Sprintf("offset %d timestamp %d found %v\n", off.Offset, off.Timestamp, found)
	case "age":
		offset, err := s.log.StartForAge(arg("before", 0))
		require.NoError(t, err)
		return fmt.Sprintf("cut at %d\n", offset)
	case "bytes":
		offset, err := s.log.StartForBytes(arg("keep", 0))
		require.NoError(t, err)
		return fmt.Sprintf("cut at %d of %d bytes\n", offset, s.log.Stats().Bytes)
	case "prefix":
		err = s.wait(s.log.TruncatePrefix(arg("to", 0)))
	case "suffix":
		err = s.wait(s.log.TruncateSuffix(arg("to", 0)))
	case "raise":
		s.log.RaiseStart(arg("to", 0))
	case "flush":
		r, ok := s.log.logs.FlushStarts()
		if !ok {
			return "nothing to do\n"
		}
		waitFor(t, r)
	case "reopen":
		require.NoError(t, s.store.Close())
		s.open()
	case "rows":
		return s.rows()
	default:
		t.Fatalf("unknown command %s", d.Cmd)
	}
	if err != nil {
		return err.Error() + "\n"
	}
	start, end := s.log.Bounds()
	return fmt.Sprintf("%slog %d..%d\n", answer, start, end)
}

func (s *script) wait(r Receipt, err error) error {
	if err != nil {
		return err
	}
	<-r.Done()
	return r.Err()
}

func (s *script) append(d *datadriven.TestData, arg func(string, int64) int64) (string, error) {
	p := noSeq
	if d.HasArg("producer") {
		p = seq{id: arg("producer", 0), epoch: int16(arg("epoch", 0)), first: int32(arg("seq", 0))}
	}
	values := strings.Split(strings.TrimSpace(d.Input), "\n")
	b := batchOf(s.t, p, arg("ts", 0), values...)
	r, err := s.log.Append(b, AppendOptions{Now: arg("now", 1000)})
	if err := s.wait(r, err); err != nil {
		return "", err
	}
	duplicate := ""
	if r.Duplicate {
		duplicate = "duplicate of "
	}
	return fmt.Sprintf("%s%d..%d appended at %d\n", duplicate, r.Base, r.Last, r.AppendTime), nil
}

func (s *script) read(offset int64, max int) string {
	r, err := s.log.Read(nil, offset, max)
	var out *OffsetRangeError
	if errors.As(err, &out) {
		return err.Error() + "\n"
	}
	require.NoError(s.t, err)
	records, err := recordsOf(r.Data)
	require.NoError(s.t, err)
	var text strings.Builder
	for _, rec := range records {
		fmt.Fprintf(&text, "%d: %s\n", rec.Offset, rec.Value)
	}
	if len(records) == 0 {
		return "at the end\n"
	}
	return text.String()
}

func (s *script) rows() string {
	var text strings.Builder
	require.NoError(s.t, s.store.Producers(s.log.part, func(id int64, v []byte) bool {
		state, err := decodeProducer(v)
		require.NoError(s.t, err)
		fmt.Fprintf(&text, "producer %d epoch %d:", id, state.epoch)
		for _, b := range state.list() {
			fmt.Fprintf(&text, " %d-%d at %d", b.first, b.last(), b.base)
		}
		fmt.Fprintln(&text)
		return true
	}))
	require.NoError(s.t, s.log.rows(0, 1<<62, func(r timeRow) bool {
		fmt.Fprintf(&text, "time row %d..%d: max %d, appended %d, before it %d bytes\n",
			r.base, r.last, r.max, r.appended, r.bytes)
		return true
	}))
	return text.String()
}
