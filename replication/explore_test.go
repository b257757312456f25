//go:build !race

package replication

import (
	"flag"
	"fmt"
	"hash/maphash"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var worlds = flag.Int("worlds", 20_000, "worlds that each part of TestExhaustive goes through")

// moves lists what may happen in a world.
func (x *explorer) moves(w *explored) (out []move) {
	l := &w.limits
	add := func(ok bool, kind moveKind, a, b int) {
		if ok {
			out = append(out, move{kind, int8(a), int8(b)})
		}
	}
	for i, r := range w.replicas {
		up := r != nil
		for j := range w.replicas {
			add(len(w.net[i][j]) > 0, moveDeliver, i, j)
			busy := len(w.net[i][j])+len(w.net[j][i]) > 0
			add(i < j && l.cuts > 0 && up && w.replicas[j] != nil && busy, moveCut, i, j)
		}
		add(!up, moveRestart, i, 0)
		if !up {
			continue
		}
		leads := r.role == Leader
		add(len(w.queue[i]) > 0, moveSync, i, 0)
		add(leads && l.records > 0, moveProduce, i, 0)
		add(l.crashes > 0, moveCrash, i, 0)
		add(l.expires > 0 && w.listed[i], moveExpire, i, 0)
		add(!w.listed[i], moveRegister, i, 0)
		add(w.version > r.version || r.phase == phaseConfirming, moveRead, i, 0)
		add(leads && l.lags > 0 && !r.lead.isr.active, moveLag, i, 0)
		add(x.asksAgain(w, i), moveRetry, i, 0)
	}
	for k, at := range w.writes {
		add(true, moveLand, k, 0)
		add(l.unknown > 0 && !at.late, moveLandUnknown, k, 0)
		add(l.unknown > 0 && !at.late, moveGiveUp, k, 0)
	}
	return append(out, move{kind: movePlan})
}

// asksAgain tells whether it is worth while that a replica repeats what got no answer.
func (x *explorer) asksAgain(w *explored, i int) bool {
	r := w.replicas[i]
	if r.role == Leader {
		return r.lead.isr.active && !r.lead.isr.inFlight
	}
	leader := r.state.Leader - 1
	if r.role != Follower || r.phase != phaseSubscribing || leader < 0 || w.replicas[leader] == nil {
		return false
	}
	to := w.replicas[leader]
	return to.role == Leader && to.epoch == r.epoch && len(w.net[i][leader])+len(w.net[leader][i]) == 0
}

// do makes a move. It tells whether the world is another one, within its limits.
func (x *explorer) do(w *explored, m move) bool {
	l, a := &w.limits, int(m.a)
	switch m.kind {
	case moveDeliver:
		x.deliver(w, a, int(m.b))
	case moveSync:
		x.sync(w, a)
	case moveProduce:
		l.records--
		x.step(w, a, Produce{ID: 1, Batch: fmt.Append(nil, "record ", l.records), Records: 1, All: true})
	case moveCrash:
		l.crashes--
		w.replicas[a], w.view[a], w.queue[a], w.listed[a] = nil, nil, nil, x.bounce
		for j := range w.replicas {
			if j != a {
				x.disconnect(w, a, j)
			}
		}
	case moveRestart:
		x.restart(w, a)
	case moveExpire:
		l.expires--
		w.listed[a] = false
	case moveRegister:
		w.be[a]++
		w.listed[a] = true
		x.step(w, a, Fenced{})
		x.step(w, a, Registered{w.be[a]})
	case movePlan:
		if !x.plan(w) {
			return false
		}
	case moveRead:
		x.step(w, a, StateRead{State: w.state, Version: w.version, Newest: true})
	case moveCut:
		l.cuts--
		x.disconnect(w, a, int(m.b))
	case moveRetry:
		x.step(w, a, Tick{})
	case moveLag:
		l.lags--
		w.replicas[a].opts.LagMax = -1
		x.step(w, a, Tick{})
		w.replicas[a].opts.LagMax = 1
	default:
		x.doWrite(w, m)
	}
	return int(w.state.LeaderEpoch) <= l.epochs && int(w.version) <= l.versions
}

// doWrite decides what becomes of a write.
func (x *explorer) doWrite(w *explored, m move) {
	at := w.writes[m.a]
	outcome := OutcomeUnknown
	if m.kind == moveGiveUp {
		w.limits.unknown--
		w.writes[m.a].late = true
	} else {
		w.writes = slices.Delete(w.writes, int(m.a), int(m.a)+1)
		landed := x.land(w, at)
		if m.kind == moveLand {
			outcome = landed
		} else {
			w.limits.unknown--
		}
	}
	if r := w.replicas[at.from]; r != nil && r.be == at.be && !at.late {
		x.step(w, at.from, Written{at.write.Seq, outcome})
	}
}

// found is what a search came to.
type found struct {
	worlds    int
	depth     int
	exhausted bool
	wrong     string
	trace     []move // the shortest way to what is wrong
}

// step is how a world was come to.
type came struct {
	from int32
	by   move
}

// explore goes through all worlds that limits allow, the nearest first, until something is wrong or so many were seen.
func (x *explorer) explore(l limits, most int) found {
	seed, buf := maphash.MakeSeed(), []byte(nil)
	first := x.begin(l)
	known := map[uint64]struct{}{first.sum(seed, &buf): {}}
	path := []came{{from: -1}}
	type reached struct {
		w  *explored
		at int32
	}
	frontier := []reached{{first, 0}}
	var f found
	for f.depth = 0; len(frontier) > 0; f.depth++ {
		var next []reached
		for k, here := range frontier {
			frontier[k].w = nil
			for _, m := range x.moves(here.w) {
				w := here.w.clone()
				if !x.do(w, m) {
					continue
				}
				h := w.sum(seed, &buf)
				if _, ok := known[h]; ok {
					continue
				}
				known[h] = struct{}{}
				path = append(path, came{here.at, m})
				f.worlds = len(path)
				if w.wrong != "" {
					f.wrong = w.wrong
					for at := int32(len(path) - 1); path[at].from >= 0; at = path[at].from {
						f.trace = append(f.trace, path[at].by)
					}
					slices.Reverse(f.trace)
					return f
				}
				next = append(next, reached{w, int32(len(path) - 1)})
			}
			if f.worlds >= most {
				return f
			}
		}
		frontier = next
	}
	f.exhausted = true
	return f
}

func (f found) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d worlds, up to %d moves away, exhausted: %v", f.worlds, f.depth, f.exhausted)
	if f.wrong != "" {
		fmt.Fprintf(&b, "\n%s, after", f.wrong)
		for _, m := range f.trace {
			fmt.Fprintf(&b, "\n  %v", m)
		}
	}
	return b.String()
}

