package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/tomlfile"
	"github.com/skidway/skidway/kv"
)

// load reads text as skidway.toml in a directory of its own, which becomes the working directory, so that messages
// name the file as a user would.
func load(t *testing.T, text string, env []string, args ...string) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	s := Sources{Env: append([]string{"HOME=/home/me"}, env...), Flags: pflag.NewFlagSet("serve", pflag.ContinueOnError)}
	if text != "" {
		s.Path = "skidway.toml"
		require.NoError(t, os.WriteFile(s.Path, []byte(text), 0o600))
	}
	AddFlags(s.Flags)
	require.NoError(t, s.Flags.Parse(args))
	return Load(s)
}

func printed(err error) string {
	var b strings.Builder
	failure.Print(&b, err, failure.Text)
	return b.String()
}

func TestDefaults(t *testing.T) {
	c, err := load(t, "", nil)
	require.NoError(t, err)
	require.Equal(t, int32(1), c.NodeID)
	require.Equal(t, "/home/me/.local/share/skidway", c.DataDir)
	require.Equal(t, "127.0.0.1:7440", c.Listen)
	require.Equal(t, "127.0.0.1:7441", c.HTTP)
	require.Equal(t, kv.FsyncBatch, c.Fsync)
	require.Equal(t, 50*time.Millisecond, c.FsyncInterval)
	require.Equal(t, "7d", c.TopicSettings["retention"])
	require.Equal(t, int64(8<<20), c.RequestBytes)
	require.Zero(t, c.Connections)
	require.False(t, c.AutoCreateTopics)
	for _, k := range Keys() {
		require.Equal(t, Default, c.Value(k.Name).Layer, k.Name)
	}
}

func TestDataDirFollowsXDG(t *testing.T) {
	for _, c := range []struct {
		env  []string
		mode Mode
		want string
	}{
		{[]string{"HOME=/h"}, Development, "/h/.local/share/skidway/dev"},
		{[]string{"HOME=/h", "XDG_DATA_HOME=/x"}, Production, "/x/skidway"},
		{[]string{"HOME=/h", "XDG_DATA_HOME=relative"}, Production, "/h/.local/share/skidway"},
		{nil, Development, ""},
	} {
		got, err := Load(Sources{Env: c.env, Mode: c.mode})
		require.NoError(t, err)
		require.Equal(t, c.want, got.DataDir)
		require.Equal(t, c.mode == Development, got.AutoCreateTopics)
	}
}

func TestFlagOverVariableOverFileOverDefault(t *testing.T) {
	const file = "listen = \"127.0.0.1:1\"\n[log]\nretention = \"1d\"\nfsync = \"os\"\n"
	env := []string{"SKIDWAY_LOG_RETENTION=2d", "SKIDWAY_LOG_FSYNC=interval", "SKIDWAY_HTTP="}
	c, err := load(t, file, env, "--log.retention=3d", "--insecure")
	require.NoError(t, err)
	require.Equal(t, "3d", c.TopicSettings["retention"])
	require.Equal(t, kv.FsyncInterval, c.Fsync)
	require.True(t, c.Insecure)
	for name, want := range map[string][2]string{
		"log.retention": {"3d", "--log.retention"}, "log.fsync": {"interval", "SKIDWAY_LOG_FSYNC"},
		"listen": {"127.0.0.1:1", "skidway.toml:1"}, "http": {"127.0.0.1:7441", "default"}, "insecure": {"true",
			"--insecure"},
	} {
		v := c.Value(name)
		require.Equal(t, want, [2]string{v.Text, v.Where}, name)
	}
}

func TestEveryKeyHasAFlagAVariableAndALine(t *testing.T) {
	var text strings.Builder
	require.NoError(t, Write(&text))
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(flags)
	for _, k := range Keys() {
		require.NotNil(t, flags.Lookup(k.Flag()), k.Name)
		require.Contains(t, text.String(), "\n#"+k.Leaf()+" = ", k.Name)
		require.Empty(t, UnknownVariables([]string{k.Variable() + "=x"}, nil))
		require.NotEmpty(t, k.Doc, k.Name)
		require.False(t, strings.HasSuffix(k.Doc, "."), k.Name)
	}
}

func TestWhatInitWritesChangesNothing(t *testing.T) {
	var text strings.Builder
	require.NoError(t, Write(&text))
	commented, err := load(t, text.String(), nil)
	require.NoError(t, err)
	active := strings.NewReplacer("\n#", "\n").Replace(text.String())
	active = strings.NewReplacer("\n ", "\n# ").Replace(active)
	lines, err := load(t, active, nil)
	require.NoError(t, err, active)
	for _, k := range Keys() {
		require.Equal(t, commented.Value(k.Name).Text, lines.Value(k.Name).Text+emptyDir(k, commented), k.Name)
		require.Equal(t, File, lines.Value(k.Name).Layer, k.Name)
	}
}

