package load

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// station is a service with one server that takes a fixed time for each operation.
func station(service time.Duration) func(context.Context, int) (Worker, error) {
	free := make(chan struct{}, 1)
	free <- struct{}{}
	return same(func(context.Context) error {
		<-free
		time.Sleep(service)
		free <- struct{}{}
		return nil
	})
}

// A service that can do 200 a second is found to do about as many.
func TestFindLimit(t *testing.T) {
	for _, from := range []float64{10, 3000} {
		synctest.Test(t, func(t *testing.T) {
			trials := 0
			f, err := FindLimit(t.Context(), Config{Workers: 64, Start: station(5 * time.Millisecond)}, Limit{
				Goal: Goal{Quantile: 0.99, Latency: 60 * time.Millisecond}, From: from, Time: 2 * time.Second,
				Watch: func(Trial) { trials++ },
			})
			if err != nil {
				t.Fatal(err)
			}
			if f.Rate < 185 || f.Rate > 212 || f.Interrupted || trials != len(f.Trials) {
				t.Errorf("from %g: %g, want 200 within the precision", from, f.Rate)
			}
			for _, trial := range f.Trials {
				if trial.Met != (trial.Rate <= f.Rate) || trial.Met != (trial.Why == "") {
					t.Errorf("%g/s: met %v, %v, %s", trial.Rate, trial.Met, trial.Latency, trial.Why)
				}
			}
		})
	}
}

// A service whose operations fail meets no goal.
func TestFindLimitErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := FindLimit(t.Context(), Config{Workers: 4, Start: same(func(context.Context) error { return errBroken })},
			Limit{Goal: Goal{0.99, time.Second, 0}, From: 100, Time: 100 * time.Millisecond})
		if err != nil || f.Rate != 0 || len(f.Trials) == 0 {
			t.Errorf("%+v, %v", f, err)
		}
	})
}

func TestFindLimitInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		f, err := FindLimit(ctx, Config{Workers: 64, Start: station(500 * time.Microsecond)},
			Limit{Goal: Goal{0.99, time.Second, 0}, From: 100, Time: 4 * time.Second})
		if err != nil || !f.Interrupted || len(f.Trials) != 2 || f.Rate != 200 {
			t.Errorf("%+v, %v; want two trials", f, err)
		}
	})
}

func TestLimitChecked(t *testing.T) {
	ok := Limit{Goal: Goal{0.99, time.Second, 0}, From: 1, Time: time.Second}
	for name, change := range map[string]func(*Limit){
		"rate":      func(l *Limit) { l.From = 0 },
		"end":       func(l *Limit) { l.To = 0.5 },
		"quantile":  func(l *Limit) { l.Goal.Quantile = 99 },
		"latency":   func(l *Limit) { l.Goal.Latency = 0 },
		"precision": func(l *Limit) { l.Precision = 1 },
	} {
		bad := ok
		change(&bad)
		if f, err := FindLimit(t.Context(), Config{}, bad); err == nil || f != nil {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}
