package wire

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// page is the specification that this package is held to. Its generated parts
// stand between <!-- NAME --> and <!-- end --> and are rewritten, with the golden
// frames, by SKIDWAY_REWRITE=1 go test ./wire -run 'Page|Golden'.
const page = "../docs/format/wire.md"

func rewriting() bool { return os.Getenv("SKIDWAY_REWRITE") != "" }

// checkPart makes sure that the page's part of that name is want.
func checkPart(t *testing.T, name, want string) {
	t.Helper()
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	begin, end := "<!-- "+name+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "%s has no part %q", page, name)
	got, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "part %q has no end", name)
	if rewriting() && got != want {
		require.NoError(t, os.WriteFile(page, []byte(before+begin+want+end+after), 0o644))
		return
	}
	require.Equal(t, want, got, "part %q of %s; see the comment on page", name, page)
}

func TestPageErrors(t *testing.T) {
	var b strings.Builder
	b.WriteString("| code | name | retriable | meaning | what to do |\n|---|---|---|---|---|\n")
	for i, c := range codes {
		if i > 0 {
			require.Greater(t, c.code, codes[i-1].code, "the table ascends")
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", c.code, c.name, c.retry, c.sentence, c.hint)
	}
	checkPart(t, "errors", b.String())
}

func TestPageRequests(t *testing.T) {
	var b strings.Builder
	b.WriteString("| api | name | versions |\n|---|---|---|\n")
	for i, k := range apiKinds {
		if i > 0 {
			require.Greater(t, k.api, apiKinds[i-1].api, "the table ascends")
		}
		require.Equal(t, k.api, k.newRequest().API())
		require.Equal(t, k.api, k.newResponse().API())
		fmt.Fprintf(&b, "| %d | [%s](#%s) | %d to %d |\n", k.api, k.name, k.name, k.min, k.max)
	}
	checkPart(t, "requests", b.String())
}

// fill gives every list one element and everything else its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() != reflect.Uint8 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			fill(v.Index(0))
		}
	}
}

// fieldsOf lists the paths of all fields in wire order, by spoiling body at every
// byte and asking the decoder what is wrong.
func fieldsOf(body []byte, decode func(*decoder)) []string {
	index := regexp.MustCompile(`\[\d+\]`)
	d := newDecoder()
	var paths []string
	for n := range body {
		spoilt := append([]byte(nil), body...)
		spoilt[n] = 0xc1 // which msgpack does not use
		d.reset(spoilt)
		decode(d)
		if d.fault == nil {
			continue // inside a float
		}
		path := index.ReplaceAllString(d.fault.path, "[]")
		known := len(paths) > 0 && paths[len(paths)-1] == path
		if path != "" && !strings.HasSuffix(path, "]") && !known {
			paths = append(paths, path)
		}
	}
	return paths
}

// section is the part of the page on one request kind.
func section(t *testing.T, name string) string {
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(b), "\n### "+name+"\n")
	require.True(t, ok, "%s has no section %q", page, name)
	rest, _, _ = strings.Cut(rest, "\n## ")
	rest, _, _ = strings.Cut(rest, "\n### ")
	return rest
}

// rowPaths are the first cells of the table that follows title.
func rowPaths(t *testing.T, text, title string) []string {
	_, table, ok := strings.Cut(text, title)
	require.True(t, ok, "no %q in %s", title, text)
	table, _, _ = strings.Cut(strings.TrimLeft(table, "\n"), "\n\n")
	var paths []string
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 2 || !strings.Contains(cells[1], "`") {
			continue
		}
		require.Len(t, cells, 8, "field, type, unit, bounds, since, meaning: %s", line)
		paths = append(paths, strings.Trim(cells[1], " `"))
	}
	return paths
}

// The tables name every field of every request and response, in wire order.
func TestPageFields(t *testing.T) {
	for _, k := range apiKinds {
		t.Run(k.name, func(t *testing.T) {
			text := section(t, k.name)
			req, resp := k.newRequest(), k.newResponse()
			for _, c := range []struct {
				title  string
				value  any
				encode func(*encoder)
				decode func(*decoder)
			}{{"Request:", req, req.encode, req.decode}, {"Response:", resp, resp.encode, resp.decode}} {
				fill(reflect.ValueOf(c.value).Elem())
				e := newEncoder()
				c.encode(e)
				want := fieldsOf(flatten(e), c.decode)
				if len(want) == 0 {
					require.Contains(t, text, c.title+" no fields")
					continue
				}
				require.Equal(t, want, rowPaths(t, text, c.title), "%s of %s", c.title, k.name)
			}
		})
	}
}

// The caps that the page names are those of the code.
func TestPageLimits(t *testing.T) {
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	for what, n := range map[string]int{
		"topic name": maxName, "client name": maxClientName, "text": maxText, "error message": maxMessage,
		"topics": maxTopics, "partitions": maxPartitions, "replicas": maxReplicas, "settings": maxSettings,
		"groups": maxGroups, "members": maxMembers, "records": maxRecords, "headers": maxHeaders,
		"lists of other things": maxAPIs, "nesting": maxDepth,
		"frame before hello": helloFrameBytes,
	} {
		require.Contains(t, string(b), fmt.Sprintf("| %s | %d |", what, n))
	}
}
