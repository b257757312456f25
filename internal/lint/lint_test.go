package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// checks are all rules, by the name of their subtest.
var checks = map[string]func(*tree) []finding{
	"rows": checkRows, "edges": checkEdges, "loggers": checkLoggers, "effects": checkEffects,
	"sizes": checkSizes, "names": checkNames, "docs": checkDocs, "globals": checkGlobals,
	"words": checkWords, "module": checkModule,
}

func TestRepository(t *testing.T) {
	repo := repository(t)
	used, ran := make(map[exception]bool), 0
	for name, check := range checks {
		t.Run(name, func(t *testing.T) {
			ran++
			found := check(repo)
			slices.SortFunc(found, func(a, b finding) int { return strings.Compare(a.where, b.where) })
			for _, f := range found {
				i := slices.IndexFunc(exceptions, func(e exception) bool { return e.rule == f.rule && e.subject == f.subject })
				if i < 0 {
					t.Error(f)
					continue
				}
				used[exceptions[i]] = true
			}
		})
	}
	for _, e := range exceptions {
		if e.reason == "" {
			t.Errorf("exception %s %s gives no reason", e.rule, e.subject)
		}
		if !used[e] && ran == len(checks) {
			t.Errorf("exception %s %s allows nothing any more: take it out", e.rule, e.subject)
		}
	}
}

// TestTables holds that the tables themselves are of one piece.
func TestTables(t *testing.T) {
	for _, list := range [][]string{outside, banned["kv"]} {
		for _, pkg := range list {
			if _, known := rows[pkg]; !known && pkg != "cmd" {
				t.Errorf("%q is named in a table, but has no row", pkg)
			}
		}
	}
	for _, pkg := range []string{"partitionlog", "metadata", "metadata/local", "retention", "record", "units", "group"} {
		if anyBelow(pkg, outside) {
			t.Errorf("%s must not touch the outside world", pkg)
		}
	}
}

// bad is a source that breaks rules, and one that is like it and does not.
type bad struct {
	check string
	path  string
	src   string
	want  []string // a part of each finding expected, in the order of lines; empty: none
}

// doc makes a package of body that has nothing else wrong.
func doc(name, body string) string {
	return "// Package " + name + " is.\npackage " + name + "\n" + body
}

