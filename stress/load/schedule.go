package load

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Segment is a part of a schedule whose rate changes evenly from one value to another.
type Segment struct {
	From, To float64       // operations a second
	Time     time.Duration // 0: the last segment, which does not end
}

// Schedule says when operations are due. The zero value is none: a closed loop.
type Schedule struct {
	Segments []Segment
	Poisson  bool // gaps are random, as those of independent clients; else they are even
}

// Constant has so many operations a second.
func Constant(rate float64) Schedule { return Schedule{Segments: []Segment{{From: rate, To: rate}}} }

// Poisson has so many operations a second on average, with random gaps.
func Poisson(rate float64) Schedule {
	s := Constant(rate)
	s.Poisson = true
	return s
}

// Ramp goes evenly from one rate to another within d, and stays there.
func Ramp(from, to float64, d time.Duration) Schedule {
	return Schedule{Segments: []Segment{{from, to, d}, {From: to, To: to}}}
}

// Steps has each rate for d. The last one stays.
func Steps(d time.Duration, rates ...float64) Schedule {
	var s Schedule
	for i, r := range rates {
		if i == len(rates)-1 {
			d = 0
		}
		s.Segments = append(s.Segments, Segment{r, r, d})
	}
	return s
}

// Open reports whether there is a schedule.
func (s Schedule) Open() bool { return len(s.Segments) > 0 }

// String describes the schedule.
func (s Schedule) String() string {
	if !s.Open() {
		return "closed loop"
	}
	var parts []string
	for _, g := range s.Segments {
		text := fmt.Sprintf("%g/s", g.From)
		if g.To != g.From {
			text += fmt.Sprintf(" to %g/s", g.To)
		}
		if g.Time > 0 {
			text += fmt.Sprintf(" in %v", g.Time)
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, ", then ")
	if s.Poisson {
		text += ", Poisson"
	}
	return text
}

// maxRate bounds rates: clocks count nanoseconds.
const maxRate = 1e8

func (s Schedule) check() error {
	for i, g := range s.Segments {
		switch {
		case !(g.From >= 0 && g.From <= maxRate && g.To >= 0 && g.To <= maxRate):
			return fmt.Errorf("a rate of %g to %g a second: want 0 to %g", g.From, g.To, maxRate)
		case g.Time < 0:
			return fmt.Errorf("a segment of %v", g.Time)
		case g.Time == 0 && i < len(s.Segments)-1:
			return errors.New("only the last segment of a schedule may have no end")
		case g.Time == 0 && (g.From != g.To || g.From == 0):
			return errors.New("a segment without an end wants one rate above 0")
		}
	}
	return nil
}

// Due is how many operations are due by t, on average if the schedule is random.
func (s Schedule) Due(t time.Duration) float64 {
	due, left := 0.0, t.Seconds()
	for _, g := range s.Segments {
		d := g.Time.Seconds()
		if g.Time == 0 || left < d {
			return due + g.area(left)
		}
		due += g.area(d)
		left -= d
	}
	return due
}

// area is how many operations are due in the first t seconds of a segment.
func (g Segment) area(t float64) float64 {
	a := g.From * t
	if d := g.Time.Seconds(); d > 0 {
		a += (g.To - g.From) / d * t * t / 2
	}
	return a
}

// reach is the time within the segment, in seconds, at which its area is a. There is that much.
func (g Segment) reach(a float64) float64 {
	d := g.Time.Seconds()
	switch {
	case a <= 0:
		return 0
	case d == 0 || g.From == g.To:
		return a / g.From
	}
	// from*t + slope*t*t/2 = a, in the form that loses no digits where the slope is small
	slope := (g.To - g.From) / d
	root := math.Sqrt(max(0, g.From*g.From+2*slope*a))
	return min(d, 2*a/(g.From+root))
}

// arrivals goes through a schedule.
type arrivals struct {
	s      Schedule
	random *rand.Rand
	target float64 // the area at which the next operation is due

	segment int
	before  float64 // the area of the segments before this one
	start   float64 // where this one starts, in seconds
}

func (s Schedule) arrivals(seed uint64) *arrivals {
	a := &arrivals{s: s, random: rand.New(rand.NewPCG(seed, 0x1eaf))}
	if s.Poisson {
		a.target = a.random.ExpFloat64()
	}
	return a
}

// next returns when the next operation is due, from the start of the schedule. It reports false
// when there are no more.
func (a *arrivals) next() (time.Duration, bool) {
	for ; a.segment < len(a.s.Segments); a.segment++ {
		g := a.s.Segments[a.segment]
		area := math.Inf(1)
		if g.Time > 0 {
			area = g.area(g.Time.Seconds())
		}
		if rest := a.target - a.before; rest < area {
			at := a.start + g.reach(rest)
			if a.s.Poisson {
				a.target += a.random.ExpFloat64()
			} else {
				a.target++
			}
			return time.Duration(at * float64(time.Second)), true
		}
		a.before += area
		a.start += g.Time.Seconds()
	}
	return 0, false
}
