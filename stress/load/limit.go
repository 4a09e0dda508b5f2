package load

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Goal is what a service has to hold.
type Goal struct {
	Quantile float64       // of latencies: 0.99
	Latency  time.Duration // that it must not exceed
	Errors   float64       // the share of operations that may fail: 0 for none
}

// Limit is the search for the highest rate that meets a goal.
type Limit struct {
	Goal      Goal
	From, To  float64       // rates a second between which the limit is searched; To 0: there is no upper end
	Time      time.Duration // of each trial
	Precision float64       // share of the rate at which the search ends; 0: 0.05
	Poisson   bool
	Watch     func(Trial) // gets each trial; may be nil
}

// Trial is one rate that was tried.
type Trial struct {
	Rate    float64       `json:"rate"`
	Met     bool          `json:"met"`
	Latency time.Duration `json:"latency_ns"` // at the goal's quantile
	Why     string        `json:"why"`        // it was not met
	Phase   PhaseResult   `json:"phase"`
}

// Found is the result of a search.
type Found struct {
	Rate   float64 `json:"rate"` // the highest that met the goal; 0: none did
	Trials []Trial `json:"trials"`
	// Interrupted says that the search did not end.
	Interrupted bool `json:"interrupted"`
}

// FindLimit searches the highest rate at which what c runs meets a goal: it doubles the rate from
// l.From until the goal is missed, and then halves the distance. Each rate has a run of its own, with
// new workers; c's phases are not used. Like Run it returns what it has when ctx ends.
func FindLimit(ctx context.Context, c Config, l Limit) (*Found, error) {
	if l.Precision == 0 {
		l.Precision = 0.05
	}
	switch {
	case !(l.From > 0 && l.From <= maxRate) || l.To != 0 && !(l.To >= l.From && l.To <= maxRate):
		return nil, fmt.Errorf("load: a limit between %g and %g operations a second", l.From, l.To)
	case !(l.Goal.Quantile > 0 && l.Goal.Quantile <= 1) || l.Goal.Latency <= 0:
		return nil, fmt.Errorf("load: a goal of %v at quantile %g", l.Goal.Latency, l.Goal.Quantile)
	case !(l.Precision > 0 && l.Precision < 1):
		return nil, fmt.Errorf("load: a precision of %g", l.Precision)
	}
	f := new(Found)
	high := l.To
	if high == 0 {
		high = maxRate
	}
	missed := false // high is known not to meet the goal
	for rate := l.From; ; {
		t, err := l.try(ctx, c, rate)
		if ctx.Err() != nil {
			f.Interrupted = true
			return f, nil
		}
		if err != nil {
			return f, err
		}
		f.Trials = append(f.Trials, t)
		if l.Watch != nil {
			l.Watch(t)
		}
		if t.Met {
			f.Rate = rate
		} else {
			high, missed = rate, true
		}
		switch {
		case f.Rate == 0: // not even the first is held
			if rate = rate / 2; rate < l.From/1024 {
				return f, nil
			}
		case f.Rate >= high*(1-l.Precision):
			return f, nil
		case missed:
			rate = (f.Rate + high) / 2
		default:
			rate = min(2*rate, high)
		}
	}
}

// try runs one rate.
func (l *Limit) try(ctx context.Context, c Config, rate float64) (Trial, error) {
	s := Constant(rate)
	s.Poisson = l.Poisson
	c.Phases = []Phase{
		{Name: "warm-up", Time: max(l.Time/10, time.Millisecond), Schedule: s, Discard: true},
		{Name: fmt.Sprintf("%.0f/s", rate), Time: l.Time, Schedule: s},
	}
	c.ErrorLimit = 0
	r, err := Run(ctx, c)
	if err != nil || len(r.Phases) < 2 {
		return Trial{}, errors.Join(err, ctx.Err())
	}
	p := r.Phases[1]
	t := Trial{Rate: rate, Latency: p.Latency.Quantile(l.Goal.Quantile), Phase: p}
	switch {
	case float64(p.Errors) > l.Goal.Errors*float64(p.Due):
		t.Why = fmt.Sprintf("%d of %d operations failed", p.Errors, p.Due)
	case t.Latency > l.Goal.Latency:
		t.Why = fmt.Sprintf("%g %% took up to %v", 100*l.Goal.Quantile, t.Latency)
	case p.Ops == 0:
		t.Why = "no operation ended"
	default:
		t.Met = true
	}
	return t, nil
}
