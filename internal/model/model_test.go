package model

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// counter is two processes that each add one to a number, by a load and a store.
type counter struct {
	n      int
	pc     [2]int // 0: to load, 1: to store, 2: over
	loaded [2]int
}

func counting(atomic bool) Model[counter] {
	return Model[counter]{
		Next: func(s counter, to func(string, counter)) {
			for p := range s.pc {
				n := s
				switch s.pc[p] {
				case 0:
					if atomic {
						n.n, n.pc[p] = s.n+1, 2
					} else {
						n.loaded[p], n.pc[p] = s.n, 1
					}
					to("load", n)
				case 1:
					n.n, n.pc[p] = s.loaded[p]+1, 2
					to("store", n)
				}
			}
		},
		Ends: func(s counter) error {
			if s.n != 2 {
				return errors.New("an addition is lost")
			}
			return nil
		},
	}
}

// TestCheck guards that every order of steps is explored, that a violation comes with a shortest
// run, and that there is an end.
func TestCheck(t *testing.T) {
	if n, err := counting(true).Check(100); n != 4 || err != nil {
		t.Errorf("%d states, %v", n, err)
	}
	_, err := counting(false).Check(100)
	var v *Violation
	if !errors.As(err, &v) || !slices.Equal(v.Steps, []string{"load", "load", "store", "store"}) ||
		!strings.Contains(v.Error(), "lost") {
		t.Errorf("%v", err)
	}
	if _, err := counting(true).Check(2); err == nil {
		t.Error("no limit")
	}
	never := counting(true)
	never.Holds = func(s counter) error {
		if s.n == 1 {
			return errors.New("one")
		}
		return nil
	}
	if _, err := never.Check(100); !errors.As(err, &v) || len(v.Steps) != 1 {
		t.Errorf("%v", err)
	}
}
