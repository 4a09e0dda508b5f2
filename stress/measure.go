package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// config says what to measure and how long. Its time is bounded: drives x counts x rounds x 2 x
// (time + warm-up).
type config struct {
	drives  []string // of weir: "auto", "thread", "scheduler"
	backend string
	loops   int
	rounds  int
	time    time.Duration // measured for each side and round
	control bool          // weir's turns are std's, too: what differs then is the machine's doing
	counts  []int         // of goroutines, connections, pairs: what the workload has
	seed    uint64        // 0: a new one

	patience time.Duration     // how long the last operations may take to end; 0: 10 s
	progress func(progress)    // may be nil
	note     func(text string) // what a user should know; may be nil
}

// progress is how far a run is.
type progress struct {
	done, total time.Duration
	what        string
}

func (c *config) complete() error {
	var errs error
	want := func(ok bool, flag string, v any, wanted string) {
		if !ok {
			errs = errors.Join(errs, fmt.Errorf("--%s is %v: want %s", flag, v, wanted))
		}
	}
	want(c.rounds >= 1 && c.rounds <= 10_000, "rounds", c.rounds, "1 to 10000")
	want(c.time >= time.Millisecond && c.time <= time.Hour, "time", c.time, "1ms to 1h")
	want(len(c.drives) > 0, "drive", c.drives, "at least one")
	want(len(c.counts) > 0, "goroutines", c.counts, "at least one number")
	for _, n := range c.counts {
		want(n >= 1 && n <= 100_000, "goroutines", n, "numbers from 1 to 100000")
	}
	for c.seed == 0 {
		c.seed = rand.Uint64() >> 32 // short enough to be typed
	}
	if c.patience == 0 {
		c.patience = 10 * time.Second
	}
	if c.note == nil {
		c.note = func(string) {}
	}
	if c.progress == nil {
		c.progress = func(progress) {}
	}
	return errs
}

func (c *config) warmup() time.Duration {
	return min(max(c.time/10, 5*time.Millisecond), 200*time.Millisecond)
}

// workload is what both sides do.
type workload interface {
	// describe names the workload, what its counts are numbers of, what one operation is, and says
	// the rest in words. Valid after prepare.
	describe() (name, counts, ops, details string)
	// prepare makes what both sides need and checks parameters. cleanup removes it, and is called
	// even if prepare failed.
	prepare(ctx context.Context, c *config) error
	cleanup() error
	// crew sets n workers of one side up. Equal seeds give equal work.
	crew(s side, n int, seed uint64) (*crew, error)
}

// crew is a number of workers that are ready to work.
type crew struct {
	ops  []func() error // one for each worker: does one operation and checks its result
	last []func() error // called after the last operation, in the worker's goroutine; may be empty
	stop func() error   // ends what crew started; no worker is working any more

	usage func() (usage, error) // of the process that counts; nil: this one
}

// loader is a workload whose work another program does: measure takes the place of crew.
type loader interface {
	measure(ctx context.Context, s side, n int) (Figures, error)
}

// run measures. The report has the lines that are complete, also if there was an error. An end of
// ctx is none.
func run(ctx context.Context, c config, w workload) (_ *Report, err error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.cleanup()) }()
	if err := w.prepare(ctx, &c); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w before anything was measured", errInterrupted)
		}
		return nil, err
	}
	r := newReport(&c, w)
	m := &meter{config: &c, total: time.Duration(len(c.drives)*len(c.counts)*c.rounds*2) * (c.time + c.warmup())}
	for _, drive := range c.drives {
		if err := m.drive(ctx, drive, w, r); err != nil {
			return r, err
		}
		if ctx.Err() != nil {
			break
		}
	}
	r.Interrupted = ctx.Err() != nil
	return r, nil
}

// meter measures one side at a time.
type meter struct {
	*config
	done, total time.Duration
}

// drive measures all counts with weir on one drive.
func (m *meter) drive(ctx context.Context, drive string, w workload, r *Report) error {
	weir, err := aio.New(aio.Options{Backend: m.backend, Drive: drive, Loops: m.loops})
	if err != nil {
		return err
	}
	d := Drive{Name: drive, Info: weir.Info()}
	for _, n := range m.counts {
		row, err := m.row(ctx, weir, w, n)
		if len(row.Rounds) > 0 {
			row.Drive = drive
			row.summarize()
			r.Rows = append(r.Rows, row)
		}
		if err != nil { // which may be that operations are stuck: then Shutdown names them
			ctx, cancel := context.WithTimeout(context.Background(), m.patience)
			defer cancel()
			return errors.Join(err, weir.Shutdown(ctx))
		}
		if ctx.Err() != nil {
			break
		}
	}
	d.Stats = weir.Stats()
	r.Drives = append(r.Drives, d)
	return weir.Close()
}

