package load

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// same has all workers do op.
func same(op Op) func(context.Context, int) (Worker, error) {
	return func(context.Context, int) (Worker, error) { return Worker{Op: op}, nil }
}

// At 100,000 operations a second the clock of the open loop is that of its schedule: in all and in
// every interval. Time is virtual here, so that the machine has no part in it.
func TestClock(t *testing.T) {
	for _, s := range []Schedule{Constant(100_000), Poisson(100_000)} {
		synctest.Test(t, func(t *testing.T) {
			const d = time.Second
			start := time.Now()
			var counts [20]int
			var mu sync.Mutex
			r, err := Run(t.Context(), Config{
				Workers: 8, Seed: 1,
				Start: same(func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					counts[min(time.Since(start)*20/d, 19)]++
					return nil
				}),
				Phases: []Phase{{Name: "load", Time: d, Schedule: s}},
			})
			if err != nil {
				t.Fatal(err)
			}
			p := r.Phases[0]
			if p.Ops < 99_000 || p.Ops > 101_000 || p.Due != p.Ops || p.Offered != 100_000 {
				t.Errorf("%v: %d operations of %d due, %g offered, want 100,000 within 1 %%", s, p.Ops, p.Due, p.Offered)
			}
			for i, n := range counts {
				if !s.Poisson && (n < 4950 || n > 5050) || n < 4600 || n > 5400 {
					t.Errorf("%v: %d operations in interval %d, want 5,000", s, n, i)
				}
			}
		})
	}
}

// In real time, too, no operation begins before it is due, and each that is due is accounted for,
// however slow the machine is.
func TestClockReal(t *testing.T) {
	const rate, d = 100_000, 300 * time.Millisecond
	var begun, ahead atomic.Int64
	start := time.Now()
	r, err := Run(t.Context(), Config{
		Workers: 16,
		Start: same(func(context.Context) error {
			n := begun.Add(1)
			if float64(n-1) > time.Since(start).Seconds()*rate+1 {
				ahead.Add(1)
			}
			return nil
		}),
		Phases: []Phase{{Name: "load", Time: d, Schedule: Constant(rate), Drain: time.Minute}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := r.Phases[0]
	if p.Due < 29_700 || p.Due > 30_300 || p.Ops != p.Due || ahead.Load() > 0 {
		t.Errorf("%d of %d operations, %d before they were due; want 30,000 within 1 %%", p.Ops, p.Due,
			ahead.Load())
	}
	t.Logf("lag: median %v, p99 %v, worst %v", p.Lag.Quantile(0.5), p.Lag.Quantile(0.99), p.Lag.Max())
}

// A service that stands still for a second makes late all that was due then, not one operation of
// each worker: the fault of closed loops that is called coordinated omission.
func TestCoordinatedOmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		op := func(context.Context) error {
			if at := time.Since(start); at >= time.Second && at < 2*time.Second {
				time.Sleep(2*time.Second - at)
			}
			time.Sleep(100 * time.Microsecond)
			return nil
		}
		r, err := Run(t.Context(), Config{Workers: 4, Start: same(op),
			Phases: []Phase{{Name: "open", Time: 4 * time.Second, Schedule: Constant(1000)}}})
		if err != nil {
			t.Fatal(err)
		}
		p := r.Phases[0]
		// a quarter of all was due while the service stood still, so the worst eighth waited half a second
		if q := p.Latency.Quantile(0.875); q < 400*time.Millisecond || q > 600*time.Millisecond {
			t.Errorf("one of eight took %v at least, want about half a second", q)
		}
		if q := p.Service.Quantile(0.99); q > time.Millisecond {
			t.Errorf("99 of 100 calls took up to %v: those that stood still are four", q)
		}
		if p.Ops != 4000 || p.Lag.Max() > time.Millisecond {
			t.Errorf("%d operations, lag up to %v", p.Ops, p.Lag.Max())
		}
	})
}

