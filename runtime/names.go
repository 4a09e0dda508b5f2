package runtime

import (
	"fmt"
	"slices"
	"strings"
)

// unknown says that there is nothing called name among names, and which of them is meant by it, if
// one is near.
func unknown(what, name string, names []string) error {
	if near := nearest(name, names); near != "" {
		return fmt.Errorf("no %s is called %q: did you mean %s? There are %s", what, name, near, strings.Join(names, ", "))
	}
	return fmt.Errorf("no %s is called %q: there are %s", what, name, strings.Join(names, ", "))
}

// nearest is the one of names that is most like name, "" if none is. Capitals, hyphens and
// underscores do not count. A name that contains the other is near; otherwise one that differs in
// two letters at most, and in fewer than half.
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

// distance is how many letters must be put in, left out or replaced to make one of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the table for what a begins with
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