// A copy of a replica shares no memory with it that a Step changes.
func TestCloneIsDeep(t *testing.T) {
	r := leads(t, Testing{})
	r.Step(0, Received{3, Subscribe{From: Member{3, 33}, BrokerEpoch: 1, Stream: 1, Epoch: 3, LastEpoch: NoEpoch}})
	r.Step(0, Barrier{ID: 1})
	r.Step(0, Barrier{ID: 2})
	r.state.Adding, r.state.Removing, r.state.ELR = []int32{1}, []int32{1}, []Member{{4, 4}}
	r.state.UncleanEpochs, r.state.Unknown = []int32{1}, [][]byte{{1}}
	r.lead.isr.state = r.state.Clone()
	c := r.clone()
	var buf []byte
	require.Equal(t, encode(buf, reflect.ValueOf(r)), encode(buf, reflect.ValueOf(c)))
	slicesOf := func(r *Replica) map[uintptr]string {
		out := make(map[uintptr]string)
		var walk func(v reflect.Value, path string)
		walk = func(v reflect.Value, path string) {
			switch v.Kind() {
			case reflect.Struct:
				for i := range v.NumField() {
					if name := v.Type().Field(i).Name; name != "out" {
						walk(v.Field(i), path+"."+name)
					}
				}
			case reflect.Slice:
				require.Positive(t, v.Len(), "%s is empty: the test says nothing about it", path)
				out[v.Pointer()] = path
			}
		}
		walk(reflect.ValueOf(r).Elem(), "")
		return out
	}
	shared := slicesOf(c)
	for p, path := range slicesOf(r) {
		require.NotContains(t, shared, p, path)
	}
}

// In the smallest worlds, in whatever order things happen, nothing that was committed is lost or changed. The first of
// them are gone through to the end; of the others it is the worlds nearest to the beginning, -worlds of each.
func TestExhaustive(t *testing.T) {
	for name, c := range map[string]struct {
		minISR int32
		limits limits
		whole  bool
	}{
		"crash":   {2, limits{records: 1, crashes: 1, epochs: 2, versions: 2}, true},
		"zombie":  {2, limits{records: 2, expires: 1, epochs: 3, versions: 4}, false},
		"crashes": {2, limits{records: 3, crashes: 2, epochs: 3, versions: 6}, false},
		"unknown writes": {
			1, limits{records: 2, lags: 1, unknown: 2, cuts: 1, crashes: 1, epochs: 3, versions: 6}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := explorer{minISR: c.minISR}
			most := *worlds
			if c.whole {
				most = math.MaxInt
			}
			f := x.explore(c.limits, most)
			t.Log(f)
			require.Empty(t, f.wrong)
			require.True(t, f.exhausted || !c.whole && f.worlds >= most)
		})
	}
}

// Without a rule the search finds what the rule is for, by the fewest moves.
func TestExhaustiveFindsSeededBugs(t *testing.T) {
	for name, c := range map[string]struct {
		x      explorer
		limits limits
		wrong  string
	}{
		"M4": {
			explorer{minISR: 2, bounce: true},
			limits{records: 2, crashes: 1, epochs: 2, versions: 3}, "I2: replica 2 shows",
		},
		"M6": {
			explorer{minISR: 1, testing: Testing{IgnorePendingExpand: true}},
			limits{records: 1, lags: 1, unknown: 1, expires: 1, epochs: 2, versions: 4},
			"lost what it had acknowledged",
		},
		"M8": {
			explorer{minISR: 1, testing: Testing{IgnoreEpochStart: true}},
			limits{records: 1, crashes: 1, lags: 1, epochs: 3, versions: 5}, "I1: replica 2 leads",
		},
		"M9": {
			explorer{minISR: 2, testing: Testing{ShrinkBeforeResult: true}},
			limits{records: 1, lags: 1, expires: 1, epochs: 2, versions: 3}, "I1: replica 2 leads",
		},
		"M13": {
			explorer{minISR: 2, testing: Testing{IgnoreMinISR: true}},
			limits{records: 1, lags: 2, expires: 1, epochs: 2, versions: 5}, "lost what it had acknowledged",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := c.x.explore(c.limits, 100_000)
			t.Log(f)
			require.Contains(t, f.wrong, c.wrong)
		})
	}
}
