// Package suggest answers "did you mean": the known name that is nearest to one that is not known.
//
// It is pure, knows no list of its own, and imports nothing of this module.
package suggest

import "strings"

// Nearest returns the name of known that text most likely stands for, and false when none is near enough to be worth a
// question: more than a third of the letters are wrong, or text is shorter than two letters. Case does not count.
func Nearest(text string, known []string) (string, bool) {
	text = strings.ToLower(text)
	if len(text) < 2 {
		return "", false
	}
	best, bestDistance := "", 1+max(1, len(text)/3)
	for _, name := range known {
		if d := distance(text, strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best, best != ""
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string
// alignment), in bytes.
func distance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
