package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Op does one operation and checks its answer. An error counts as a failed operation; the worker
// goes on, and so the next call mends what has broken, by a new connection for example.
type Op func(ctx context.Context) error

// Worker is what one worker does. Its functions are called by one goroutine, or coroutine, at a
// time.
type Worker struct {
	Op    Op
	Last  func(ctx context.Context) error // after the last operation; may be nil
	Close func() error                    // after that; may be nil
}

// Config says what is run, and how.
type Config struct {
	// Start sets a worker up; workers are numbered from 0. It is called on the worker's lane. An
	// error ends the run before it begins.
	Start func(ctx context.Context, worker int) (Worker, error)

	Workers int     // how many; in an open loop the most operations at one time
	Phases  []Phase // one after the other, with the same workers

	Lane       Lane          // nil: Goroutines
	Seed       uint64        // of random schedules; 0: a new one
	Interval   time.Duration // of the time series; 0: 1 s
	ErrorLimit uint64        // so many failed operations end the run; 0: any number may fail
	Patience   time.Duration // how long the last operations may take to end; 0: 10 s

	// Gauges are figures of the caller that the time series has, too: memory of a server, for
	// example. It is called once each interval. May be nil.
	Gauges func() map[string]float64
	// Watch gets the figures of the present interval, a few times a second. May be nil.
	Watch func(Progress)
}

// Phase is a part of a run.
type Phase struct {
	Name     string
	Time     time.Duration
	Schedule Schedule      // zero: a closed loop
	Drain    time.Duration // what operations that are due may be late at the end before they are unserved; 0: 1 s
	Discard  bool          // a warm-up, of which only errors count
}

// Progress is how far a run is.
type Progress struct {
	Phase       string
	Done, Total time.Duration
	Point       Point // since the point before
}

// The errors of a run.
var (
	// ErrErrorLimit is that of a run in which Config.ErrorLimit operations have failed.
	ErrErrorLimit = errors.New("too many operations have failed")
)

// StuckError says that operations did not end.
type StuckError struct {
	Left, Workers int
	Patience      time.Duration
	Stacks        []byte // of all goroutines
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("%d of %d workers still wait for their last operation, %v after the end", e.Left, e.Workers,
		e.Patience)
}

func (c *Config) complete() error {
	var errs error
	if c.Start == nil {
		errs = errors.Join(errs, errors.New("load: Config.Start is nil"))
	}
	if c.Workers < 1 || c.Workers > 1<<20 {
		errs = errors.Join(errs, fmt.Errorf("load: %d workers: want 1 to %d", c.Workers, 1<<20))
	}
	if len(c.Phases) == 0 {
		errs = errors.Join(errs, errors.New("load: no phase"))
	}
	for i := range c.Phases {
		p := &c.Phases[i]
		if p.Time < time.Millisecond {
			errs = errors.Join(errs, fmt.Errorf("load: phase %q lasts %v: want a millisecond at least", p.Name, p.Time))
		}
		if err := p.Schedule.check(); err != nil {
			errs = errors.Join(errs, fmt.Errorf("load: phase %q: %w", p.Name, err))
		}
		if p.Drain == 0 {
			p.Drain = time.Second
		}
	}
	for c.Seed == 0 {
		c.Seed = rand.Uint64() >> 32 // short enough to be typed
	}
	if c.Lane == nil {
		c.Lane = Goroutines{}
	}
	if c.Interval <= 0 {
		c.Interval = time.Second
	}
	if c.Patience <= 0 {
		c.Patience = 10 * time.Second
	}
	return errs
}

// Run runs all phases. It blocks until they are over, or ctx ends, which ends the run early: the
// result then has what was measured until then, and Interrupted is set. The error is that of an
// operation or a worker that could not go on, ErrErrorLimit, or a *StuckError; the result has what
// was measured in that case, too, unless no worker had started.
func Run(ctx context.Context, c Config) (*Result, error) {
	c.Phases = append([]Phase(nil), c.Phases...)
	if err := c.complete(); err != nil {
		return nil, err
	}
	r := newRun(ctx, c)
	defer r.cancel(nil)
	if err := r.start(); err != nil {
		return nil, err
	}
	for i := range c.Phases {
		if !r.phase(i) {
			break
		}
	}
	return r.end()
}
