package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// results are all outcomes so far: those of a run are added to those of runs before, so that a client can be run alone.
type results map[string]map[string]*clientResults // by the broker's name and the client's

// clientResults are those of one client at one broker.
type clientResults struct {
	Broker string             `json:"broker"` // its version
	Client string             `json:"client"` // its version
	Cases  map[string]outcome `json:"cases"`
}

const resultsFile = "bin/compat/results.json"

func readResults(root string) (results, error) {
	all := make(results)
	text, err := os.ReadFile(filepath.Join(root, resultsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("%s: %w: remove it", resultsFile, err)
	}
	return all, nil
}

func (all results) write(root string) error {
	text, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, resultsFile), append(text, '\n'), 0o644)
}

// add keeps outcomes by the names of cases. Those of another version of the client are forgotten.
func (all results) add(t *target, name, version string, became map[string]outcome) {
	if all[t.name] == nil {
		all[t.name] = make(map[string]*clientResults)
	}
	r := all[t.name][name]
	if r == nil || r.Client != version {
		r = &clientResults{Client: version, Cases: make(map[string]outcome)}
		all[t.name][name] = r
	}
	r.Broker = t.version
	maps.Copy(r.Cases, became)
}

// count is how many cases of a client have a state.
func (r *clientResults) count(state string) (n int) {
	for _, o := range r.Cases {
		if o.State == state {
			n++
		}
	}
	return n
}

// page is docs/compatibility.md.
func page(all results) string {
	var b strings.Builder
	b.WriteString(`# Compatibility

What Kafka's clients and tools find when they meet a broker of Skidway. Made by ` + "`make compat`" + ` (compat/): each
is run by a small program in its own language, and what it has written is read again by another client. The same
programs are run against Apache Kafka (` + "`make compat KAFKA=1`" + `), which proves the cases: what fails there, too,
is the client's or the case's, or needs a newer Kafka.

`)
	ours, theirs := all["Skidway"], all["Apache Kafka"]
	b.WriteString("| client | version | passed | failed | not applicable | Skidway | at Apache Kafka |\n")
	b.WriteString("|---|---|--:|--:|--:|---|---|\n")
	for _, c := range clients() {
		r := ours[c.name]
		if r == nil {
			continue
		}
		control := "not run"
		if k := theirs[c.name]; k != nil {
			control = fmt.Sprintf("%d passed, %d failed (%s)", k.count(passed), k.count(failed), k.Broker)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %s | %s |\n", c.title, r.Client, r.count(passed), r.count(failed),
			r.count(notApplicable), r.Broker, control)
	}
	b.WriteString("\n## Cases\n\n")
	matrix(&b, ours, clientCases(), func(c client) bool { return c.dir != "tools" })
	b.WriteString("\n")
	matrix(&b, ours, toolCases(), func(c client) bool { return c.dir == "tools" })
	b.WriteString("\nyes: passed; **no**: failed; -: not applicable; empty: not run.\n")
	reasons(&b, "Failed", ours, failed)
	reasons(&b, "Not applicable", ours, notApplicable)
	reasons(&b, "Failed at Apache Kafka", theirs, failed)
	return b.String()
}

// matrix writes a table of cases and clients.
func matrix(b *strings.Builder, ours map[string]*clientResults, cases []testCase, takes func(client) bool) {
	columns := slices.DeleteFunc(clients(), func(c client) bool { return !takes(c) || ours[c.name] == nil })
	head, rule := "| case |", "|---|"
	for _, c := range columns {
		head, rule = head+" "+c.name+" |", rule+":-:|"
	}
	b.WriteString(head + "\n" + rule + "\n")
	for _, k := range cases {
		fmt.Fprintf(b, "| %s |", k.title)
		for _, c := range columns {
			mark := map[string]string{passed: "yes", failed: "**no**", notApplicable: "-"}[ours[c.name].Cases[k.name].State]
			fmt.Fprintf(b, " %s |", mark)
		}
		b.WriteString("\n")
	}
}

// reasons lists why cases have a state; the same reason of several cases is told once.
func reasons(b *strings.Builder, title string, of map[string]*clientResults, state string) {
	var lines []string
	for _, c := range clients() {
		r := of[c.name]
		if r == nil {
			continue
		}
		byWhy := make(map[string][]string)
		for _, k := range c.cases {
			if o := r.Cases[k.name]; o.State == state {
				byWhy[o.Why] = append(byWhy[o.Why], k.name)
			}
		}
		for _, why := range slices.Sorted(maps.Keys(byWhy)) {
			lines = append(lines, fmt.Sprintf("- %s, %s: %s\n", c.name, strings.Join(byWhy[why], ", "), why))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(b, "\n## %s\n\n%s", title, strings.Join(lines, ""))
	}
}
