package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/tomlfile"
	"github.com/skidway/skidway/metadata"
)

// Mode chooses which defaults hold.
type Mode int8

// The modes.
const (
	Production  Mode = iota
	Development      // serve --dev: topics are created on first use, Kafka's clients are served, the data lies apart
)

// Sources says where settings are read from.
type Sources struct {
	Mode  Mode
	Path  string         // the file; empty: none
	Env   []string       // NAME=value, as os.Environ returns them
	Flags *pflag.FlagSet // made with AddFlags; nil: none
}

// AddFlags gives fs one flag for every key. The flags carry no default: Load knows a flag that was not given.
func AddFlags(fs *pflag.FlagSet) {
	for _, k := range Keys() {
		v := &flagValue{kind: k.Kind}
		usage := k.Doc
		if k.Accepts != "" {
			usage += " (" + k.Accepts + ")"
		}
		if k.Default != "" {
			usage += fmt.Sprintf("; default %s", k.Default)
		}
		f := fs.VarPF(v, k.Flag(), "", usage)
		if k.Kind == Switch {
			f.NoOptDefVal = "true"
		}
	}
}

// flagValue is the text of a flag; it is checked with all other values by Load, not while flags are parsed.
type flagValue struct {
	text string
	kind Kind
}

// String returns the text.
func (v *flagValue) String() string { return v.text }

// Set keeps the text.
func (v *flagValue) Set(s string) error { v.text = s; return nil }

// Type returns the word for the value in --help.
func (v *flagValue) Type() string { return v.kind.String() }

// Load reads all sources. Its error is a failure.List or a *failure.Failure that names every bad key and value.
func Load(s Sources) (*Config, error) {
	values := make(map[string]Value)
	merged := koanf.New(".")
	note := func(layer map[string]Value) error {
		texts := make(map[string]any, len(layer))
		for name, v := range layer {
			values[name] = v
			texts[name] = v.Text
		}
		return merged.Load(confmap.Provider(texts, "."), nil)
	}
	if err := note(defaults(s.Mode, s.Env)); err != nil {
		return nil, err
	}
	var faults failure.List
	var doc *document
	if s.Path != "" {
		layer, d, err := readFile(s.Path)
		if l, ok := err.(failure.List); ok {
			faults = append(faults, l...) // the values that are known are checked too
		} else if err != nil {
			return nil, err
		}
		doc = d
		if err := note(layer); err != nil {
			return nil, err
		}
	}
	if err := loadVariables(merged, s.Env, values); err != nil {
		return nil, err
	}
	if err := loadFlags(merged, s.Flags, values); err != nil {
		return nil, err
	}
	c := &Config{values: values}
	for _, k := range Keys() {
		v := values[k.Name]
		v.Text = merged.String(k.Name)
		values[k.Name] = v
		if f := c.apply(k, v, doc); f != nil {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return c, nil
}

func (c *Config) apply(k Key, v Value, doc *document) *failure.Failure {
	if v.Text == "" && k.Default == "" {
		return nil // not set, and nothing is fine
	}
	err := k.set(c, v.Text)
	if err == nil {
		return nil
	}
	f := failure.BadValue(v.Where, "%s: %v", k.Name, err)
	if v.Layer == Flag || v.Layer == Variable {
		f.Message = fmt.Sprintf("%s: %v", v.Where, err)
	}
	f.Err = err
	note := k.Accepts
	if note == "" {
		note = "a " + k.Kind.String()
	}
	if v.Layer == File && doc != nil {
		f.Snippet = doc.Snippet(tomlfile.Span{Line: v.line, Column: v.column, Width: v.width}, "wants "+note)
	} else {
		f.Hint = "it wants " + note
	}
	return f
}

func loadVariables(merged *koanf.Koanf, environ []string, values map[string]Value) error {
	byVariable := make(map[string]Key)
	for _, k := range Keys() {
		byVariable[k.Variable()] = k
	}
	return merged.Load(env.Provider(".", env.Opt{
		Prefix:      "SKIDWAY_",
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, text string) (string, any) {
			k, ok := byVariable[name]
			if !ok || text == "" { // an empty variable is one that a script left out
				return "", nil
			}
			values[k.Name] = Value{Text: text, Layer: Variable, Where: name}
			return k.Name, text
		},
	}), nil)
}

func loadFlags(merged *koanf.Koanf, flags *pflag.FlagSet, values map[string]Value) error {
	if flags == nil {
		return nil
	}
	return merged.Load(posflag.ProviderWithFlag(flags, ".", merged, func(f *pflag.Flag) (string, any) {
		k, ok := find(strings.ReplaceAll(f.Name, "-", "_"))
		if !ok || !f.Changed {
			return "", nil
		}
		text := f.Value.String()
		values[k.Name] = Value{Text: text, Layer: Flag, Where: "--" + f.Name}
		return k.Name, text
	}), nil)
}

func defaults(mode Mode, environ []string) map[string]Value {
	layer := make(map[string]Value)
	for _, k := range Keys() {
		layer[k.Name] = Value{Text: k.Default, Where: "default"}
	}
	dir := DataHome(environ)
	if mode == Development {
		layer["auto_create_topics"] = Value{Text: "true", Where: "default with --dev"}
		layer["data_dir"] = Value{Text: filepath.Join(dir, "dev"), Where: "default with --dev"}
		layer["kafka.enabled"] = Value{Text: "true", Where: "default with --dev"}
	} else {
		layer["data_dir"] = Value{Text: dir, Where: "default"}
	}
	if dir == "" {
		layer["data_dir"] = Value{Where: "default"}
	}
	return layer
}

// DataHome is the directory of all that is kept. It follows the XDG base directory specification; a relative
// XDG_DATA_HOME is ignored, as it asks. It is empty when there is no home either: then data_dir must be given.
func DataHome(environ []string) string {
	if dir := lookup(environ, "XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "skidway")
	}
	if home := lookup(environ, "HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "skidway")
	}
	return ""
}

func lookup(environ []string, name string) string {
	for _, e := range slices.Backward(environ) {
		if n, v, ok := strings.Cut(e, "="); ok && n == name {
			return v
		}
	}
	return ""
}

// UnknownVariables returns a warning for every SKIDWAY_* variable that is no key and none of the others that the
// caller knows (SKIDWAY_SERVER, ...), in alphabetical order.
func UnknownVariables(environ, others []string) []string {
	known := slices.Clone(others)
	for _, k := range Keys() {
		known = append(known, k.Variable())
	}
	var warnings []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "SKIDWAY_") || slices.Contains(known, name) {
			continue
		}
		w := fmt.Sprintf("%s matches no setting and is ignored", name)
		if near := metadata.Suggest(name, known); near != "" {
			w += fmt.Sprintf(" (did you mean %s?)", near)
		}
		warnings = append(warnings, w)
	}
	slices.Sort(warnings)
	return warnings
}

// Abbreviate writes a path below the home directory with a ~, for people to read.
func Abbreviate(path string, environ []string) string {
	home := lookup(environ, "HOME")
	if rest, ok := strings.CutPrefix(path, home+string(os.PathSeparator)); ok && home != "" && home != "/" {
		return "~/" + rest
	}
	return path
}
