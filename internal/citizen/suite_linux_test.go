package citizen

import (
	"bytes"
	"compress/gzip"
	"runtime"
	"testing"
	"time"
)

// The tests in this file are of the suite itself.

func TestFigure(t *testing.T) {
	var d []time.Duration
	for i := range 200 {
		d = append(d, time.Duration(200-i))
	}
	if got, want := figureOf(d), (figure{200, 101, 199, 200}); got != want {
		t.Errorf("figureOf is %+v, want %+v", got, want)
	}
	if got := figureOf(nil); got != (figure{}) {
		t.Errorf("figureOf nothing is %+v", got)
	}
	if got, want := (figure{9, 1, 5, 9}).best(figure{8, 2, 4, 8}), (figure{8, 1, 4, 8}); got != want {
		t.Errorf("best is %+v, want %+v", got, want)
	}
}

func TestBounds(t *testing.T) {
	ms := func(n int, p99, worst time.Duration) figure {
		return figure{n, 0, p99 * time.Millisecond, worst * time.Millisecond}
	}
	std := ms(200, 20, 30)
	for _, tt := range []struct {
		name      string
		std, weir figure
		good      bool
	}{
		{"as std", std, std, true},
		{"at both bounds", std, ms(200, 40, 80), true},
		{"a worst beyond its bound", std, ms(200, 40, 81), false},
		{"a p99 beyond its bound", std, ms(200, 41, 41), false},
		{"a p99 of few samples, which is the worst", std, ms(few-1, 41, 41), true},
		{"a p99 beside few samples", ms(few-1, 20, 30), ms(200, 41, 41), true},
		{"a std that takes no time", ms(200, 0, 0), ms(200, 10, 20), true},
		{"too much beside that", ms(200, 0, 0), ms(200, 10, 21), false},
		{"nothing measured by std", figure{}, ms(200, 1000, 1000), true},
		{"nothing measured by weir", std, figure{}, true},
	} {
		if over := tt.weir.over(tt.std, 1, 1); (over <= 1) != tt.good {
			t.Errorf("%s: %.3f of the bound, and it should be within: %v", tt.name, over, tt.good)
		}
	}
}

// TestTurns guards that the bounds allow more turns only for waits of weir, and only where all of
// them go through a loop.
func TestTurns(t *testing.T) {
	for _, tt := range []struct {
		backend, drive, probe string
		want                  time.Duration
	}{
		{"io_uring", "auto", "read", 1},
		{"epoll", "auto", "accept", 1},
		{"", "", "read", 1},
		{"io_uring", "thread", "read", 3},
		{"epoll", "scheduler", "lane read", 3},
		{"epoll", "scheduler", "accept", 9},
		{"portable", "auto", "Close", 4},
		{"portable", "thread", "accept", 12},
		{"portable", "auto", "begins", 2},
		{"io_uring", "thread", "std read", 1},
		{"io_uring", "thread", "goroutine ready", 1},
		{"io_uring", "thread", "begins", 1},
		{"portable", "auto", "std read", 2},
		{"portable", "auto", "collection", 2},
	} {
		if got := (setup{weir: true, backend: tt.backend, drive: tt.drive}).turns(tt.probe); got != tt.want {
			t.Errorf("%s on %s/%s: %d turns, want %d", tt.probe, tt.backend, tt.drive, got, tt.want)
		}
	}
	std := figure{200, 0, 20 * time.Millisecond, 30 * time.Millisecond}
	if one := (figure{200, 0, 70 * time.Millisecond, 140 * time.Millisecond}); one.over(std, 1, 1) <= 1 ||
		one.over(std, 1, 2) > 1 {
		t.Errorf("%.2f of the bound with one turn and %.2f with two", one.over(std, 1, 1), one.over(std, 1, 2))
	}
}

func TestCrowd(t *testing.T) {
	n := runtime.NumCPU()
	if crowd(1) != 1 || crowd(n) != 1 || crowd(n+1) != 2 || crowd(3*n) != 3 {
		t.Errorf("with %d processors 1, %d, %d and %d Ps are a crowd of %d, %d, %d and %d",
			n, n, n+1, 3*n, crowd(1), crowd(n), crowd(n+1), crowd(3*n))
	}
	std := figure{200, 0, 20 * time.Millisecond, 30 * time.Millisecond}
	weir := figure{200, 0, 60 * time.Millisecond, 120 * time.Millisecond}
	if one, three := weir.over(std, 1, 1), weir.over(std, 3, 1); one <= 1 || three > 1 {
		t.Errorf("%.2f of the bound alone and %.2f in a crowd", one, three)
	}
	if d := (figure{100, 0, 0, 81 * time.Millisecond}); !d.doubtful(0.6, 1) || d.doubtful(0.4, 1) ||
		d.doubtful(0.6, 2) {
		t.Error("what is doubtful is not, or the other way round")
	}
}

