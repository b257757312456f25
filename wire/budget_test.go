package wire

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Frames that each hold a part and wait for more do not lock up: one may overdraw.
func TestBudgetDoesNotLockUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		leases := make([]*lease, 4)
		for i := range leases {
			leases[i] = &lease{b: b}
			require.NoError(t, leases[i].grow(t.Context(), 25))
		}
		var order []int
		var mu sync.Mutex
		var done sync.WaitGroup
		for i, l := range leases {
			done.Go(func() {
				for range 3 { // 100 in the end, each
					require.NoError(t, l.grow(t.Context(), 25))
				}
				require.GreaterOrEqual(t, b.available(), int64(-75), "the overdraft is one frame")
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				l.release()
			})
			synctest.Wait() // so that they queue in this order
		}
		fresh := &lease{b: b}
		require.NoError(t, fresh.grow(t.Context(), 10))
		done.Wait()
		fresh.release()
		require.Len(t, order, 4)
		require.Equal(t, 0, order[0])
		require.Equal(t, int64(100), b.available())
	})
}

// New frames wait for those that have begun; a wait ends with its context.
func TestBudgetOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		first, second, third := &lease{b: b}, &lease{b: b}, &lease{b: b}
		require.NoError(t, first.grow(t.Context(), 60))
		var got []string
		var mu sync.Mutex
		grow := func(l *lease, n int64, name string) {
			if l.grow(t.Context(), n) == nil {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, name)
			}
		}
		go grow(second, 60, "second")
		synctest.Wait()
		go grow(third, 10, "third, smaller but later")
		synctest.Wait()
		require.Empty(t, got)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, (&lease{b: b}).grow(ctx, 100), context.DeadlineExceeded)

		require.NoError(t, first.grow(t.Context(), 40))
		first.release()
		synctest.Wait()
		require.ElementsMatch(t, []string{"second", "third, smaller but later"}, got)
		second.release()
		third.release()
		require.Equal(t, int64(100), b.available())
	})
}

// Whatever leases do, the books balance, no one starves, and the overdraft stays
// within one frame.
func TestBudgetBalances(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		total := rapid.Int64Range(10, 200).Draw(rt, "total")
		frame := rapid.Int64Range(5, total/2).Draw(rt, "frame")
		workers := rapid.IntRange(1, 12).Draw(rt, "workers")
		seed := rapid.Uint64().Draw(rt, "seed")
		synctest.Test(t, func(t *testing.T) {
			b := newBudget(total)
			var done sync.WaitGroup
			for w := range workers {
				rnd := rand.New(rand.NewPCG(seed, uint64(w)))
				done.Go(func() {
					for range 20 {
						l := &lease{b: b}
						for l.n < frame {
							ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rnd.IntN(50))*time.Millisecond)
							err := l.grow(ctx, min(1+rnd.Int64N(frame), frame-l.n))
							cancel()
							if err != nil && rnd.IntN(2) == 0 {
								break // gives the frame up
							}
							time.Sleep(time.Duration(rnd.IntN(20)) * time.Millisecond)
							require.GreaterOrEqual(t, b.available(), -frame)
						}
						l.release()
					}
				})
			}
			done.Wait()
			require.Equal(t, total, b.available())
			require.Zero(t, b.growing.Len()+b.fresh.Len())
			require.False(t, b.overdrawn)
		})
	})
}

func TestBufferClasses(t *testing.T) {
	var p bufferPool
	for _, n := range []int{1, 512, 513, 1 << 14, 1<<14 + 1, 8 << 20, 1 << 30} {
		c := class(n)
		require.GreaterOrEqual(t, 1<<(c+minBufferBits), n)
		if n > 512 {
			require.Less(t, 1<<(c+minBufferBits-1), n)
		}
		if n < 1<<24 {
			f := p.get(n)
			require.Len(t, f.b, n)
			require.Equal(t, c, class(cap(f.b)))
			p.put(f)
		}
	}
}
