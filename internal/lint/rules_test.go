package lint

// module is the path that all packages of the repository start with.
const module = "github.com/skidway/skidway"

// rows says on which row of the architecture each package stands. A package imports
// only from strictly lower rows. A new package is entered here, and in
// docs/ARCHITECTURE.md, when it is a part that a user of the system would name.
var rows = map[string]int{
	"record": 1, "units": 1, "internal/bounded": 1, "internal/faultfs": 1, "internal/lint": 1,
	"internal/zkserver": 1, "internal/failpoint": 1,
	"kv": 2, "metadata": 2,
	"internal/storemodel": 3, "partitionlog": 3, "metadata/local": 3, "metadata/zk": 3, "replication": 3, "wire": 3,
	"cluster": 4, "peer": 4, "retention": 4, "group": 4, "wire/kafka": 4,
	"adopt": 5, "broker": 5, "client": 5,
	"bench": 6, "internal/sim": 6, "internal/history": 6, "examples/numbers": 6,
	"cmd/skidway": 7, "internal/chaos": 7, "internal/crash": 7, "compat": 7,

	// The command's own parts: what only it imports, and what these share.
	"cmd/skidway/internal/failure":  4,
	"cmd/skidway/internal/position": 5, "cmd/skidway/internal/readyfile": 5, "cmd/skidway/internal/tomlfile": 5,
	"cmd/skidway/internal/config": 6, "cmd/skidway/internal/moves": 6,
	"cmd/skidway/internal/recordio": 6, "cmd/skidway/internal/table": 6,
	"cmd/skidway/internal/devcluster": 6,
}

// edge is a right to import something outside the module.
type edge struct {
	path    string   // the import path, with all below it
	only    []string // the packages that may
	inTests []string // packages whose tests may, too
	reason  string
}

// edges are the imports that only some packages may have. For tests, a path in testOK counts too.
var edges = []edge{
	{
		path: "github.com/cockroachdb/pebble/v2", only: []string{"kv", "internal/faultfs"},
		inTests: []string{"kv", "partitionlog", "internal/faultfs"},
		reason:  "how bytes are kept is kv's secret, so that it can change without anyone above noticing",
	},
	{
		path: "github.com/go-zookeeper/zk", only: []string{"metadata/zk"}, inTests: []string{"metadata/zk"},
		reason: "ZooKeeper's client is behind metadata.Store",
	},
}

// pebbleInTests is what tests outside kv may import of Pebble: the file systems, never the store.
var pebbleInTests = []string{"github.com/cockroachdb/pebble/v2/vfs", "github.com/cockroachdb/pebble/v2/vfs/errorfs"}

// banned are imports within the module that a lower row alone does not forbid.
var banned = map[string][]string{
	"kv": {"wire", "wire/kafka", "client", "group", "retention"},
}

// neverLinked says what a program that uses the package must not get linked in, by whatever way.
var neverLinked = map[string][]string{
	"client": {module + "/kv", module + "/broker", "github.com/cockroachdb/pebble", "github.com/go-zookeeper/zk"},
	"wire":   {module + "/kv", "github.com/cockroachdb/pebble", "github.com/go-zookeeper/zk"},
	"peer":   {module + "/kv", "github.com/cockroachdb/pebble", "github.com/go-zookeeper/zk"},
}

// metricsRow is the lowest row at which metrics libraries and the global loggers may be used.
const metricsRow = 5

// metricsLibraries are import paths, with all below them.
var metricsLibraries = []string{"github.com/prometheus", "go.opentelemetry.io", "expvar"}

// outside lists the packages, or single files, in which clocks, goroutines, randomness,
// the network and files may appear. The rest gets the time as an argument, and returns
// what is to be done.
var outside = []string{
	"kv", "wire", "wire/kafka", "peer", "cluster", "client", "broker", "cmd", "bench", "metadata/zk", "internal/sim",
	"internal/history", "internal/failpoint", "internal/faultfs", "internal/zkserver", "internal/chaos",
	"examples/numbers", "compat",
}

// effectImports are import paths, with all below them, that bring in the outside world.
var effectImports = []string{
	"os", "net", "syscall", "math/rand", "crypto/rand", "golang.org/x/sys", "golang.org/x/sync/errgroup", "io/ioutil",
}

// effectNames are names of the standard library that read a clock or start something.
var effectNames = map[string][]string{
	"time": {
		"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Sleep",
	},
	"context": {"WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause", "AfterFunc"},
}

// globalLoggers are names of the standard library that write to a logger nobody passed in.
var globalLoggers = map[string][]string{
	"log": {
		"Print", "Printf", "Println", "Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln", "Default", "SetOutput",
		"SetFlags", "SetPrefix", "Output", "Writer",
	},
	"log/slog": {
		"Default", "SetDefault", "Debug", "DebugContext", "Info", "InfoContext", "Warn", "WarnContext", "Error",
		"ErrorContext", "Log", "LogAttrs", "With",
	},
}

// badNames say nothing about what a package is for.
var badNames = []string{
	"util", "utils", "common", "types", "server", "core", "helper", "helpers", "pkg", "misc", "base", "shared", "lib",
}

// Limits of size. A number may only get smaller.
const (
	maxFileLines     = 600
	maxFunctionLines = 70 // not in tests
	maxColumns       = 120
	maxParameters    = 5 // not in tests
)

// exception allows one finding, by its rule and subject, and says why.
type exception struct{ rule, subject, reason string }

// pooled is why a package may keep a sync.Pool.
const pooled = "a pool of codecs or scratch memory: no result depends on what is in it"

// exceptions are the findings that stand. One that no longer matches anything fails.
var exceptions = []exception{
	{"variable", "record.gzipWriters", pooled},
	{"variable", "record.lz4Writers", pooled},
	{"variable", "record.zstdWriters", pooled},
	{"variable", "record.gzipReaders", pooled},
	{"variable", "record.lz4Readers", pooled},
	{"variable", "record.zstdReaders", pooled},
	{"variable", "record.snappyReaders", pooled},
	{"variable", "record.windows", pooled},
	{"variable", "cmd/skidway.version", "the linker writes the version into it (-X main.version)"},
}
