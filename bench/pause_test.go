package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A pause counts as far as it lies behind the window's start, in full if it began within the window, and up to the end
// if no ack comes any more.
func TestLongestPause(t *testing.T) {
	for name, c := range map[string]struct {
		acks    []int64 // s
		longest time.Duration
		at      float64
	}{
		"none at all":                {nil, 10 * time.Second, 10},
		"evenly":                     {[]int64{11, 13, 15, 17, 19}, 2 * time.Second, 11},
		"before the window":          {[]int64{1, 9, 12, 16, 20}, 4 * time.Second, 12},
		"begun before the window":    {[]int64{2, 15, 18, 20}, 5 * time.Second, 10},
		"ends behind the window":     {[]int64{11, 12, 15, 30}, 15 * time.Second, 15},
		"only behind the window":     {[]int64{11, 14, 17, 21, 40}, 4 * time.Second, 17},
		"no more at the end":         {[]int64{11, 12, 13}, 7 * time.Second, 13},
		"late ones change nothing":   {[]int64{11, 16, 12, 20}, 5 * time.Second, 11},
		"several at the same moment": {[]int64{12, 12, 12, 20}, 8 * time.Second, 12},
	} {
		t.Run(name, func(t *testing.T) {
			var w window
			var m pauseMeter
			w.set(int64(10*time.Second), int64(20*time.Second))
			for _, at := range c.acks {
				m.ack(int64(time.Duration(at)*time.Second), &w)
			}
			got := m.result(&w)
			require.Equal(t, Pause{Longest: Span(c.longest), At: c.at}, got)
		})
	}
}
