package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/metadata"
)

// maxFileBytes bounds a configuration file; a larger one is not a configuration.
const maxFileBytes = 1 << 20

// readFile returns the values of the file by key. Every unknown key is reported, not only the first.
func readFile(path string) (map[string]Value, *document, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, nil, err
	}
	d := &document{path: path, lines: strings.Split(string(text), "\n")}
	values, err := d.parse(text)
	return values, d, err
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, unreadable(path, err)
	}
	if len(text) > maxFileBytes {
		return nil, unreadable(path, errors.New("larger than 1 MiB"))
	}
	return text, nil
}

func unreadable(path string, err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &failure.Failure{Code: failure.CodeBadValue, Exit: failure.ExitUsage, Err: err,
		Message: fmt.Sprintf("cannot read the configuration file %s: %v", path, err),
		Hint:    "write one with  skidway config init " + path}
}

// document is a configuration file while it is read.
type document struct {
	path   string
	lines  []string
	parser unstable.Parser
	header int // line of the section that is being read; 0 at the top
	faults failure.List
}

// parse checks the whole file with the strict TOML decoder first (syntax, duplicate keys), and then walks it once more
// for the place of every key, which the decoder does not tell.
func (d *document) parse(text []byte) (map[string]Value, error) {
	var whole map[string]any
	if err := toml.Unmarshal(text, &whole); err != nil {
		return nil, d.syntax(err)
	}
	values := make(map[string]Value)
	d.parser.Reset(text)
	var section []string
	known := true
	for d.parser.NextExpression() {
		e := d.parser.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			section, known = d.enter(e)
		case unstable.KeyValue:
			if known {
				d.keyValue(section, e, values)
			}
		}
	}
	if err := d.parser.Error(); err != nil {
		return nil, d.syntax(err)
	}
	if len(d.faults) > 0 {
		return values, d.faults
	}
	return values, nil
}

// enter notes the section that begins and tells whether it exists.
func (d *document) enter(e *unstable.Node) ([]string, bool) {
	names, at := d.name(e.Key())
	d.header = 0
	section := strings.Join(names, ".")
	if e.Kind == unstable.Table && slices.Contains(sections(), section) {
		d.header = at.line
		return names, true
	}
	d.unknown(place{at, ""}, fmt.Sprintf("unknown section [%s]", section), section, sections())
	return names, false
}

func (d *document) keyValue(section []string, e *unstable.Node, values map[string]Value) {
	names, at := d.name(e.Key())
	path := slices.Concat(section, names)
	full := strings.Join(path, ".")
	if e.Value().Kind == unstable.InlineTable && slices.Contains(sections(), full) {
		for children := e.Value().Children(); children.Next(); {
			if child := children.Node(); child.Kind == unstable.KeyValue {
				d.keyValue(path, child, values)
			}
		}
		return
	}
	key, ok := find(full)
	if !ok {
		d.unknownKey(path, at)
		return
	}
	values[key.Name] = d.value(key, e.Value(), at)
}

// value reads a scalar as text: the file may write 7440 or "7440", true or "true". Where a key takes a list, one of
// texts is one text with commas, as a flag has it.
func (d *document) value(key Key, n *unstable.Node, at span) Value {
	v := Value{Layer: File, Where: fmt.Sprintf("%s:%d", d.path, at.line)}
	if n.Raw.Length > 0 {
		at = d.span(n.Raw)
	}
	v.line, v.column, v.width = at.line, at.column, at.width
	switch {
	case n.Kind == unstable.String:
		v.Text = string(n.Data)
	case n.Kind == unstable.Integer:
		v.Text = strings.ReplaceAll(string(n.Data), "_", "")
	case n.Kind == unstable.Bool:
		v.Text = string(n.Data)
	case n.Kind == unstable.Array && key.Kind == List:
		var parts []string
		for children := n.Children(); children.Next(); {
			if children.Node().Kind == unstable.String {
				parts = append(parts, string(children.Node().Data))
			}
		}
		v.Text = strings.Join(parts, ",")
	default:
		f := failure.BadValue(v.Where, "%s is no value for a setting", strings.ToLower(n.Kind.String()))
		f.Snippet = d.snippet(at, "wants a text, a number, true or false")
		d.faults = append(d.faults, f)
	}
	return v
}

