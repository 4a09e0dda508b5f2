//go:build !weir_portable

package fd

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTurnLine compares the line for a turn with a slice, over random calls that come, give up and
// get the turn.
func TestTurnLine(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var line lockQueue
	var want []*lockWaiter
	for step := range 20_000 {
		switch n := len(want); {
		case n == 0 || n < 8 && rnd.IntN(2) == 0:
			w := new(lockWaiter)
			line.add(w)
			want = append(want, w)
		case rnd.IntN(2) == 0:
			line.remove(want[0])
			want = want[1:]
		default:
			i := rnd.IntN(n)
			line.remove(want[i])
			want = slices.Delete(want, i, i+1)
		}
		var got []*lockWaiter
		for w := line.first(); w != nil && len(got) <= len(want); w = w.next {
			got = append(got, w)
			if w == line.last {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("step %d: %d in line, want %d, or in another order", step, len(got), len(want))
		}
	}
}
