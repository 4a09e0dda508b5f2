package runtime

import (
	"fmt"
	"slices"
	"strings"
)

// unknown returns an error that says that name is not among names, and which of them is probably
// meant.
func unknown(what, name string, names []string) error {
	if near := nearest(name, names); near != "" {
		return fmt.Errorf("no %s is called %q: did you mean %s? There are %s", what, name, near,
			strings.Join(names, ", "))
	}
	return fmt.Errorf("no %s is called %q: there are %s", what, name, strings.Join(names, ", "))
}

// nearest returns the one of names that is most like name, "" if none is. Capitals, hyphens and
// underscores do not count. A name that contains the other is near. Otherwise a name is near that
// differs in two letters at most, and in fewer than half.
func nearest(name string, names []string) (near string) {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
	}
	name = plain(name)
	least := 3
	for _, n := range names {
		p := plain(n)
		d := distance(name, p)
		if len(name) >= 3 && (strings.Contains(p, name) || strings.Contains(name, p)) {
			d = min(d, 1)
		}
		if d < least && 2*d < len(p) {
			near, least = n, d
		}
	}
	return near
}

// distance is the number of letters that must be inserted, deleted or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // a row of the table, for the prefix of a so far
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := slices.Clone(row)
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(before[j+1]+1, row[j]+1, before[j])
			if a[i] != b[j] {
				row[j+1] = min(before[j+1]+1, row[j]+1, before[j]+1)
			}
		}
	}
	return row[len(b)]
}
