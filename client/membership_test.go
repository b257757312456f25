package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
)

// TestMembershipScripts runs testdata/membership: conversations of a member with its coordinator and its program.
//
//	at MS                 sets the clock
//	request               the heartbeat that is due, if one is
//	answer epoch=N [parts=(T/P,...)]     it was taken; parts: all that may be consumed
//	fail VERDICT          it was not: unheard, dropped or refused; a repetition follows 100 ms later
//	found                 it is known where to begin, in all that was given
//	turn                  what the program is told next
//	released T/P ...      the program has let go
//	tick, polled, hurry
//	leave outside|ended   it leaves, for a while or for good
//	owned                 what the member owns, by phase
func TestMembershipScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/membership", func(t *testing.T, path string) {
		now := time.UnixMilli(0)
		m := newMembership(now, 10*time.Second)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return runMembership(t, m, &now, d)
		})
	})
}

func runMembership(t *testing.T, m *membership, now *time.Time, d *datadriven.TestData) string {
	arg := func(i int) string { return d.CmdArgs[i].Key }
	switch d.Cmd {
	case "at":
		var ms int64
		_, err := fmt.Sscan(arg(0), &ms)
		require.NoError(t, err)
		*now = time.UnixMilli(ms)
	case "request":
		return requestText(m, *now)
	case "answer":
		var epoch int32
		d.ScanArgs(t, "epoch", &epoch)
		var parts []partitionID
		if d.HasArg("parts") {
			var list []string
			for _, a := range d.CmdArgs {
				if a.Key == "parts" {
					list = a.Vals
				}
			}
			parts = parsePartitions(t, list)
		}
		m.answered(*now, epoch, 3*time.Second, parts)
	case "fail":
		v := map[string]verdict{"unheard": unheard, "dropped": dropped, "refused": refused}[arg(0)]
		m.failed(*now, v, 100*time.Millisecond, errors.New(arg(0)))
	case "found":
		for _, p := range ownedIn(m, given) {
			require.True(t, m.found(p))
		}
	case "turn":
		tn := m.turn()
		return fmt.Sprintf("%s%s%s", [...]string{"nothing", "lost", "let go", "start"}[tn.kind], texts(tn.parts),
			because(tn.why))
	case "released":
		var list []string
		for _, a := range d.CmdArgs {
			list = append(list, a.Key)
		}
		m.released(*now, parsePartitions(t, list))
	case "tick":
		m.tick(*now, ErrTooSlow)
	case "polled":
		m.polled(*now)
	case "hurry":
		m.hurry(*now)
	case "leave":
		m.leave(*now, epochLeave, map[string]standing{"outside": outside, "ended": ended}[arg(0)], ErrTooSlow)
	case "owned":
		var b strings.Builder
		for ph, name := range []string{"given", "ready", "active", "revoked", "releasing"} {
			if parts := ownedIn(m, phase(ph)); len(parts) > 0 {
				fmt.Fprintf(&b, "%s%s\n", name, texts(parts))
			}
		}
		return b.String()
	default:
		t.Fatalf("unknown command %q", d.Cmd)
	}
	return ""
}

func because(err error) string {
	if err == nil {
		return "\n"
	}
	return ": " + err.Error() + "\n"
}

func requestText(m *membership, now time.Time) string {
	due, ok := m.next()
	switch {
	case !ok:
		return "none\n"
	case now.Before(due):
		return fmt.Sprintf("at %d\n", due.UnixMilli())
	}
	b := m.request(now)
	text := fmt.Sprintf("epoch %d", b.epoch)
	if b.full {
		text += ", full"
	}
	if b.owned != nil {
		text += ", owns" + texts(b.owned)
	}
	if b.wait > 0 {
		text += fmt.Sprintf(", waits %v", b.wait)
	}
	return text + "\n"
}

func ownedIn(m *membership, ph phase) (out []partitionID) {
	for p, have := range m.owned {
		if have == ph {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, partitionID.compare)
	return out
}

func texts(parts []partitionID) (out string) {
	for _, p := range parts {
		out += fmt.Sprintf(" %d/%d", p.topic, p.index)
	}
	return out
}

func parsePartitions(t *testing.T, list []string) []partitionID {
	out := []partitionID{}
	for _, text := range list {
		var p partitionID
		if text != "" {
			_, err := fmt.Sscanf(text, "%d/%d", &p.topic, &p.index)
			require.NoError(t, err)
			out = append(out, p)
		}
	}
	return out
}

// A program is late when it has made no step for the limit, and only while it has something to do.
func TestStopwatch(t *testing.T) {
	now := time.Unix(0, 0)
	s := stopwatch{limit: time.Minute}
	look := func(after time.Duration, steps uint64, waiting bool) bool {
		now = now.Add(after)
		return s.late(now, steps, waiting)
	}
	require.False(t, look(0, 0, false))
	require.False(t, look(59*time.Second, 0, false))
	require.True(t, look(time.Second, 0, false))
	require.False(t, look(time.Second, 1, false)) // it went on
	require.False(t, look(59*time.Second, 1, false))
	require.False(t, look(10*time.Hour, 1, true)) // it waits for records
	require.False(t, look(59*time.Second, 1, false))
	require.True(t, look(time.Second, 1, false))
}
