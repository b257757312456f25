// Package table writes the answers of commands that are lists: aligned columns for people, tab-separated values and
// json lines for programs. All three are made of the same rows, so that they cannot disagree.
//
// It imports only the standard library and the command line's failure, for its json encoder.
package table

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// Show says in which forms a column stands.
type Show int8

// The forms.
const (
	Always   Show = iota
	OnlyWide      // for people, only with --format wide; always for programs
)

// Column is one column: its title for people, and its name for programs.
type Column struct {
	Title string
	Name  string
	Show  Show
}

// Cell is a value that people and programs read differently: "1.1 GiB" and 1181116006.
type Cell struct {
	Text  string
	Value any
}

// Table is a list under construction. A row's cells are strings, numbers, Cells or values that json can write, as many
// as there are columns.
type Table struct {
	Columns []Column
	rows    [][]any
}

// Add appends a row. A row of another length than the columns is a mistake of the program and panics.
func (t *Table) Add(cells ...any) {
	if len(cells) != len(t.Columns) {
		panic(fmt.Sprintf("table: %d cells in %d columns", len(cells), len(t.Columns)))
	}
	t.rows = append(t.rows, cells)
}

// Len returns the number of rows.
func (t *Table) Len() int { return len(t.rows) }

// Formats are the words that Write knows.
func Formats() []string { return []string{"text", "wide", "json", "tsv"} }

// Write writes the table in one of Formats. Text and wide have a line of titles, tsv one of names; json has an object
// a line.
func (t *Table) Write(w io.Writer, format string) error {
	switch format {
	case "json":
		return t.writeJSON(w)
	case "tsv":
		return t.writeTSV(w)
	case "wide":
		return t.writeText(w, OnlyWide)
	default:
		return t.writeText(w, Always)
	}
}

func (t *Table) writeText(w io.Writer, most Show) error {
	lines := [][]string{nil}
	for _, c := range t.Columns {
		if c.Show <= most {
			lines[0] = append(lines[0], c.Title)
		}
	}
	for _, row := range t.rows {
		var line []string
		for i, cell := range row {
			if t.Columns[i].Show <= most {
				line = append(line, strings.ReplaceAll(text(cell), "\n", " "))
			}
		}
		lines = append(lines, line)
	}
	return Align(w, lines)
}

// Align writes lines of fields in columns with two spaces between, and no space at the end of a line.
func Align(w io.Writer, lines [][]string) error {
	var widths []int
	for _, line := range lines {
		for i, field := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(field))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		var row strings.Builder
		for i, field := range line {
			row.WriteString(field)
			row.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(field)+2))
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) writeTSV(w io.Writer) error {
	escape := strings.NewReplacer("\\", `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)
	var b strings.Builder
	for i, c := range t.Columns {
		b.WriteString(c.Name + end(i, t.Columns))
	}
	for _, row := range t.rows {
		for i, cell := range row {
			b.WriteString(escape.Replace(fmt.Sprint(value(cell))) + end(i, t.Columns))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func end(i int, columns []Column) string {
	if i == len(columns)-1 {
		return "\n"
	}
	return "\t"
}

func (t *Table) writeJSON(w io.Writer) error {
	for _, o := range t.Objects() {
		if err := failure.EncodeLine(w, o); err != nil {
			return err
		}
	}
	return nil
}

// Objects returns the rows as json objects, to be put into a larger one; never nil.
func (t *Table) Objects() []Object {
	objects := make([]Object, 0, len(t.rows))
	for _, row := range t.rows {
		o := make(Object, len(row))
		for i, cell := range row {
			o[i] = Field{t.Columns[i].Name, value(cell)}
		}
		objects = append(objects, o)
	}
	return objects
}

func text(cell any) string {
	if c, ok := cell.(Cell); ok {
		return c.Text
	}
	return fmt.Sprint(cell)
}

func value(cell any) any {
	if c, ok := cell.(Cell); ok {
		return c.Value
	}
	return cell
}
