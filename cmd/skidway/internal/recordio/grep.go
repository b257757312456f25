package recordio

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/skidway/skidway/client"
)

// Filter keeps the records that all patterns of --grep match. The zero Filter keeps every record.
type Filter struct {
	tests []test
}

type test struct {
	on byte // k, v or h
	re *regexp.Regexp
}

// ParseFilter reads patterns: k:REGEXP on the key, v:REGEXP on the value, h:REGEXP on any header as name=value.
func ParseFilter(patterns []string) (Filter, error) {
	var f Filter
	for _, p := range patterns {
		on, text, ok := strings.Cut(p, ":")
		if !ok || on != "k" && on != "v" && on != "h" {
			return f, fmt.Errorf("%q does not say what to search; write k:REGEXP for keys, v:REGEXP for values "+
				"or h:REGEXP for headers", p)
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return f, fmt.Errorf("%q: %w", p, err)
		}
		f.tests = append(f.tests, test{on: on[0], re: re})
	}
	return f, nil
}

// Keep tells whether r matches.
func (f Filter) Keep(r *client.Record) bool {
	for _, t := range f.tests {
		if !t.match(r) {
			return false
		}
	}
	return true
}

func (t test) match(r *client.Record) bool {
	switch t.on {
	case 'k':
		return r.Key != nil && t.re.Match(r.Key)
	case 'v':
		return r.Value != nil && t.re.Match(r.Value)
	}
	for _, h := range r.Headers {
		if t.re.MatchString(h.Key + "=" + string(h.Value)) {
			return true
		}
	}
	return false
}
