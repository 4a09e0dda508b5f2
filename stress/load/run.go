package load

import (
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// run is one call of Run.
type run struct {
	Config
	outer  context.Context // the caller's: its end is an interrupt
	ctx    context.Context // of operations: ends when they are given up
	cancel context.CancelCauseFunc

	begun   time.Time
	current atomic.Pointer[stage] // nil: there is nothing to do any more
	left    atomic.Int64          // workers that are not over
	over    chan struct{}         // closed when none is left
	failed  atomic.Uint64         // operations
	stop    chan struct{}         // closed when the run is to end
	stopped sync.Once

	mu     sync.Mutex
	errs   []error // of workers, not of operations
	result Result
	done   time.Duration // of the phases before
	total  time.Duration
}

func newRun(ctx context.Context, c Config) *run {
	r := &run{Config: c, outer: ctx, over: make(chan struct{}), stop: make(chan struct{}), begun: time.Now()}
	r.ctx, r.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	for _, p := range c.Phases {
		r.total += p.Time
	}
	r.result = Result{Workers: c.Workers, Seed: c.Seed, Started: r.begun}
	return r
}

// fail notes an error that ends the run.
func (r *run) fail(err error) {
	r.mu.Lock()
	if len(r.errs) < 8 {
		r.errs = append(r.errs, err)
	}
	r.mu.Unlock()
	r.stopped.Do(func() { close(r.stop) })
}

func (r *run) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.errs...)
}

// start has all workers set up before the first phase begins.
func (r *run) start() error {
	first := newStage(r, nil)
	r.current.Store(first)
	r.left.Store(int64(r.Workers))
	var ready atomic.Int64
	ready.Store(int64(r.Workers))
	all := make(chan struct{})
	for i := range r.Workers {
		r.Lane.Go(r.ctx, func(ctx context.Context) {
			defer func() {
				if r.left.Add(-1) == 0 {
					close(r.over)
				}
			}()
			w, err := r.Start(ctx, i)
			if err != nil {
				r.fail(fmt.Errorf("worker %d: %w", i, err))
			}
			if ready.Add(-1) == 0 {
				close(all)
			}
			if err == nil {
				r.work(ctx, i, w)
			}
		})
	}
	var err error
	select {
	case <-all:
		if err = r.err(); err == nil {
			return nil
		}
	case <-r.outer.Done():
		err = context.Cause(r.outer)
	case <-r.stop:
		err = r.err()
	}
	r.cancel(err)
	r.current.Store(nil)
	first.close()
	if stuck := r.wait(); stuck != nil {
		return errors.Join(err, stuck)
	}
	return err
}

// wait waits for the workers' end.
func (r *run) wait() error {
	t := time.NewTimer(r.Patience)
	defer t.Stop()
	select {
	case <-r.over:
		return nil
	case <-t.C:
	}
	var stacks strings.Builder
	pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	stuck := &StuckError{int(r.left.Load()), r.Workers, r.Patience, []byte(stacks.String())}
	r.cancel(stuck) // operations that heed their context end now
	select {
	case <-r.over:
	case <-time.After(time.Second):
	}
	return stuck
}