// row measures round after round, each side in turn, a different one first each time. Only complete
// rounds count.
func (m *meter) row(ctx context.Context, weir *aio.IO, w workload, n int) (Row, error) {
	row := Row{Count: n}
	for i := range m.rounds {
		round := Round{WeirFirst: i%2 == 1}
		for turn := range 2 {
			s, to := side{}, &round.Std
			if round.WeirFirst == (turn == 0) {
				s, to = side{weir}, &round.Weir
				if m.control {
					s = side{}
				}
			}
			_, counts, _, _ := w.describe()
			what := fmt.Sprintf("%s, %d %s, round %d of %d: %s", weir.Info().Drive, n, counts, i+1, m.rounds, s.name())
			f, err := m.side(ctx, s, w, n, m.seed+uint64(i), what)
			if err != nil {
				return row, fmt.Errorf("%s: %w", what, err)
			}
			if ctx.Err() != nil {
				return row, nil
			}
			*to = f
		}
		row.Rounds = append(row.Rounds, round)
	}
	return row, nil
}

// side measures one side once.
func (m *meter) side(ctx context.Context, s side, w workload, n int, seed uint64, what string) (Figures, error) {
	runtime.GC() // so that no side pays for what the other left
	if l, ok := w.(loader); ok {
		f, err := l.measure(ctx, s, n)
		m.done += m.time + m.warmup()
		m.config.progress(progress{m.done, m.total, what})
		return f, err
	}
	c, err := w.crew(s, n, seed)
	if err != nil {
		return Figures{}, err
	}
	f, err := m.measure(ctx, s, c, what)
	if stuck := (*stuckError)(nil); errors.As(err, &stuck) {
		return Figures{}, err // stop would wait for what is stuck
	}
	return f, errors.Join(err, c.stop())
}

// worker is one goroutine of a crew.
type worker struct {
	count atomic.Uint64
	times *hdrhistogram.Histogram // latencies of the operations that ended while counting
	_     [64]byte                // keeps each worker on a cache line of its own
}

// The phases of a measurement.
const (
	warming = iota
	counting
	stopped
)

// maxLatency is where latencies are cut off, in nanoseconds.
const maxLatency = int64(time.Minute)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(128, maxLatency, 2) }

// epoch is where the clock starts: time.Since of it takes no wall time.
var epoch = time.Now()

func (w *worker) work(phase *atomic.Int32, op func() error) error {
	last := time.Since(epoch)
	for {
		if err := op(); err != nil {
			return err
		}
		now := time.Since(epoch)
		w.count.Add(1)
		switch phase.Load() {
		case counting:
			w.times.RecordValue(min(int64(now-last), maxLatency))
		case stopped:
			return nil
		}
		last = now
	}
}

// measure lets a crew work. What it returns after ctx has ended is worth nothing.
func (m *meter) measure(ctx context.Context, s side, c *crew, what string) (Figures, error) {
	var phase atomic.Int32
	var all sync.WaitGroup
	var left atomic.Int64
	workers := make([]*worker, len(c.ops))
	failed := make(chan error, len(c.ops))
	left.Store(int64(len(c.ops)))
	for i, op := range c.ops {
		w := &worker{times: newHistogram()}
		workers[i] = w
		all.Go(func() {
			defer left.Add(-1)
			err := w.work(&phase, op)
			if err == nil && len(c.last) > 0 {
				err = c.last[i]()
			}
			if err != nil {
				failed <- err
			}
		})
	}

	err := m.pass(ctx, m.warmup(), failed, what)
	before, err2 := look(s, c, workers)
	phase.Store(counting)
	if err = errors.Join(err, err2); err == nil {
		err = m.pass(ctx, m.time, failed, what)
	}
	after, err2 := look(s, c, workers)
	err = errors.Join(err, err2)
	for late := time.Now(); err == nil && ctx.Err() == nil && after.ops == before.ops &&
		time.Since(late) < m.patience; {
		err = m.pass(ctx, 10*time.Millisecond, failed, what) // a stall of device or machine: count it in
		m.done -= 10 * time.Millisecond
		after, err2 = look(s, c, workers)
		err = errors.Join(err, err2)
	}
	phase.Store(stopped)

	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(m.patience):
		return Figures{}, errors.Join(err, newStuckError(s, m.patience, left.Load(), len(c.ops)))
	}
	if err == nil && len(failed) > 0 {
		err = <-failed
	}
	if err != nil || ctx.Err() != nil {
		return Figures{}, err
	}
	times := newHistogram()
	for _, w := range workers {
		times.Merge(w.times)
	}
	return figures(before, after, s.weir != nil, times)
}

