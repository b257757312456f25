package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

// Kind tells where an operation stands.
type Kind string

// The kinds of events.
const (
	Invoke Kind = "invoke" // it begins
	OK     Kind = "ok"     // it was done
	Fail   Kind = "fail"   // it was not done, and never will be
	Info   Kind = "info"   // whether it was or will be done is unknown
)

// Op is an operation.
type Op string

// The operations.
const (
	Send   Op = "send"   // of Values; an ok tells their Offsets
	Poll   Op = "poll"   // the invoke is of no partition; an ok for each partition tells Values and Offsets
	Assign Op = "assign" // the process reads on at Offsets[0], or, if that is missing, at a place not known
	Latest Op = "latest" // an ok tells in Offsets[0] where the partition ended for readers
	Final  Op = "final"  // a partition is read from start to end when nobody sends any more
	Crash  Op = "crash"  // a fault; Error says which. Of no process and no partition
)

// None stands for no process, no partition or no offset.
const None = -1

// Event is one thing that happened to one client.
type Event struct {
	Time      int64   `json:"time"` // monotonic, ns since the history began
	Process   int     `json:"process"`
	Kind      Kind    `json:"kind"`
	Op        Op      `json:"op"`
	Partition int32   `json:"partition"`
	Values    []Value `json:"values,omitempty"`
	Offsets   []int64 `json:"offsets,omitempty"` // of Values, in their order; None where it is not known
	Error     string  `json:"error,omitempty"`   // the name of the error's code, or what happened
}

// History is the events of a test in the order in which they happened: the time of none is before that of the one
// before it. Safe for concurrent use.
type History struct {
	began time.Time

	mu        sync.Mutex // guards what follows
	events    []Event
	processes int
}

// New begins a history.
func New() *History { return &History{began: time.Now()} }

// Add appends an event, and sets its time.
func (h *History) Add(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.Time = time.Since(h.began).Nanoseconds()
	h.events = append(h.events, e)
}

// NewProcess gives a number that no process of the history has had. A process does one thing after another, but for
// sends, which may overlap. One that does not know what became of a send goes on as another process.
func (h *History) NewProcess() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.processes++
	return h.processes
}

// Events returns a copy of the events so far; what their slices hold is shared, and not to be changed.
func (h *History) Events() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// Write writes an event a line, as JSON.
func (h *History) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	for _, e := range h.Events() {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("history: %w", err)
	}
	return nil
}

// Read reads what Write wrote. Further events have later times.
func Read(r io.Reader) (*History, error) {
	h := New()
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	for {
		var e Event
		err := dec.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = e.check()
		}
		if n := len(h.events); err == nil && n > 0 && e.Time < h.events[n-1].Time {
			err = errors.New("its time is before that of the event before it")
		}
		if err != nil {
			return nil, fmt.Errorf("history: event %d: %w", len(h.events)+1, err)
		}
		h.events = append(h.events, e)
		h.processes = max(h.processes, e.Process)
	}
	if n := len(h.events); n > 0 {
		h.began = h.began.Add(-time.Duration(h.events[n-1].Time))
	}
	return h, nil
}

// check tells what is wrong with an event that was read.
func (e *Event) check() error {
	switch {
	case !slices.Contains([]Kind{Invoke, OK, Fail, Info}, e.Kind):
		return fmt.Errorf("kind %q is none of invoke, ok, fail, info", e.Kind)
	case !slices.Contains([]Op{Send, Poll, Assign, Latest, Final, Crash}, e.Op):
		return fmt.Errorf("op %q is none of send, poll, assign, latest, final, crash", e.Op)
	case len(e.Values) > 0 && len(e.Offsets) > 0 && len(e.Values) != len(e.Offsets):
		return fmt.Errorf("%d values and %d offsets", len(e.Values), len(e.Offsets))
	}
	return nil
}

// offset gives that of the i-th value.
func (e *Event) offset(i int) int64 {
	if i < len(e.Offsets) {
		return e.Offsets[i]
	}
	return None
}