var badSources = []bad{
	{"rows", "kv/a.go", doc("kv", `import _ "github.com/skidway/skidway/record"`), nil},
	{
		"rows", "kv/a.go",
		doc("kv", `import _ "github.com/skidway/skidway/metadata"`),
		[]string{"kv (row 2) imports metadata (row 2)"},
	},
	{"rows", "record/a.go", doc("record", `import _ "github.com/skidway/skidway/units"`), []string{"strictly lower rows"}},
	{
		"rows", "wire/a.go",
		doc("wire", `import _ "github.com/skidway/skidway/broker"`),
		[]string{"wire (row 3) imports broker (row 5)"},
	},
	{"rows", "wire/a.go", doc("wire", `import _ "github.com/skidway/skidway/kv"`), []string{"know nothing of the store"}},
	{"rows", "client/a.go", doc("client", `import _ "github.com/skidway/skidway/kv"`), []string{"client imports kv"}},
	{
		"rows", "retention/a.go",
		doc("retention", `import _ "github.com/skidway/skidway/kv"`),
		[]string{"retention imports kv"},
	},
	{"rows", "wire/a_test.go", doc("wire", `import _ "github.com/skidway/skidway/broker"`), nil},
	{"rows", "novel/a.go", doc("novel", ``), []string{"has no row"}},

	{"edges", "kv/a.go", doc("kv", `import _ "github.com/cockroachdb/pebble/v2"`), nil},
	{
		"edges", "partitionlog/a.go",
		doc("partitionlog", `import _ "github.com/cockroachdb/pebble/v2/vfs"`),
		[]string{"which only kv"},
	},
	{"edges", "partitionlog/a_test.go", doc("partitionlog", `import _ "github.com/cockroachdb/pebble/v2/vfs"`), nil},
	{
		"edges", "partitionlog/a_test.go",
		doc("partitionlog", `import _ "github.com/cockroachdb/pebble/v2"`),
		[]string{"kv's secret"},
	},
	{
		"edges", "broker/a_test.go",
		doc("broker", `import _ "github.com/cockroachdb/pebble/v2/vfs"`),
		[]string{"kv's secret"},
	},
	{"edges", "broker/a.go", doc("broker", `import _ "github.com/go-zookeeper/zk"`), []string{"behind metadata.Store"}},
	{"edges", "metadata/zk/a.go", doc("zk", `import _ "github.com/go-zookeeper/zk"`), nil},

	{
		"loggers", "kv/a.go",
		doc("kv", `import _ "github.com/prometheus/client_golang/prometheus"`),
		[]string{"no metrics library"},
	},
	{"loggers", "broker/a.go", doc("broker", `import _ "github.com/prometheus/client_golang/prometheus"`), nil},
	{"loggers", "kv/a.go", doc("kv", "import \"log\"\nfunc f() { log.Printf(``) }"), []string{"log.Printf: below row 5"}},
	{
		"loggers", "kv/a.go", doc("kv", "import x \"log/slog\"\nfunc f(l *x.Logger) { l.Info(``); x.Default(); x.Warn(``) }"),
		[]string{"slog.Default", "slog.Warn"},
	},
	{"loggers", "client/a.go", doc("client", "import \"log\"\nfunc f() { log.Printf(``) }"), nil},

	{
		"effects", "retention/a.go",
		doc("retention", "import \"time\"\nfunc f() { time.Now(); _ = time.Second }"),
		[]string{"time.Now: clock"},
	},
	{"effects", "retention/a.go", doc("retention", "import \"time\"\nvar f = time.Since"), []string{"time.Since"}},
	{"effects", "retention/a.go", doc("retention", "func f() { go f() }"), []string{"go statement"}},
	{
		"effects", "retention/a.go",
		doc("retention", "func f(g interface{ Go(func()) }) { g.Go(nil) }"),
		[]string{"Go of a group"},
	},
	{"effects", "partitionlog/a.go", doc("partitionlog", `import _ "os"`), []string{"import os"}},
	{"effects", "record/a.go", doc("record", `import _ "math/rand/v2"`), []string{"import math/rand/v2"}},
	{"effects", "metadata/local/a.go", doc("local", `import _ "net/http"`), []string{"import net/http"}},
	{
		"effects", "metadata/a.go",
		doc("metadata", "import \"context\"\nvar f = context.WithTimeout"),
		[]string{"context.WithTimeout"},
	},
	{"effects", "replication/a.go", doc("replication", "func f() { go f() }"), []string{"go statement"}},
	{"effects", "broker/a.go", doc("broker", "import \"time\"\nfunc f() { go f(); time.Now() }"), nil},
	{"effects", "retention/a_test.go", doc("retention", "func f() { go f() }"), nil},
	{"effects", "retention/a.go", doc("retention", "func f(time interface{ Now() }) { time.Now() }"), nil},

	{"sizes", "kv/a.go", doc("kv", strings.Repeat("\n", 597)+"\n"), nil},
	{"sizes", "kv/a.go", doc("kv", strings.Repeat("\n", 600)+"\n"), []string{"603 lines"}},
	{"sizes", "kv/a_test.go", doc("kv", strings.Repeat("\n", 600)+"\n"), []string{"603 lines"}},
	{"sizes", "kv/a.go", doc("kv", "// "+strings.Repeat("ü", 117)), nil},
	{"sizes", "kv/a.go", doc("kv", "// "+strings.Repeat("ü", 118)), []string{"more than 120 columns: [3]"}},
	{"sizes", "kv/a.go", doc("kv", "func f() {"+strings.Repeat("\n", 69)+"}"), nil},
	{"sizes", "kv/a.go", doc("kv", "func f() {"+strings.Repeat("\n", 70)+"}"), []string{"function f has 71 lines"}},
	{"sizes", "kv/a_test.go", doc("kv", "func f() {"+strings.Repeat("\n", 70)+"}"), nil},
	{"sizes", "kv/a.go", doc("kv", "func f(a, b, c, d, e int) {}"), nil},
	{"sizes", "kv/a.go", doc("kv", "func f(a, b, c, d, e int, _ bool) {}"), []string{"6 parameters"}},
	{"sizes", "kv/a.go", doc("kv", "func f() { _ = func(a, b, c, d, e, f int) {} }"), []string{"6 parameters"}},

	{"names", "broker/util/a.go", doc("util", ""), []string{`called "util"`}},
	{"names", "internal/x/a.go", doc("helpers", ""), []string{`called "helpers"`}},
	{"names", "broker/a.go", doc("broker", ""), nil},

	{"docs", "kv/a.go", "package kv\n", []string{"no package comment"}},
	{"docs", "kv/a.go", doc("kv", "func F() {}"), []string{"exported F"}},
	{
		"docs", "kv/a.go",
		doc("kv", "type T int\n\nfunc (t *T) M() {}\nfunc (t T) m() {}"),
		[]string{"exported T", "exported T.M"},
	},
	{"docs", "kv/a.go", doc("kv", "type t int\n\nfunc (t *t) M() {}"), nil},
	{"docs", "kv/a.go", doc("kv", "type g[X any] struct{}\n\nfunc (t *g[X]) M() {}"), nil},
	{"docs", "kv/a.go", doc("kv", "var A, b = 1, 2\nconst C = 1"), []string{"exported A", "exported C"}},
	{"docs", "kv/a.go", doc("kv", "// All.\nconst (\n\tA = 1\n\tB = 2\n)\nvar C = 1 // yes\n"), nil},

	{"globals", "kv/a.go", doc("kv", "func init() {}"), []string{"func init"}},
	{"globals", "kv/a.go", doc("kv", "type t int\n\nfunc (t) init() {}"), nil},
	{"globals", "kv/a.go", doc("kv", "var a int"), []string{"a has no value"}},
	{"globals", "kv/a.go", doc("kv", "var a = 5"), []string{"a is neither"}},
	{
		"globals", "kv/a.go",
		doc("kv", "import \"sync\"\nvar a sync.Mutex\nvar b = sync.Pool{}\nvar c = &sync.Pool{}"),
		[]string{"a has", "b is", "c is"},
	},
	{"globals", "kv/a.go", doc("kv", "import \"errors\"\nvar a, b = errors.New(``), errors.New(``)\nvar _ = 5"), nil},
	{"globals", "kv/a.go", doc("kv", "import \"regexp\"\nvar a = regexp.MustCompile(``)\nvar t = map[int]int{}"), nil},
	{"globals", "kv/a.go", doc("kv", "var t = map[int]int{}\nfunc f() { t[1] = 2 }"), []string{"t is changed"}},
	{"globals", "kv/a.go", doc("kv", "var t = []int{1}\nfunc f() { t = append(t, 2) }"), []string{"t is changed"}},
	{"globals", "kv/a.go", doc("kv", "type s struct{ n int }\nvar t = s{}\nfunc f() { t.n++ }"), []string{"t is changed"}},
	{"globals", "kv/a.go", doc("kv", "var t = map[int]int{}\nfunc f() { delete(t, 1) }"), []string{"t is changed"}},
	{"globals", "kv/a.go", doc("kv", "var t = []int{1}\nfunc f() { var t []int; t = nil; _ = t }"), nil},
	{"globals", "kv/a.go", doc("kv", "var t = func() (t [2]int) { return t }()"), nil},
	{"globals", "kv/a.go", doc("kv", "var t = func() int { return 1 }()\nvar f = func() {}"), []string{"t is", "f is"}},
	{"globals", "kv/a.go", doc("kv", "import _ \"embed\"\n//go:embed x\nvar t string"), nil},

	{"words", "docs/a.md", "all is " + "TO" + "DO", []string{"what is to be done"}},
	{"words", "kv/a.go", doc("kv", "// FIX"+"ME later"), []string{"what is to be done"}},
	{"words", "Makefile", "cp /wo" + "rk/main .", []string{"a path of one machine"}},
	{"words", "Makefile", "mktemp -d a.XX" + "XX; see https://example.org/wo" + "rk/x and frame/wo" + "rk/", nil},
	{"words", "a.md", "made by a Sub" + "agent\nin this " + "session", []string{"project alone", "project alone"}},

	{"module", "go.mod", "module x\n\nreplace y => ../y\n", []string{"a replace line"}},
	{"module", "go.mod", "module x\n\nreplace (\n\ty => ../y\n)\n", []string{"a replace line"}},
	{"module", "go.mod", "module x // does not replace y\n", nil},
}

