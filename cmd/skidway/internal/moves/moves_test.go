package moves

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// What is written reads back the same, whatever topics are called and partitions are moved.
func TestWrittenReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := List{Cluster: rapid.StringMatching(`[0-9A-Za-z_-]{22}`).Draw(t, "cluster")}
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-zA-Z0-9._-]{1,9}`), 0, 4, rapid.ID).Draw(t, "topics")
		for _, topic := range names {
			for _, n := range rapid.SliceOfNDistinct(rapid.Int32Range(0, 1<<31-1), 1, 3, rapid.ID).Draw(t, "partitions") {
				ids := rapid.SliceOfNDistinct(rapid.Int32Range(0, 1<<31-1), 1, 4, rapid.ID)
				list.Moves = append(list.Moves, Move{Topic: topic, Partition: n, Replicas: ids.Draw(t, "replicas"),
					Was: ids.Draw(t, "was")})
			}
		}
		var b strings.Builder
		require.NoError(t, list.Write(&b, "A line about it.", ""))
		require.True(t, strings.HasPrefix(b.String(), "# A line about it.\n#\ncluster = "))
		got, err := parse("x.toml", []byte(b.String()))
		require.NoError(t, err, b.String())
		require.Equal(t, list.Cluster, got.Cluster)
		require.Len(t, got.Moves, len(list.Moves))
		for i, m := range got.Moves {
			want := list.Moves[i]
			require.Equal(t, Move{Topic: want.Topic, Partition: want.Partition, Replicas: want.Replicas, at: m.at}, m)
		}
	})
}

// A fault that the cluster finds names the line of the move.
func TestFaultNamesTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.toml")
	require.NoError(t, os.WriteFile(path, []byte("[topics.a]\n0 = [1]\n[topics]\nb.7 = [2, 3]\n"), 0o600))
	list, err := Read(path)
	require.NoError(t, err)
	f := list.Fault(&list.Moves[1], failure.Refused("E110", "no topic %q", "b"))
	require.Equal(t, fmt.Sprintf("%s:4: no topic \"b\" [E110]", path), f.Error())
	require.Contains(t, f.Snippet, "   4| b.7 = [2, 3]\n")
	require.Equal(t, failure.ExitRefused, f.Exit)
}

func TestTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.toml")
	require.NoError(t, os.WriteFile(path, make([]byte, maxBytes+1), 0o600))
	_, err := Read(path)
	require.ErrorContains(t, err, "x.toml: larger than 16 MiB [E206]")
}

// FuzzParse holds that no file panics, that what is accepted is whole, and that every fault has a code and names the
// file.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"cluster = \"x\"\n[topics.orders]\n0 = [1, 2]\n", "topics.a.0 = [1]", "topics = {a = {0 = [1]}}",
		"[[topics]]\n0 = [1]",
		"[topics.a]\n0 = [[1]]", "[topics.a.b]\n0 = [1]", "[topics.a]\n0 = [99999999999]", "[topics]\n0 = 1", "[x]\na = 1",
		"[topics.\"lög\"]\n0x1 = [0x1]", "\xef\xbb\xbf[topics.a]\r\n0 = [1]\r\n", "[topics.a]\n0 = [1.5, true, \"1\"]",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parse("x.toml", []byte(text))
		if err == nil {
			for _, m := range list.Moves {
				if m.Partition < 0 || len(m.Replicas) == 0 {
					t.Fatalf("accepted %+v", m)
				}
			}
			return
		}
		var l failure.List
		var one *failure.Failure
		if !errors.As(err, &l) && errors.As(err, &one) {
			l = failure.List{one}
		}
		if len(l) == 0 {
			t.Fatalf("%v is no failure", err)
		}
		for _, fault := range l {
			if fault.Code == "" || fault.Exit != failure.ExitUsage || !strings.HasPrefix(fault.Message, "x.toml") {
				t.Fatalf("%+v", fault)
			}
		}
	})
}
