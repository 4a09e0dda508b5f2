package load

import (
	"math"
	"testing"
	"time"
)

// The times of a schedule are those that its integral has: of each kind, at every one of them.
func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		s   Schedule
		d   time.Duration
		due float64
	}{
		{Constant(100_000), 3 * time.Second, 300_000},
		{Constant(0.5), 10 * time.Second, 5},
		{Ramp(0, 1000, 10*time.Second), 10 * time.Second, 5000},
		{Ramp(1000, 0.001, 10*time.Second), 10 * time.Second, 5000.005},
		{Ramp(100, 300, 10*time.Second), 20 * time.Second, 2000 + 3000},
		{Steps(time.Second, 10, 0, 1000), 4 * time.Second, 10 + 2000},
		{Schedule{Segments: []Segment{{10, 20, time.Second}}}, time.Minute, 15},
	} {
		if due := c.s.Due(c.d); math.Abs(due-c.due) > 1e-6*c.due {
			t.Errorf("%v: %g are due within %v, want %g", c.s, due, c.d, c.due)
		}
		a, n, last := c.s.arrivals(1), 0, time.Duration(-1)
		for {
			at, ok := a.next()
			if !ok || at >= c.d {
				break
			}
			if at < last {
				t.Fatalf("%v: number %d is due at %v, the one before at %v", c.s, n, at, last)
			}
			if want := c.s.Due(at); math.Abs(want-float64(n)) > 0.01 {
				t.Fatalf("%v: number %d is due at %v, where %g should be", c.s, n, at, want)
			}
			last = at
			n++
		}
		if math.Abs(float64(n)-c.due) > 1 {
			t.Errorf("%v: %d arrivals within %v, want %g", c.s, n, c.d, c.due)
		}
	}
}

// Random gaps have the rate on average, and the spread of independent arrivals; equal seeds give
// equal ones.
func TestPoisson(t *testing.T) {
	const rate, n = 50_000, 200_000
	a, same, last := Poisson(rate).arrivals(7), Poisson(rate).arrivals(7), time.Duration(0)
	var sum, squares float64
	for range n {
		at, _ := a.next()
		if other, _ := same.next(); other != at {
			t.Fatalf("with one seed an operation is due at %v and at %v", at, other)
		}
		gap := (at - last).Seconds() * rate
		sum, squares, last = sum+gap, squares+gap*gap, at
	}
	mean := sum / n
	if deviation := math.Sqrt(squares/n - mean*mean); math.Abs(mean-1) > 0.01 || math.Abs(deviation-1) > 0.02 {
		t.Errorf("gaps are %.4f of the mean that they should have, their deviation %.4f: want 1 and 1", mean, deviation)
	}
}

func TestScheduleChecked(t *testing.T) {
	for _, s := range []Schedule{Constant(-1), Constant(0), Constant(math.NaN()), Constant(math.Inf(1)),
		Ramp(1, 2, 0), Steps(-time.Second, 1, 2), {Segments: []Segment{{1, 2, 0}}}} {
		if err := s.check(); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
	for s, want := range map[string]string{
		Schedule{}.String():              "closed loop",
		Poisson(5).String():              "5/s, Poisson",
		Ramp(1, 9, time.Second).String(): "1/s to 9/s in 1s, then 9/s",
	} {
		if s != want {
			t.Errorf("%q, want %q", s, want)
		}
	}
}
