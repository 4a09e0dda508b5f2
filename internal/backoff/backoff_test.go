package backoff

import (
	"slices"
	"testing"
)

// skips tries n times for nothing and returns how often p says no before each.
func skips(p *Backoff, n int) (all []int) {
	for range n {
		no := 0
		for !p.Allow() {
			no++
		}
		all = append(all, no)
		p.Miss()
	}
	return all
}

func TestBackoff(t *testing.T) {
	var p Backoff
	want := []int{0, 0, 1, 2, 4, 8, 16, 32, 64, 64, 64}
	if got := skips(&p, 11); !slices.Equal(got, want) {
		t.Errorf("it says no %v times, want %v", got, want)
	}
	for !p.Allow() {
	}
	p.Hit()
	for range 5 {
		if !p.Allow() {
			t.Error("not eager after a success")
		}
	}
	if got := skips(&p, 3); !slices.Equal(got, want[:3]) {
		t.Errorf("after a success it says no %v times", got)
	}
	p = Doubtful()
	if got := skips(&p, 3); !slices.Equal(got, []int{8, 8, 16}) {
		t.Errorf("a doubtful one says no %v times", got)
	}
}