// span is a piece of one line.
type span struct {
	line, column, width int // from 1, in bytes; the width is cut at the end of the line
}

func (d *document) span(r unstable.Range) span {
	shape := d.parser.Shape(r)
	s := span{line: shape.Start.Line, column: shape.Start.Column, width: int(r.Length)}
	s.width = max(1, min(s.width, len(d.line(s.line))-s.column+1))
	return s
}

func (d *document) name(it unstable.Iterator) (names []string, at span) {
	for it.Next() {
		names = append(names, string(it.Node().Data))
		at = d.span(it.Node().Raw) // the last part is the one that is most often wrong
	}
	return names, at
}

// unknownKey reports a key that no row of Keys has.
func (d *document) unknownKey(path []string, at span) {
	leaf, section := path[len(path)-1], strings.Join(path[:len(path)-1], ".")
	in := ""
	if section != "" {
		in = " in [" + section + "]"
	}
	d.unknown(place{at, section}, fmt.Sprintf("unknown setting %q%s", leaf, in), leaf, leaves(section))
}

// place is where something unknown stands, and the section that it was looked for in.
type place struct {
	span
	section string
}

func (d *document) unknown(at place, what, name string, candidates []string) {
	note := "no setting has this name"
	hint := "all settings, with what they do:  skidway config init"
	if near := metadata.Suggest(name, candidates); near != "" {
		note = fmt.Sprintf("did you mean %q?", near)
		hint = ""
	} else if other, ok := elsewhere(name); ok {
		note = "belongs " + other
		hint = ""
	}
	d.faults = append(d.faults, &failure.Failure{
		Code: failure.CodeUnknownKey, Exit: failure.ExitUsage, Hint: hint,
		Message: fmt.Sprintf("%s:%d: %s", d.path, at.line, what),
		Snippet: d.snippet(at.span, note),
	})
}

// elsewhere finds the section that does have a setting of that name.
func elsewhere(leaf string) (string, bool) {
	for _, k := range Keys() {
		if k.Leaf() != leaf {
			continue
		}
		if k.Section() == "" {
			return "at the top of the file, before the first [section]", true
		}
		return "in [" + k.Section() + "]", true
	}
	return "", false
}

// snippet prints the section's line, the line itself and ~~~ under the piece, with a note beside it.
func (d *document) snippet(at span, note string) string {
	if at.line < 1 || at.line > len(d.lines) {
		return ""
	}
	var b strings.Builder
	show := func(n int) { fmt.Fprintf(&b, "%4d| %s\n", n, strings.ReplaceAll(d.line(n), "\t", " ")) }
	if d.header > 0 && d.header != at.line {
		show(d.header)
	}
	show(at.line)
	line := d.line(at.line)
	start := min(max(at.column-1, 0), len(line))
	end := min(start+at.width, len(line))
	indent := len([]rune(line[:start]))
	width := max(1, len([]rune(line[start:end])))
	fmt.Fprintf(&b, "    | %s%s %s\n", strings.Repeat(" ", indent), strings.Repeat("~", width), note)
	return b.String()
}

func (d *document) line(n int) string { return strings.TrimSuffix(d.lines[n-1], "\r") }

// syntax reports a file that is not TOML.
func (d *document) syntax(err error) error {
	f := &failure.Failure{Code: failure.CodeBadValue, Exit: failure.ExitUsage, Err: err,
		Message: fmt.Sprintf("%s: %s", d.path, strings.TrimPrefix(err.Error(), "toml: "))}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		line, column := de.Position()
		f.Message = fmt.Sprintf("%s:%d: %s", d.path, line, strings.TrimPrefix(err.Error(), "toml: "))
		f.Snippet = d.snippet(span{line: line, column: column, width: 1}, "here")
	}
	return f
}

func find(name string) (Key, bool) {
	for _, k := range Keys() {
		if k.Name == name {
			return k, true
		}
	}
	return Key{}, false
}

func sections() []string {
	var names []string
	for _, k := range Keys() {
		if s := k.Section(); s != "" && !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	return names
}

func leaves(section string) []string {
	var names []string
	for _, k := range Keys() {
		if k.Section() == section {
			names = append(names, k.Leaf())
		}
	}
	if section == "" {
		names = append(names, sections()...)
	}
	return names
}