func TestProfiles(t *testing.T) {
	waits := map[string]int{"IO wait": 9}
	std := profile{100, time.Second, waits}
	for _, tt := range []struct {
		name string
		weir profile
		good bool
	}{
		{"as std", std, true},
		{"half of the samples", profile{50, time.Second, waits}, true},
		{"samples are lost", profile{49, time.Second, waits}, false},
		{"less CPU time and fewer samples", profile{49, time.Second / 2, waits}, true},
		{"waits of another name", profile{100, time.Second, map[string]int{"IO wait": 8, "select": 1}}, !waitsAreNamed},
		{"some that run", profile{100, time.Second, map[string]int{"IO wait": 8, "runnable": 1}}, true},
	} {
		if err := profiles(std, tt.weir); (err == nil) != tt.good {
			t.Errorf("%s: %v, and it should be good: %v", tt.name, err, tt.good)
		}
	}
}

func TestProfileSamples(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte{
		0x0a, 2, 8, 1, // another field
		0x12, 6, 0x0a, 1, 7, 0x12, 1, 3, // a sample: a location, and a value of 3
		0x48, 5, // a number
		0x12, 6, 0x12, 4, 0xac, 2, 0x90, 1, // a sample: values of 300 and more
	})
	z.Close()
	if n, err := profileSamples(&b); n != 303 || err != nil {
		t.Errorf("%d samples, %v", n, err)
	}
	for _, bad := range [][]byte{{0x12}, {0x12, 9, 0}, {0x12, 1, 0x80}, {0x15, 0, 0, 0, 0}} {
		b.Reset()
		z := gzip.NewWriter(&b)
		z.Write(bad)
		z.Close()
		if n, err := profileSamples(&b); err == nil {
			t.Errorf("%x is a profile with %d samples", bad, n)
		}
	}
}

// TestForms guards that no form leaves out what it should have: short has the core on everything
// and each row somewhere, core has the core on each backend and drive, long has all.
func TestForms(t *testing.T) {
	flags := []*string{form, only, sides, procs}
	for _, f := range flags {
		old := *f
		*f = ""
		defer func() { *f = old }()
	}
	cores := 0
	for _, r := range rows {
		if r.core {
			cores++
		}
	}
	for _, tt := range []struct {
		form                string
		core, other         int // setups that each row has, for all values of GOMAXPROCS
		coreEach, otherEach int // the same for each value
		setups              int // backends, drives and values that there are
	}{
		{"", 1, 0, 1, 0, 1},
		{"core", 9, 0, 3, 0, 9},
		{"short", 27, 3, 9, 1, 27},
		{"long", 27, 27, 9, 9, 27},
	} {
		*form = tt.form
		type at struct {
			row   string
			procs int
		}
		all, each, setups := make(map[string]int), make(map[at]int), make(map[setup]int)
		for _, group := range planned(t) {
			for _, c := range group {
				all[c.row.name]++
				each[at{c.row.name, c.setup.procs}]++
				setups[c.setup]++
			}
		}
		for _, r := range rows {
			n, nEach := tt.other, tt.otherEach
			if r.core {
				n, nEach = tt.core, tt.coreEach
			}
			if all[r.name] != n {
				t.Errorf("form %q has row %q on %d setups, want %d", tt.form, r.name, all[r.name], n)
			}
			if got := each[at{r.name, 2}]; got != nEach {
				t.Errorf("form %q has row %q with GOMAXPROCS 2 on %d setups, want %d", tt.form, r.name, got, nEach)
			}
		}
		if len(setups) != tt.setups {
			t.Errorf("form %q has %d setups, want %d", tt.form, len(setups), tt.setups)
		}
		for s, n := range setups {
			if n < cores || tt.form == "short" && n < cores+2 {
				t.Errorf("form %q has %d rows on %v with GOMAXPROCS %d", tt.form, n, s, s.procs)
			}
		}
	}
}