// What is due and does not get done is counted, with the time that it waited.
func TestUnserved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		block := make(chan struct{})
		r, err := Run(t.Context(), Config{Workers: 3, Patience: time.Hour,
			Start:  same(func(context.Context) error { <-block; return nil }),
			Phases: []Phase{{Name: "open", Time: time.Second, Schedule: Constant(100), Drain: time.Second}},
			Watch: func(p Progress) {
				if p.Done == p.Total {
					time.AfterFunc(3*time.Second, sync.OnceFunc(func() { close(block) }))
				}
			}})
		if err != nil {
			t.Fatal(err)
		}
		p := r.Phases[0]
		if p.Due != 100 || p.Unserved != 97 || p.Unfinished != 3 || p.Ops != 0 || p.Latency.Count() != 100 {
			t.Errorf("%d due, %d unserved, %d unfinished, %d done, %d latencies; want 100, 97, 3, 0, 100", p.Due,
				p.Unserved, p.Unfinished, p.Ops, p.Latency.Count())
		}
		if q := p.Latency.Quantile(0.5); q < 1490*time.Millisecond || q > 1520*time.Millisecond {
			t.Errorf("the median waited %v at least, want 1.5 s", q)
		}
	})
}

// A closed loop counts what ends in a phase; its warm-up is apart.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed, last atomic.Int64
		r, err := Run(t.Context(), Config{
			Workers: 5, Interval: 250 * time.Millisecond,
			Start: func(context.Context, int) (Worker, error) {
				return Worker{
					Op:    func(context.Context) error { time.Sleep(3 * time.Millisecond); return nil },
					Last:  func(context.Context) error { last.Add(1); return nil },
					Close: func() error { closed.Add(1); return nil },
				}, nil
			},
			Phases: []Phase{{Name: "warm-up", Time: time.Second, Discard: true}, {Name: "load", Time: 3 * time.Second}},
			Gauges: func() map[string]float64 { return map[string]float64{"answer": 42} },
		})
		if err != nil {
			t.Fatal(err)
		}
		m := r.Measured()
		if len(r.Phases) != 2 || len(m) != 1 || m[0].Name != "load" || !m[0].Whole || m[0].Due != 0 {
			t.Fatalf("phases %+v", r.Phases)
		}
		p := m[0]
		if p.Ops < 4980 || p.Ops > 5020 || p.Rate < 1650 || p.Rate > 1680 || p.Latency.Quantile(0.99).Round(
			10*time.Microsecond) != 3*time.Millisecond {
			t.Errorf("%d operations, %g/s, p99 %v; want 5000, 1667, 3ms", p.Ops, p.Rate, p.Latency.Quantile(0.99))
		}
		var sum uint64
		for _, pt := range p.Series {
			if sum += pt.Ops; pt.Gauges["answer"] != 42 {
				t.Errorf("gauges %v", pt.Gauges)
			}
		}
		if len(p.Series) < 9 || len(p.Series) > 12 || sum != p.Ops {
			t.Errorf("%d intervals with %d operations, want 12 with %d", len(p.Series), sum, p.Ops)
		}
		if closed.Load() != 5 || last.Load() != 5 {
			t.Errorf("%d workers had a last operation, %d closed, want 5 each", last.Load(), closed.Load())
		}
	})
}

var errBroken = errors.New("broken")

// Errors are counted by kind, and end the run at the limit; a worker whose operations fail pauses.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := Config{Workers: 1, Phases: []Phase{{Name: "load", Time: time.Second}},
			Start: same(func(context.Context) error {
				if n++; n%3 == 0 {
					return &Fault{What: Doubled, Number: uint64(n)}
				}
				return errBroken
			})}
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		p := r.Phases[0]
		if p.Ops != 0 || p.Errors != uint64(p.Kinds["broken"]+p.Kinds["doubled answer"]) || p.Kinds["broken"] < 5 ||
			p.Errors > 50 || p.Latency.Count() != 0 {
			t.Errorf("%d done, %d failed: %v", p.Ops, p.Errors, p.Kinds)
		}
		c.ErrorLimit, n = 4, 0
		r, err = Run(t.Context(), c)
		if !errors.Is(err, ErrErrorLimit) || !errors.Is(err, errBroken) || r.Phases[0].Errors != 4 || r.Err == "" ||
			r.Phases[0].Whole {
			t.Errorf("%v, %+v; want the limit at 4 errors", err, r)
		}
	})
}

