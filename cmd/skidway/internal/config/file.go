package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/tomlfile"
	"github.com/skidway/skidway/metadata"
)

// maxFileBytes bounds a configuration file; a larger one is not a configuration.
const maxFileBytes = 1 << 20

// readFile returns the values of the file by key. Every unknown key is reported, not only the first.
func readFile(path string) (map[string]Value, *document, error) {
	text, err := tomlfile.Read(path, maxFileBytes)
	if err != nil {
		return nil, nil, &failure.Failure{Code: failure.CodeBadValue, Exit: failure.ExitUsage, Err: err,
			Message: fmt.Sprintf("cannot read the configuration file %s: %v", path, err),
			Hint:    "write one with  skidway config init " + path}
	}
	d := &document{File: tomlfile.New(path, text)}
	values, err := d.parse()
	return values, d, err
}

// document is a configuration file while it is read.
type document struct {
	*tomlfile.File
	faults failure.List
}

// parse reads the values.
func (d *document) parse() (map[string]Value, error) {
	values := make(map[string]Value)
	var section []string
	known := true
	err := d.Walk(func(e *unstable.Node) {
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			section, known = d.enter(e)
		case unstable.KeyValue:
			if known {
				d.keyValue(section, e, values)
			}
		}
	})
	switch {
	case err != nil:
		return nil, err
	case len(d.faults) > 0:
		return values, d.faults
	}
	return values, nil
}

// enter notes the section that begins and tells whether it exists.
func (d *document) enter(e *unstable.Node) ([]string, bool) {
	names, at := d.Name(e.Key())
	d.Header = 0
	section := strings.Join(names, ".")
	if e.Kind == unstable.Table && slices.Contains(sections(), section) {
		d.Header = at.Line
		return names, true
	}
	d.unknown(place{at, ""}, fmt.Sprintf("unknown section [%s]", section), section, sections())
	return names, false
}

func (d *document) keyValue(section []string, e *unstable.Node, values map[string]Value) {
	names, at := d.Name(e.Key())
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
func (d *document) value(key Key, n *unstable.Node, at tomlfile.Span) Value {
	v := Value{Layer: File, Where: d.Where(at)}
	if n.Raw.Length > 0 {
		at = d.Span(n.Raw)
	}
	v.line, v.column, v.width = at.Line, at.Column, at.Width
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
		f.Snippet = d.Snippet(at, "wants a text, a number, true or false")
		d.faults = append(d.faults, f)
	}
	return v
}

// unknownKey reports a key that no row of Keys has.
func (d *document) unknownKey(path []string, at tomlfile.Span) {
	leaf, section := path[len(path)-1], strings.Join(path[:len(path)-1], ".")
	in := ""
	if section != "" {
		in = " in [" + section + "]"
	}
	d.unknown(place{at, section}, fmt.Sprintf("unknown setting %q%s", leaf, in), leaf, leaves(section))
}

// place is where something unknown stands, and the section that it was looked for in.
type place struct {
	tomlfile.Span
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
		Message: fmt.Sprintf("%s:%d: %s", d.Path, at.Line, what),
		Snippet: d.Snippet(at.Span, note),
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