// TestRulesCanFail holds each rule to sources that break it, and to some that do not.
func TestRulesCanFail(t *testing.T) {
	failing := make(map[string]bool)
	for i, b := range badSources {
		t.Run(fmt.Sprintf("%d-%s", i, b.check), func(t *testing.T) {
			made, err := parse(map[string]string{b.path: b.src})
			if err != nil {
				t.Fatal(err)
			}
			found := checks[b.check](made)
			if len(found) != len(b.want) {
				t.Fatalf("%d findings, want %d: %v\n%s", len(found), len(b.want), found, b.src)
			}
			slices.SortStableFunc(found, func(x, y finding) int { return strings.Compare(x.where, y.where) })
			for i, want := range b.want {
				failing[b.check] = true
				if !strings.Contains(found[i].String(), want) {
					t.Errorf("finding %q, want %q", found[i], want)
				}
			}
		})
	}
	for name := range checks {
		if !failing[name] {
			t.Errorf("no bad source shows that %s can fail", name)
		}
	}
}

// TestFilesOfOnePackage holds that what one file declares and another changes is found.
func TestFilesOfOnePackage(t *testing.T) {
	made, err := parse(map[string]string{
		"kv/a.go": doc("kv", "var t = map[int]int{}"),
		"kv/b.go": "package kv\n\nfunc f() { t[1] = 2 }\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if found := checkGlobals(made); len(found) != 1 || found[0].subject != "kv.t" {
		t.Errorf("findings: %v", found)
	}
	if found := checkDocs(made); len(found) != 0 {
		t.Errorf("findings: %v", found)
	}
}
