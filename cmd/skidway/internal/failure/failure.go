// Package failure is the one shape that every error of the command line has: a sentence that says what failed, to whom
// and why; where a value came from; what to do; a stable code; and the exit code that follows from it.
//
// It knows how to print itself and nothing of what failed: the commands translate the errors of the packages below
// into a Failure at one place. It is pure and imports only the standard library.
package failure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit codes of the process. They are part of the command line's contract with scripts and never change.
const (
	ExitOK          = 0   // all that was asked for was done
	ExitRefused     = 1   // the server refused, or any item failed
	ExitUsage       = 2   // usage or configuration
	ExitUnreachable = 3   // no broker reached, or timed out: safe to run again
	ExitUnhealthy   = 10  // status: the broker answers and says that it is not well
	ExitInterrupted = 130 // ended by Ctrl-C or SIGTERM before it was done
)

// Codes that the command line itself gives. The others are the wire protocol's, with an E before the number.
const (
	CodeUsage       = "E200" // an argument, flag or command that does not exist or does not fit
	CodeUnreachable = "E101" // no broker reachable
	CodeAdvertised  = "E104" // a broker was reached, the address that it advertises is not
	CodeTimedOut    = "E105" // the command's time was over
	CodeUnknownKey  = "E201" // a setting that does not exist
	CodeBadValue    = "E202" // a setting or flag whose value is not accepted
	CodeLocked      = "E203" // the data directory is used by another process
	CodeForeignData = "E204" // the data directory belongs to another cluster or to a newer version
	CodePortInUse   = "E205" // a listen address is taken
	CodeDamaged     = "E303" // stored data is damaged
	CodeInternal    = "E304" // an error that no rule foresees: a bug, or the system underneath
	CodeMissing     = "E207" // a program that is needed is not installed
	CodeInput       = "E206" // a file or the input could not be read, or is not what its format says
)

// Note is one line of context under the sentence: "address from: default (no --server, no SKIDWAY_SERVER)".
type Note struct {
	Label string // what is told: "address from", "data directory"
	Text  string
}

// Failure is an error made for the person at the terminal and for the script.
type Failure struct {
	Code      string // stable: E101. Empty prints no code (an interrupt).
	Message   string // one sentence, no capital, no full stop
	Snippet   string // lines of a file with a caret, printed as they are under the sentence; may be empty
	Notes     []Note // where values came from, in the order to print
	Hint      string // what to do; may be empty
	Retriable bool   // running the same command again may work without changing anything
	Exit      int    // the process's exit code; never 0
	Err       error  // the cause, for errors.Is and errors.As; may be nil
}

// Error returns the sentence and the code.
func (f *Failure) Error() string {
	if f.Code == "" {
		return f.Message
	}
	return f.Message + " [" + f.Code + "]"
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Usage returns a failure of how the command was called (exit 2).
func Usage(format string, args ...any) *Failure {
	return &Failure{Code: CodeUsage, Exit: ExitUsage, Message: fmt.Sprintf(format, args...)}
}

// BadValue returns a failure of one value (exit 2); source names the flag, variable or file:line that it came from.
func BadValue(source, format string, args ...any) *Failure {
	return &Failure{Code: CodeBadValue, Exit: ExitUsage, Message: source + ": " + fmt.Sprintf(format, args...)}
}

// Refused returns a failure that says that something was not done (exit 1).
func Refused(code, format string, args ...any) *Failure {
	return &Failure{Code: code, Exit: ExitRefused, Message: fmt.Sprintf(format, args...)}
}

// WithHint sets the hint and returns f, so that a failure can be written as one expression.
func (f *Failure) WithHint(format string, args ...any) *Failure {
	f.Hint = fmt.Sprintf(format, args...)
	return f
}

// WithNote adds a line of context and returns f.
func (f *Failure) WithNote(label, text string) *Failure {
	f.Notes = append(f.Notes, Note{Label: label, Text: text})
	return f
}

// List is several failures reported at once: all that is wrong with a configuration. Its exit code is the first's.
type List []*Failure

// Error returns all sentences, one a line.
func (l List) Error() string {
	lines := make([]string, len(l))
	for i, f := range l {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns every failure of the list.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, f := range l {
		errs[i] = f
	}
	return errs
}

// ErrReported is the error of a command that has already printed what failed (a table with a RESULT column): the exit
// code is 1 and nothing more is printed.
var ErrReported = errors.New("already reported")

// Reported is an error that was printed already and only carries the exit code.
type Reported struct{ Exit int }

// Error says that there is nothing more to say.
func (r Reported) Error() string { return fmt.Sprintf("already reported (exit %d)", r.Exit) }

// Is makes every Reported match ErrReported.
func (r Reported) Is(target error) bool { return target == ErrReported }

// ExitCode returns the exit code that err stands for: 0 for nil, 1 for an error that is none of this package's.
func ExitCode(err error) int {
	var f *Failure
	var l List
	var r Reported
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &r):
		return r.Exit
	case errors.As(err, &l) && len(l) > 0:
		return l[0].Exit
	case errors.As(err, &f):
		return f.Exit
	default:
		return ExitRefused
	}
}

// Style chooses how a failure is printed.
type Style int8

// The styles.
const (
	Text     Style = iota // for a person, without colour
	Coloured              // for a person at a terminal
	JSON                  // one object a failure, one line each
)

// Print writes err to w in the given style. An error that is not a Failure is printed as an internal one, so that
// nothing ever ends without a code.
func Print(w io.Writer, err error, style Style) {
	if err == nil || errors.Is(err, ErrReported) {
		return
	}
	var l List
	if errors.As(err, &l) {
		for _, f := range l {
			f.print(w, style)
		}
		return
	}
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Code: CodeInternal, Message: err.Error(), Exit: ExitRefused}
	}
	f.print(w, style)
}

func (f *Failure) print(w io.Writer, style Style) {
	if style == JSON {
		f.printJSON(w)
		return
	}
	red, dim, off := "", "", ""
	if style == Coloured {
		red, dim, off = "\x1b[31;1m", "\x1b[2m", "\x1b[0m"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%serror:%s %s", red, off, f.Message)
	if f.Code != "" {
		fmt.Fprintf(&b, "   %s[%s]%s", dim, f.Code, off)
	}
	b.WriteByte('\n')
	b.WriteString(f.Snippet)
	for _, n := range f.Notes {
		fmt.Fprintf(&b, "  %s: %s\n", n.Label, n.Text)
	}
	if f.Hint != "" {
		fmt.Fprintf(&b, "  hint: %s\n", f.Hint)
	}
	_, _ = io.WriteString(w, b.String()) // nothing is left to be told of an error of standard error
}

// body is the json form; its names are a contract with scripts.
type body struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Hint      string `json:"hint"`
	Retriable bool   `json:"retriable"`
}

func (f *Failure) printJSON(w io.Writer) {
	_ = EncodeLine(w, map[string]body{"error": f.body()})
}

func (f *Failure) body() body {
	return body{Code: f.Code, Message: f.Message, Hint: f.Hint, Retriable: f.Retriable}
}

// MarshalJSON gives the object that stands under "error" in the json form, for results that carry an error an item.
func (f *Failure) MarshalJSON() ([]byte, error) { return json.Marshal(f.body()) }

// EncodeLine writes v as one line of json without escaping <, > and &, which are ordinary in records.
func EncodeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
