package runtime

import (
	"testing"
	"time"
)

// TestEventLinear guards that to cancel a wait, to let one pass and to close cost the same however
// many wait: about what it costs to begin to wait.
func TestEventLinear(t *testing.T) {
	cs := make([]Completion, 1<<14)
	// a busy machine makes some times long
	fastest := func(f func(e *Event, cs []Completion)) (enter, d time.Duration) {
		enter, d = time.Hour, time.Hour
		for range 7 {
			var e Event
			start := time.Now()
			for i := range cs {
				cs[i].At(&e)
				if e.enter(&cs[i]) {
					t.Fatal("does not wait")
				}
			}
			enter = min(enter, max(time.Since(start), time.Microsecond))
			start = time.Now()
			f(&e, cs)
			d = min(d, time.Since(start))
			if e.waiters != (fifo{}) {
				t.Error("a waiter is left in line")
			}
		}
		return enter, d
	}
	for what, f := range map[string]func(e *Event, cs []Completion){
		"cancel, newest first": func(e *Event, cs []Completion) {
			for i := range cs {
				if c := &cs[len(cs)-1-i]; !e.withdraw(c) || e.withdraw(c) {
					t.Fatal("was not in line, or still is")
				}
			}
		},
		"cancel, oldest first": func(e *Event, cs []Completion) {
			for i := range cs {
				e.withdraw(&cs[i])
			}
		},
		"let pass": func(e *Event, cs []Completion) {
			for i := range cs {
				if c, ok := e.pass(); c != &cs[i] || !ok {
					t.Fatal("not in order")
				}
			}
		},
		"close": func(e *Event, cs []Completion) {
			waiters, first := e.shut()
			if len(waiters) != len(cs) || waiters[0] != &cs[0] || !first || cs[0].passed {
				t.Fatalf("%d waiters", len(waiters))
			}
		},
	} {
		enter, d := fastest(f)
		if ratio := d / enter; ratio > 30 { // hundreds, if each has to be searched for, or others moved
			t.Errorf("%s: it takes %d times as long as to enter", what, ratio)
		}
	}
}