// work is what a worker does until the run is over.
func (r *run) work(ctx context.Context, number int, w Worker) {
	defer func() {
		if w.Close != nil {
			if err := w.Close(); err != nil {
				r.fail(fmt.Errorf("worker %d: close: %w", number, err))
			}
		}
	}()
	for pause := time.Duration(0); ; {
		s := r.current.Load()
		if s == nil {
			break
		}
		due, lag, ok := s.claim(ctx, number)
		if !ok { // nothing more is due: the next phase begins, or the run ends
			r.Lane.Sleep(ctx, s.ended, time.Hour)
			continue
		}
		begun := time.Now()
		err := w.Op(ctx)
		ended := time.Now()
		if !s.open {
			// it counts where it ended: what began in a warm-up does, and what ends too late does not
			if s = r.current.Load(); s == nil || s.open {
				if err != nil {
					r.count(err)
				}
				continue
			}
			due = begun
		} else if s.busy[number].Swap(0) == 0 { // the phase is over, and has counted it as unfinished
			if err != nil {
				r.count(err)
			}
			continue
		}
		s.recorder.add(number, outcome{ended.Sub(due), ended.Sub(begun), lag, err})
		s.finished.Add(1)
		if err == nil {
			pause = 0
			continue
		}
		r.count(err)
		if !s.open { // a service that refuses at once would be asked all the time
			pause = min(max(2*pause, time.Millisecond), 100*time.Millisecond)
			r.Lane.Sleep(ctx, s.ended, pause)
		}
	}
	if w.Last != nil {
		if err := w.Last(ctx); err != nil {
			r.fail(fmt.Errorf("worker %d: %w", number, err))
		}
	}
}

// count counts a failed operation.
func (r *run) count(err error) {
	if n := r.failed.Add(1); r.ErrorLimit > 0 && n == r.ErrorLimit {
		if n > 1 {
			err = fmt.Errorf("%w: %d; the last one: %w", ErrErrorLimit, n, err)
		}
		r.fail(err)
	}
}

// stage is a phase that workers are at.
type stage struct {
	*Phase
	open     bool
	lane     Lane
	start    time.Time
	recorder *recorder
	finished atomic.Uint64 // operations

	ended context.Context // ends with the stage
	close context.CancelFunc

	// of an open loop
	busy  []atomic.Int64 // what each worker is at: when it was due, in ns from the start, plus 1; 0: nothing
	given atomic.Uint64  // claims that were given up before they were due

	mu      sync.Mutex
	due     *arrivals
	claimed uint64
	dry     bool // no more is due
}

// newStage makes the stage of a phase, or with nil one in which there is nothing to do.
func newStage(r *run, p *Phase) *stage {
	s := &stage{Phase: p, lane: r.Lane, start: time.Now()}
	s.ended, s.close = context.WithCancel(context.Background())
	if p == nil {
		s.open, s.dry = true, true
		return s
	}
	s.open = p.Schedule.Open()
	s.recorder = newRecorder(s.open)
	if s.open {
		s.due = p.Schedule.arrivals(r.Seed)
		s.busy = make([]atomic.Int64, r.Workers)
	}
	return s
}

// claim returns when the caller's next operation is due, which is now or was before, and how late
// the harness is, or -1 if it is not its fault. It reports false if nothing is due any more.
func (s *stage) claim(ctx context.Context, worker int) (due time.Time, lag time.Duration, ok bool) {
	if !s.open {
		return time.Time{}, -1, s.ended.Err() == nil
	}
	s.mu.Lock()
	if s.dry {
		s.mu.Unlock()
		return time.Time{}, 0, false
	}
	at, more := s.due.next()
	if !more || at >= s.Time {
		s.dry = true
		s.mu.Unlock()
		return time.Time{}, 0, false
	}
	s.claimed++
	s.busy[worker].Store(int64(at) + 1)
	s.mu.Unlock()
	due = s.start.Add(at)
	wait := time.Until(due)
	if wait <= 0 {
		return due, -1, true
	}
	if s.lane.Sleep(ctx, s.ended, wait); s.ended.Err() != nil {
		if s.busy[worker].Swap(0) != 0 {
			s.given.Add(1)
		}
		return due, 0, false
	}
	return due, max(0, time.Since(due)), true
}

// end waits for the workers and completes the result.
func (r *run) end() (*Result, error) {
	r.current.Swap(nil).close()
	stuck := r.wait()
	err := errors.Join(r.err(), stuck)
	r.result.Interrupted = r.outer.Err() != nil
	r.result.Took = time.Since(r.begun)
	if err != nil {
		r.result.Err = err.Error()
	}
	return &r.result, err
}
