package lint

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// word is a text that no file may hold, and why. The patterns are put together from
// parts so that this file does not hold them.
type word struct {
	pattern *regexp.Regexp
	reason  string
}

var words = []word{
	{
		regexp.MustCompile(`\b(` + "TO" + `DO|` + "FIX" + `ME|` + "X" + `XX)\b`),
		"what is to be done is done, or in the tracker",
	},
	{regexp.MustCompile(`(^|[^\w.~-])/` + `work/`), "a path of one machine"},
	{regexp.MustCompile(`(?i)\bsub` + `-?agents?\b`), "the repository speaks of the project alone"},
	{regexp.MustCompile(`(?i)\bthis ` + `session\b`), "the repository speaks of the project alone"},
}

// checkWords holds that no text holds what has no place in a repository.
func checkWords(t *tree) (found []finding) {
	texts := make(map[string]string, len(t.texts)+len(t.files))
	for p, text := range t.texts {
		texts[p] = text
	}
	for _, f := range t.files {
		texts[f.path] = f.src
	}
	for p, text := range texts {
		for i, line := range strings.Split(text, "\n") {
			for _, w := range words {
				if hit := w.pattern.FindString(line); hit != "" {
					found = append(found, finding{
						"word", p, fmt.Sprintf("%s:%d", p, i+1), fmt.Sprintf("holds %q: %s", strings.TrimSpace(hit), w.reason),
					})
				}
			}
		}
	}
	return found
}

var replaceLine = regexp.MustCompile(`(?m)^\s*replace\b|^replace\s*\(`)

// checkModule holds that what is built is what go.mod names.
func checkModule(t *tree) (found []finding) {
	for p, text := range t.texts {
		if path.Base(p) == "go.mod" && replaceLine.MatchString(text) {
			found = append(found, finding{
				"module", p, p + ":1", "a replace line: others could not use the module, and go install would not build it",
			})
		}
	}
	return found
}