// emptyDir is the one default that depends on the machine: the file leaves it empty.
func emptyDir(k Key, c *Config) string {
	if k.Name == "data_dir" {
		return c.DataDir
	}
	return ""
}

func TestUnknownKey(t *testing.T) {
	_, err := load(t, "node_id = 1\n\n\n[log]\nretension = \"7d\"\n", nil)
	require.Equal(t, `error: skidway.toml:5: unknown setting "retension" in [log]   [E201]
   4| [log]
   5| retension = "7d"
    | ~~~~~~~~~ did you mean "retention"?
`, printed(err))
	require.Equal(t, failure.ExitUsage, failure.ExitCode(err))
}

func TestUnknownKeysAreAllReported(t *testing.T) {
	_, err := load(t,
		"retention = \"1d\"\nlissen = \"x\"\nzzz = 1\n[lgo]\nretention=\"7d\"\n[storage]\n\tcach = \"1GiB\"\n[[log]]\n", nil)
	require.Equal(t, `error: skidway.toml:1: unknown setting "retention"   [E201]
   1| retention = "1d"
    | ~~~~~~~~~ belongs in [log]
error: skidway.toml:2: unknown setting "lissen"   [E201]
   2| lissen = "x"
    | ~~~~~~ did you mean "listen"?
error: skidway.toml:3: unknown setting "zzz"   [E201]
   3| zzz = 1
    | ~~~ no setting has this name
  hint: all settings, with what they do:  skidway config init
error: skidway.toml:4: unknown section [lgo]   [E201]
   4| [lgo]
    |  ~~~ did you mean "log"?
error: skidway.toml:7: unknown setting "cach" in [storage]   [E201]
   6| [storage]
   7|  cach = "1GiB"
    |  ~~~~ did you mean "cache"?
error: skidway.toml:8: unknown section [log]   [E201]
   8| [[log]]
    |   ~~~ did you mean "log"?
`, printed(err))
}

func TestBadValueNamesWhereItStands(t *testing.T) {
	_, err := load(t, "[log]\nfsync_interval = \"soon\"\n", nil)
	got := printed(err)
	require.Contains(t, got, "error: skidway.toml:2: log.fsync_interval: ")
	require.Contains(t, got,
		"   1| [log]\n   2| fsync_interval = \"soon\"\n    |                  ~~~~~~ wants a duration\n")
	require.Contains(t, got, "[E202]")

	_, err = load(t, "", []string{"SKIDWAY_NODE_ID=zero"})
	require.Contains(t, printed(err), `error: SKIDWAY_NODE_ID: "zero" is not a whole number`)
	_, err = load(t, "", nil, "--listen", "7440")
	require.Contains(t, printed(err), "error: --listen: \"7440\" is not HOST:PORT   [E202]\n  hint: it wants HOST:PORT\n")
	_, err = load(t, "listen = [\"a\", \"b\"]\nhttp = 2026-01-01\n", nil)
	require.Contains(t, printed(err), "skidway.toml:1: array is no value for a setting")
	require.Contains(t, printed(err), "skidway.toml:2: localdate is no value for a setting")
}

func TestBadValues(t *testing.T) {
	for arg, says := range map[string]string{
		"--node-id=0": "not a whole number", "--node-id=-1": "not a whole number",
		"--node-id=4294967297": "not a whole number",
		"--log.retention=7":    "7", "--log.retention=0s": "at least", "--log.retention=-7d": "-7d",
		"--log.fsync=always":        "always",
		"--log.retention-bytes=80%": "share of the disk is not offered", "--log.retention-bytes=-1": "-1",
		"--storage.cache=0": "not more than nothing", "--limits.connections=many": "many",
		"--http=localhost":         "not HOST:PORT",
		"--listen=127.0.0.1:70000": "no port number", "--listen=a b:1": "no host",
		"--auto-create-topics=maybe": "neither true nor false",
		"--log-format=xml":           "none of auto, text, json", "--topic-defaults.timestamps=now": "create or append",
		"--topic-defaults.max-batch-bytes=1GiB": "64MiB", "--log.fsync-interval=0s": "not more than nothing",
	} {
		_, err := load(t, "", nil, arg)
		require.ErrorContains(t, err, says, arg)
		require.ErrorContains(t, err, "E202", arg)
		require.Equal(t, failure.ExitUsage, failure.ExitCode(err), arg)
	}
}

