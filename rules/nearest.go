package rules

import "strings"

// Nearest returns the name that got was probably meant to be, or "" if none is near enough: at most
// two edits in five letters and three in all away, counting a swap of neighbours as one; or one
// is the beginning of the other.
func Nearest(got string, names []string) string {
	const longest = 64 // what is longer is no typing mistake
	if len(got) > longest {
		return ""
	}
	best, distance := "", min(len(got), 1+min(3, max(1, len(got)*2/5)))
	for _, name := range names {
		if len(name) > longest {
			continue
		}
		if strings.EqualFold(got, name) {
			return name
		}
		if d := edits(got, name); d < distance {
			best, distance = name, d
		}
	}
	if best == "" && len(got) >= 3 {
		for _, name := range names {
			if strings.HasPrefix(got, name) && len(name) >= 3 || strings.HasPrefix(name, got) {
				return name
			}
		}
	}
	return best
}

// edits is the number of insertions, deletions, replacements and swaps of neighbours between a and b.
func edits(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