// An interrupt keeps what there is.
func TestInterrupted(t *testing.T) {
	for _, s := range []Schedule{{}, Constant(1000)} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
			defer cancel()
			r, err := Run(ctx, Config{Workers: 10, Phases: []Phase{
				{Name: "first", Time: time.Second, Schedule: s}, {Name: "second", Time: time.Minute, Schedule: s},
				{Name: "third", Time: time.Minute, Schedule: s}},
				Start: same(func(context.Context) error { time.Sleep(5 * time.Millisecond); return nil })})
			if err != nil {
				t.Fatal(err)
			}
			if !r.Interrupted || len(r.Phases) != 2 || r.Phases[1].Whole || !r.Phases[0].Whole {
				t.Fatalf("%+v", r)
			}
			rate := 2000.0
			if s.Open() {
				rate = 1000
			}
			if p := r.Phases[1]; float64(p.Ops) < 1.4*rate || float64(p.Ops) > 1.6*rate || p.Unserved > 0 {
				t.Errorf("%v: %d operations in %v, %d unserved; want %g/s", s, p.Ops, p.Took, p.Unserved, rate)
			}
		})
	}
}

// Operations that do not end are noticed and named. Those that heed their context are let go.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := Run(t.Context(), Config{Workers: 3, Patience: 20 * time.Millisecond,
			Phases: []Phase{{Name: "load", Time: 20 * time.Millisecond}},
			Start:  same(func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })})
		var stuck *StuckError
		if !errors.As(err, &stuck) || stuck.Left != 3 || !strings.Contains(string(stuck.Stacks), "TestStuck") || r == nil {
			t.Errorf("%v, want a StuckError with stacks", err)
		}
	})
}

// A worker that cannot start ends the run, and the others.
func TestStartFails(t *testing.T) {
	closed := 0
	r, err := Run(t.Context(), Config{Workers: 2, Phases: []Phase{{Name: "load", Time: time.Hour}},
		Start: func(_ context.Context, i int) (Worker, error) {
			if i == 1 {
				return Worker{}, errBroken
			}
			return Worker{Op: func(context.Context) error { return nil }, Close: func() error { closed++; return nil }}, nil
		}})
	if r != nil || !errors.Is(err, errBroken) || closed != 1 {
		t.Errorf("%v, %v, %d closed", r, err, closed)
	}
}

func TestConfigChecked(t *testing.T) {
	ok := Config{Workers: 1, Phases: []Phase{{Time: time.Second}}, Start: same(nil)}
	for name, c := range map[string]func(*Config){
		"no start":   func(c *Config) { c.Start = nil },
		"no worker":  func(c *Config) { c.Workers = 0 },
		"no phase":   func(c *Config) { c.Phases = nil },
		"no time":    func(c *Config) { c.Phases = []Phase{{}} },
		"a bad rate": func(c *Config) { c.Phases = []Phase{{Time: time.Second, Schedule: Constant(-3)}} },
	} {
		bad := ok
		c(&bad)
		if r, err := Run(t.Context(), bad); err == nil || r != nil {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// A result can be written and read without losing its latencies.
func TestResultJSON(t *testing.T) {
	h := newHistogram()
	for i := range 10_000 {
		h.record(time.Duration(i) * time.Microsecond)
	}
	text, err := json.Marshal(Result{Phases: []PhaseResult{{Latency: h}}})
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	got := r.Phases[0].Latency
	for _, q := range Quantiles {
		if got.Quantile(q) != h.Quantile(q) || got.Count() != 10_000 {
			t.Errorf("quantile %g is %v of %d, was %v", q, got.Quantile(q), got.Count(), h.Quantile(q))
		}
	}
	if q := h.Quantile(0.5); q < 4990*time.Microsecond || q > 5010*time.Microsecond {
		t.Errorf("the median is %v", q)
	}
}