func TestWordsForNotSet(t *testing.T) {
	c, err := load(t, "", nil, "--http=off", "--storage.cache=auto", "--limits.connections=auto",
		"--log.retention=forever",
		"--log.retention-bytes=none")
	require.NoError(t, err)
	require.Empty(t, c.HTTP)
	require.Zero(t, c.CacheBytes)
	require.Equal(t, "forever", c.TopicSettings["retention"])
	require.Equal(t, "none", c.TopicSettings["retention_bytes"])
}

func TestUnderscoresInFlagsAndNumbers(t *testing.T) {
	c, err := load(t, "node_id = 1_000\nlog = { fsync = \"os\" }\nlimits.request = 1_048_576\ninsecure = true\n", nil)
	require.NoError(t, err)
	require.Equal(t, int32(1000), c.NodeID)
	require.Equal(t, kv.FsyncOS, c.Fsync)
	require.Equal(t, int64(1<<20), c.RequestBytes)
	require.Equal(t, "skidway.toml:2", c.Value("log.fsync").Where)
	require.True(t, c.Insecure)
}

func TestFileThatIsNoTOML(t *testing.T) {
	_, err := load(t, "listen = \"a\nhttp = 1\n", nil)
	require.ErrorContains(t, err, "skidway.toml:1: ")
	require.Contains(t, printed(err), "   1| listen = \"a\n")
	_, err = load(t, "[log]\nfsync = \"os\"\nfsync = \"os\"\n", nil)
	require.ErrorContains(t, err, "skidway.toml:3: ")
	_, err = load(t, "[log]\nx = 1\n[log]\n", nil)
	require.ErrorContains(t, err, "E202")
}

func TestFileThatCannotBeRead(t *testing.T) {
	_, err := Load(Sources{Path: filepath.Join(t.TempDir(), "none.toml")})
	require.ErrorContains(t, err, "none.toml: no such file or directory")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, failure.ExitUsage, failure.ExitCode(err))
	big := filepath.Join(t.TempDir(), "big.toml")
	require.NoError(t, os.WriteFile(big, []byte(strings.Repeat("# x\n", 1<<19)), 0o600))
	_, err = Load(Sources{Path: big})
	require.ErrorContains(t, err, "larger than 1 MiB")
}

func TestUnknownVariables(t *testing.T) {
	got := UnknownVariables([]string{"SKIDWAY_LOG_RETENSION=7d", "SKIDWAY_LOG_RETENTION=7d", "SKIDWAY_SERVER=x", "HOME=/",
		"SKIDWAY_QQQ=1"},
		[]string{"SKIDWAY_SERVER"})
	require.Equal(t, []string{
		"SKIDWAY_LOG_RETENSION matches no setting and is ignored (did you mean SKIDWAY_LOG_RETENTION?)",
		"SKIDWAY_QQQ matches no setting and is ignored",
	}, got)
}

func TestAbbreviate(t *testing.T) {
	env := []string{"HOME=/home/me"}
	require.Equal(t, "~/x/y", Abbreviate("/home/me/x/y", env))
	require.Equal(t, "/home/meg", Abbreviate("/home/meg", env))
	require.Equal(t, "/x", Abbreviate("/x", []string{"HOME=/"}))
	require.Equal(t, "/x", Abbreviate("/x", nil))
}

// FuzzFile holds that no file panics or is half accepted, and that every fault has a code and names the file.
func FuzzFile(f *testing.F) {
	for _, s := range []string{
		"node_id = 1\n[log]\nretention = \"7d\"\n", "[log]\nretension = 1", "a.b.c = 1", "log = {fsync = \"os\"}", "[[log]]",
		"listen = \"\"\"\nx\"\"\"",
		"[\"lög\"]\n\"ñ\\tx\" = '''a\nb'''", "x = [{a = 1}, {b = [2]}]", "\xef\xbb\xbfnode_id=1", "node_id = 0x10\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := (&document{File: tomlfile.New("x.toml", []byte(text))}).parse()
		if err == nil {
			for name := range values {
				if _, ok := find(name); !ok {
					t.Fatalf("accepted %q", name)
				}
			}
			return
		}
		var l failure.List
		var one *failure.Failure
		if !errors.As(err, &l) && errors.As(err, &one) {
			l = failure.List{one}
		}
		for _, fault := range l {
			if fault.Code == "" || fault.Exit != failure.ExitUsage || !strings.HasPrefix(fault.Message, "x.toml") {
				t.Fatalf("%+v", fault)
			}
		}
		if len(l) == 0 {
			t.Fatalf("%v is no failure", err)
		}
	})
}
