// Package position reads where a consumer begins and ends: the words of -o, --from and --until.
//
//	start  end  47  +3  -3  10:20  @-1h  @now  @2026-11-22  @2026-11-22:@now
//
// It is pure: it turns text into a Range, and a Range with the bounds of a partition into offsets. Offsets for times
// come from the broker and are given to it. It may import units.
package position

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/skidway/skidway/units"
)

// Kind is what a Position is counted from.
type Kind int8

// The kinds of positions.
const (
	None       Kind = iota // not given
	Start                  // the first record that is kept
	End                    // after the last record at the moment that the command starts
	Offset                 // N is the offset
	AfterStart             // N records after the first that is kept
	BeforeEnd              // N records before the end
	Time                   // the first record at or after a time: N in milliseconds since 1970
)

// Position is one end of a Range.
type Position struct {
	Kind Kind
	N    int64 // see Kind; never negative
}

// Range is what a consumer is to read: from From, included, to Until, not included. Until may be None: on and on.
type Range struct {
	From, Until Position
}

// Clock says what "now" is and in which zone a date without one stands.
type Clock struct {
	Now time.Time // its location is the zone
}

// Accepted lists the forms for messages and help.
const Accepted = "start, end, 47, +3 (after start), -3 (before end), 10:20, @-1h, @now, @2026-11-22T10:00, FROM:UNTIL"

// ParseRange reads the text of -o: a position, or two with a colon between. Either may be left out ("10:", ":end"),
// but not both.
func (c Clock) ParseRange(text string) (Range, error) {
	whole, err := c.ParsePosition(text)
	if err == nil {
		return Range{From: whole}, nil
	}
	// Times have colons of their own: take the last colon that leaves two positions.
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] != ':' {
			continue
		}
		if r, ok := c.pair(text[:i], text[i+1:]); ok {
			return r, nil
		}
	}
	return Range{}, err
}

func (c Clock) pair(from, until string) (r Range, ok bool) {
	if from == "" && until == "" {
		return r, false
	}
	var err error
	if from == "" {
		r.From = Position{Kind: Start}
	} else if r.From, err = c.ParsePosition(from); err != nil {
		return r, false
	}
	if until != "" {
		if r.Until, err = c.ParsePosition(until); err != nil {
			return r, false
		}
	}
	return r, true
}

// ParsePosition reads one position of -o.
func (c Clock) ParsePosition(text string) (Position, error) {
	switch {
	case text == "":
		return Position{}, fmt.Errorf("an empty text is no position")
	case text == "start" || text == "beginning":
		return Position{Kind: Start}, nil
	case text == "end":
		return Position{Kind: End}, nil
	case text[0] == '@':
		return c.parseTime(text[1:])
	case text[0] == '+':
		return count(text[1:], AfterStart, text)
	case text[0] == '-':
		return count(text[1:], BeforeEnd, text)
	default:
		return count(text, Offset, text)
	}
}

// ParseWords reads --from and --until: what -o takes, and times without the @ where nothing else is meant
// ("2026-11-22", "-1h", "1h ago", "now").
func (c Clock) ParseWords(text string) (Position, error) {
	p, err := c.ParsePosition(text)
	if err == nil {
		return p, nil
	}
	bare := strings.TrimPrefix(text, "@")
	if ago, ok := strings.CutSuffix(bare, " ago"); ok {
		bare = "-" + strings.TrimSpace(ago)
	}
	if t, terr := c.parseTime(bare); terr == nil {
		return t, nil
	}
	return p, err
}

func count(digits string, kind Kind, text string) (Position, error) {
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || digits[0] == '+' {
		return Position{}, fmt.Errorf("%q is no position in a partition", text)
	}
	return Position{Kind: kind, N: int64(n)}, nil
}

// layouts are the forms of a point in time, with and without a zone.
var layouts = []string{
	"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04Z07:00", time.RFC3339Nano,
}

func (c Clock) parseTime(text string) (Position, error) {
	if text == "now" {
		return at(c.Now)
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, err := units.ParseDuration(ago)
		if err != nil {
			return Position{}, fmt.Errorf("%q is no time: %w", "@"+text, err)
		}
		return at(c.Now.Add(-d))
	}
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return epoch(int64(n), len(text))
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, c.Now.Location()); err == nil {
			return at(t)
		}
	}
	return Position{}, fmt.Errorf("%q is no time; it may be @-1h, @now, @2026-11-22, @2026-11-22T10:00:00Z, "+
		"or seconds (10 digits) or milliseconds (13 digits) since 1970", "@"+text)
}

// epoch tells seconds from milliseconds by the number of digits, which has been unambiguous since 2001.
func epoch(n int64, digits int) (Position, error) {
	switch digits {
	case 10:
		return Position{Kind: Time, N: n * 1000}, nil
	case 13:
		return Position{Kind: Time, N: n}, nil
	default:
		return Position{}, fmt.Errorf("%d has %d digits: a time has 10 (seconds since 1970) or 13 (milliseconds)", n, digits)
	}
}

func at(t time.Time) (Position, error) {
	ms := t.UnixMilli()
	if ms < 0 || t.Year() > 9999 || t.Year() < 1970 {
		return Position{}, fmt.Errorf("%s lies outside of 1970 to 9999", t.Format(time.RFC3339))
	}
	return Position{Kind: Time, N: ms}, nil
}

// Bounds are the offsets of a partition at one moment: the first record kept, and the next to be written.
type Bounds struct {
	Start, End int64
}

// Resolve returns the offset of p within b. For a Time, found is the offset of the first record at or after it, or
// -1 when there is none: then it is the end. An offset is returned as given, even outside of b: whether that is an
// error, the broker says. Counts from either end stop at the other.
func (p Position) Resolve(b Bounds, found int64) int64 {
	switch p.Kind {
	case Start:
		return b.Start
	case Offset:
		return p.N
	case AfterStart:
		if p.N > b.End-b.Start {
			return b.End
		}
		return b.Start + p.N
	case BeforeEnd:
		if p.N > b.End-b.Start {
			return b.Start
		}
		return b.End - p.N
	case Time:
		if found >= 0 {
			return found
		}
		return b.End
	default:
		return b.End
	}
}

// String says the position in words, for the note that a waiting consumer prints.
func (p Position) String() string {
	switch p.Kind {
	case Start:
		return "start"
	case End:
		return "end"
	case Offset:
		return "offset " + strconv.FormatInt(p.N, 10)
	case AfterStart:
		return fmt.Sprintf("%d after start", p.N)
	case BeforeEnd:
		return fmt.Sprintf("%d before end", p.N)
	case Time:
		return time.UnixMilli(p.N).UTC().Format("2006-01-02T15:04:05.000Z")
	default:
		return "nowhere"
	}
}
