package retention

import (
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDecide(t *testing.T) {
	const now = int64(1_800_000_000_000)
	const day = 24 * time.Hour
	log := func(oldest, bytes int64) Stats { return Stats{Start: 10, End: 20, Bytes: bytes, OldestAppend: oldest} }
	none := Cut{KeepBytes: -1}
	for _, tc := range []struct {
		name string
		now  int64
		st   Stats
		p    Policy
		want Cut
	}{
		{"forever, without limit", now, log(1, math.MaxInt64), Policy{}, none},
		{"just as old as allowed", now, log(now-1000, 5), Policy{MaxAge: time.Second}, none},
		{"older by 1 ms", now, log(now-1001, 5), Policy{MaxAge: time.Second}, Cut{now - 1000, -1}},
		{"a fraction of a ms is rounded up", now, log(now-1001, 5), Policy{MaxAge: time.Second + time.Nanosecond}, none},
		{"seven days", now, log(now-7*day.Milliseconds()-1, 5), Policy{MaxAge: 7 * day}, Cut{now - 7*day.Milliseconds(), -1}},
		{"F2: appended in the future", now, log(now+day.Milliseconds(), 5), Policy{MaxAge: time.Millisecond}, none},
		{"append time not known", now, log(0, 5), Policy{MaxAge: time.Millisecond}, none},
		{"append time before 1970", now, log(math.MinInt64, 5), Policy{MaxAge: time.Millisecond}, none},
		{"negative age means forever", now, log(1, 5), Policy{MaxAge: math.MinInt64}, none},
		{"the longest age there is", now, log(1, 5), Policy{MaxAge: math.MaxInt64}, none},
		{"the clock at its lowest", math.MinInt64, log(1, 5), Policy{MaxAge: math.MaxInt64}, none},
		{
			"the clock at its highest", math.MaxInt64, log(math.MaxInt64-1001, 5), Policy{MaxAge: time.Second},
			Cut{math.MaxInt64 - 1000, -1},
		},
		{"as many bytes as allowed", now, log(now, 100), Policy{MaxBytes: 100}, none},
		{"one byte more", now, log(now, 101), Policy{MaxBytes: 100}, Cut{0, 100}},
		{"negative bytes means no limit", now, log(now, 101), Policy{MaxBytes: -1}, none},
		{"both", now, log(now-2000, 101), Policy{time.Second, 100}, Cut{now - 1000, 100}},
		{"empty log", now, Stats{Start: 7, End: 7, Bytes: 500, OldestAppend: 1}, Policy{time.Second, 1}, none},
		{"end below start", now, Stats{Start: 7, End: 3, Bytes: 500, OldestAppend: 1}, Policy{time.Second, 1}, none},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Decide(tc.now, tc.st, tc.p)
			if got != tc.want {
				t.Errorf("Decide = %+v, want %+v", got, tc.want)
			}
			if got.None() != (tc.want == none) {
				t.Errorf("None() = %v for %+v", got.None(), got)
			}
		})
	}
}

// TestDecideExactly holds Decide to the same rule computed without bounds.
func TestDecideExactly(t *testing.T) {
	edge := []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, 1, math.MaxInt64 - 1, math.MaxInt64}
	number := rapid.OneOf(rapid.Int64(), rapid.SampledFrom(edge), rapid.Int64Range(-5000, 5000))
	rapid.Check(t, func(t *rapid.T) {
		now := number.Draw(t, "now")
		st := Stats{number.Draw(t, "start"), number.Draw(t, "end"), number.Draw(t, "bytes"), number.Draw(t, "oldest")}
		p := Policy{time.Duration(number.Draw(t, "age")), number.Draw(t, "max bytes")}
		cut := Decide(now, st, p)

		empty := st.Start >= st.End
		ageNs := new(big.Int).Mul(new(big.Int).Sub(big.NewInt(now), big.NewInt(st.OldestAppend)), big.NewInt(1e6))
		tooOld := !empty && p.MaxAge > 0 && st.OldestAppend > 0 && ageNs.Cmp(big.NewInt(int64(p.MaxAge))) > 0
		if tooOld != (cut.AppendedBefore != 0) || tooOld && cut.AppendedBefore <= st.OldestAppend {
			t.Fatalf("age %v ns: %+v", ageNs, cut)
		}
		if cut.AppendedBefore != 0 { // what goes is older than MaxAge, what stays is not
			kept := new(big.Int).Mul(new(big.Int).Sub(big.NewInt(now), big.NewInt(cut.AppendedBefore)), big.NewInt(1e6))
			if kept.Cmp(big.NewInt(int64(p.MaxAge))) < 0 {
				t.Fatalf("a record %v ns old goes", kept)
			}
			next := new(big.Int).Sub(kept, big.NewInt(1e6))
			if next.Cmp(big.NewInt(int64(p.MaxAge))) >= 0 {
				t.Fatalf("a record %v ns old stays", kept)
			}
		}
		tooLarge := !empty && p.MaxBytes > 0 && st.Bytes > p.MaxBytes
		if tooLarge != (cut.KeepBytes >= 0) || tooLarge && cut.KeepBytes != p.MaxBytes {
			t.Fatalf("%d bytes: %+v", st.Bytes, cut)
		}
	})
}

// TestDueIsTheFirstTime holds Due to Decide: nothing is removed before it, and of a log of one age everything that is
// removed by age goes at that very time.
func TestDueIsTheFirstTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := rapid.Int64Range(1, 1<<50).Draw(t, "now")
		st := Stats{
			Start: 0, End: rapid.Int64Range(0, 2).Draw(t, "end"), Bytes: rapid.Int64Range(0, 100).Draw(t, "bytes"),
			OldestAppend: rapid.Int64Range(0, 1<<50).Draw(t, "oldest"),
		}
		p := Policy{
			MaxAge:   time.Duration(rapid.Int64Range(-1, math.MaxInt64).Draw(t, "age")),
			MaxBytes: rapid.Int64Range(-1, 1).Draw(t, "limit"),
		}
		due := Due(now, st, p)
		if due <= now {
			return // it is to be looked at
		}
		if cut := Decide(due-1, st, p); !cut.None() {
			t.Fatalf("due at %d, but %+v goes one millisecond before", due, cut)
		}
		if st.End > 0 && st.OldestAppend > 0 && due < math.MaxInt64 && Decide(due, st, p).None() {
			t.Fatalf("due at %d, but nothing goes then", due)
		}
		appended := st // a record that comes while nobody looks
		appended.End++
		if appended.OldestAppend == 0 {
			appended.OldestAppend = now
		}
		if cut := Decide(due-1, appended, p); st.OldestAppend == 0 && st.Start >= st.End && !cut.None() {
			t.Fatalf("due at %d, but of a record that came at %d %+v goes before", due, now, cut)
		}
	})
}
