// Package tomlfile reads TOML files that people write, and points at the place of what is wrong in them: path and line,
// the line itself, and ~~~ under the piece with a note beside it.
//
// It knows no names: what may stand in a file is its readers' matter.
package tomlfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// Read returns the file's bytes if they are not more than limit. The error says only why: the caller knows what it
// wanted to read.
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, reason(err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("larger than %d MiB", limit>>20)
	}
	return text, nil
}

// reason is an error without the path.
func reason(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// File is a file that is being read. Not safe for concurrent use.
type File struct {
	Path string
	// Header is the line of the section that is being read, which a snippet shows too; 0: none.
	Header int

	text   []byte
	lines  []string
	parser unstable.Parser
}

// Span is a piece of one line.
type Span struct {
	Line, Column, Width int // from 1, in bytes; the width is cut at the end of the line
}

// New makes a File of a text; path is only told.
func New(path string, text []byte) *File {
	f := &File{Path: path, text: text, lines: strings.Split(string(text), "\n")}
	f.parser.Reset(text)
	return f
}

// Walk checks the text with the strict decoder first (syntax, duplicate keys), and then gives each table and each key
// to visit, with their places, which the decoder does not tell. The error is a Failure of what is not TOML.
func (f *File) Walk(visit func(e *unstable.Node)) error {
	var whole map[string]any
	if err := toml.Unmarshal(f.text, &whole); err != nil {
		return f.syntax(err)
	}
	for f.parser.NextExpression() {
		visit(f.parser.Expression())
	}
	if err := f.parser.Error(); err != nil {
		return f.syntax(err)
	}
	return nil
}

// Span is where a range of the text is.
func (f *File) Span(r unstable.Range) Span {
	shape := f.parser.Shape(r)
	s := Span{Line: shape.Start.Line, Column: shape.Start.Column, Width: int(r.Length)}
	s.Width = max(1, min(s.Width, len(f.line(s.Line))-s.Column+1))
	return s
}

// Name returns the parts of a dotted name, and where the last one is, which is most often wrong.
func (f *File) Name(it unstable.Iterator) (names []string, at Span) {
	for it.Next() {
		names = append(names, string(it.Node().Data))
		at = f.Span(it.Node().Raw)
	}
	return names, at
}

// Snippet prints the section's line, the line itself and ~~~ under the piece, with a note beside it.
func (f *File) Snippet(at Span, note string) string {
	if at.Line < 1 || at.Line > len(f.lines) {
		return ""
	}
	var b strings.Builder
	show := func(n int) { fmt.Fprintf(&b, "%4d| %s\n", n, strings.ReplaceAll(f.line(n), "\t", " ")) }
	if f.Header > 0 && f.Header != at.Line {
		show(f.Header)
	}
	show(at.Line)
	line := f.line(at.Line)
	start := min(max(at.Column-1, 0), len(line))
	end := min(start+at.Width, len(line))
	indent := len([]rune(line[:start]))
	width := max(1, len([]rune(line[start:end])))
	fmt.Fprintf(&b, "    | %s%s %s\n", strings.Repeat(" ", indent), strings.Repeat("~", width), note)
	return b.String()
}

func (f *File) line(n int) string { return strings.TrimSuffix(f.lines[n-1], "\r") }

// Where is the path with a line, as failures name it.
func (f *File) Where(at Span) string { return fmt.Sprintf("%s:%d", f.Path, at.Line) }

// syntax reports a file that is not TOML.
func (f *File) syntax(err error) error {
	out := &failure.Failure{Code: failure.CodeBadValue, Exit: failure.ExitUsage, Err: err,
		Message: fmt.Sprintf("%s: %s", f.Path, strings.TrimPrefix(err.Error(), "toml: "))}
	var de *toml.DecodeError
	if errors.As(err, &de) {
		line, column := de.Position()
		out.Message = fmt.Sprintf("%s:%d: %s", f.Path, line, strings.TrimPrefix(err.Error(), "toml: "))
		out.Snippet = f.Snippet(Span{Line: line, Column: column, Width: 1}, "here")
	}
	return out
}
