package metadata

// Suggest returns the candidate that name was probably meant to be: the nearest one
// by insertions, deletions, replacements and swaps of neighbours, ignoring case and
// "-" in place of "_". It returns "" if none is near enough to be worth a question.
func Suggest(name string, candidates []string) string {
	if len(name) < 2 || len(name) > MaxNameBytes {
		return ""
	}
	best, bestDistance := "", 1+max(1, min(3, len(name)/3))
	from := foldForSuggest(name)
	for _, c := range candidates {
		if len(c) > MaxNameBytes || abs(len(c)-len(name)) >= bestDistance {
			continue
		}
		if d := distance(from, foldForSuggest(c)); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

func foldForSuggest(s string) []byte {
	b := []byte(s)
	for i, c := range b {
		switch {
		case 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		case c == '-' || c == '.' || c == ' ':
			b[i] = '_'
		}
	}
	return b
}

// distance is the Damerau-Levenshtein distance without overlapping swaps.
func distance(a, b []byte) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