// pass waits for d to pass, an end of ctx, or a failure, which it returns.
func (m *meter) pass(ctx context.Context, d time.Duration, failed <-chan error, what string) error {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	start, done := time.Now(), m.done
	for {
		m.config.progress(progress{min(done+time.Since(start), done+d), m.total, what})
		select {
		case <-end.C:
			m.done = done + d
			return nil
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-tick.C:
		}
	}
}

// counters are what a measurement is the difference of.
type counters struct {
	at  time.Duration
	ops uint64
	use usage
}

// usage is what a process has used so far. All but the first three are of weir.
type usage struct {
	CPU      time.Duration `json:"cpu_ns"`
	Switches int64         `json:"switches"`
	Mallocs  uint64        `json:"mallocs"`
	Enters   uint64        `json:"enters"`
	SQEs     uint64        `json:"sqes"`
	WeirOps  uint64        `json:"ops"`
	OnOwn    uint64        `json:"direct"`
	Syscalls uint64        `json:"syscalls"`
	Woke     uint64        `json:"wakes"`
}

// usageOf is what this process has used, on side s.
func usageOf(s side) usage {
	var u usage
	if s.weir != nil {
		st := s.weir.Stats()
		u.Enters, u.SQEs, u.WeirOps, u.OnOwn, u.Syscalls, u.Woke = st.Enters, st.SQEs, st.Total(), st.Direct,
			st.Syscalls, st.Wakes
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	u.Mallocs = mem.Mallocs
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		panic(err) // not for these arguments
	}
	u.CPU = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	u.Switches = ru.Nvcsw + ru.Nivcsw
	return u
}

func look(s side, of *crew, workers []*worker) (c counters, err error) {
	if of.usage == nil {
		c.use = usageOf(s)
	} else {
		c.use, err = of.usage()
	}
	for _, w := range workers {
		c.ops += w.count.Load()
	}
	c.at = time.Since(epoch)
	return c, err
}

// figures are what lies between two looks.
func figures(a, b counters, weir bool, times *hdrhistogram.Histogram) (Figures, error) {
	took := b.at - a.at
	ops := float64(b.ops - a.ops)
	if ops == 0 {
		return Figures{}, fmt.Errorf("not one operation ended in %v", took.Round(time.Millisecond))
	}
	f := Figures{
		Ops:  b.ops - a.ops,
		Rate: ops / took.Seconds(),
		P50:  times.ValueAtQuantile(50),
		P99:  times.ValueAtQuantile(99),
		Max:  times.Max(),
	}
	f.of(a.use, b.use, weir)
	return f, nil
}

// of fills in what was used between two looks at a process.
func (f *Figures) of(a, b usage, weir bool) {
	ops := float64(f.Ops)
	f.CPUPerOp = float64(b.CPU-a.CPU) / ops
	f.AllocsPerOp = float64(b.Mallocs-a.Mallocs) / ops
	f.SwitchesPerOp = float64(b.Switches-a.Switches) / ops
	if weir {
		f.SQEsPerEnter = quotient(b.SQEs-a.SQEs, b.Enters-a.Enters)
		f.Direct = quotient(b.OnOwn-a.OnOwn, b.WeirOps-a.WeirOps)
		f.SyscallsPerOp = float64(b.Syscalls-a.Syscalls+b.OnOwn-a.OnOwn) / ops
		f.WakesPerOp = float64(b.Woke-a.Woke) / ops
	}
}

// quotient is a/b, or 0 if there is no b.
func quotient(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// stuckError says that operations did not come back.
type stuckError struct {
	text   string
	stacks []byte
}

func (e *stuckError) Error() string { return e.text }

func newStuckError(s side, patience time.Duration, left int64, of int) *stuckError {
	var stacks strings.Builder
	pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	text := fmt.Sprintf("%d of %d workers still wait for their last operation, %v after the end", left, of, patience)
	if s.weir != nil {
		text += fmt.Sprintf("; counters: %+v", s.weir.Stats())
	}
	return &stuckError{text, []byte(stacks.String())}
}
