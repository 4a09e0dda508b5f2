package runtime

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/sched"
)

// Runtime owns the loops that goroutines' operations run on. Any goroutine may call its methods.
//
// A loop on the scheduler drive has no thread. It needs a backend whose events Go's netpoller can
// watch and any thread can reap. io_uring is not one: the kernel completes an operation on the
// thread that submitted it, however long another goroutine keeps that thread in a system call. So
// if io_uring is the backend and the drive is not "thread", the Runtime is split. Waits for
// descriptors that can be polled, and timers, are on scheduler loops with a backend of readiness.
// Work on files, and lists of operations, are on thread loops, each of which has a ring.
type Runtime struct {
	opts  Options
	info  Info
	place *sched.Placement
	pool  *pool

	regions places[*Buffers]
	files   places[*FixedFile]

	split bool // thread loops do the work and scheduler loops the waits

	mu      sync.Mutex
	closed  atomic.Bool            // set under mu
	sched   []*Loop                // on the scheduler drive
	threads []atomic.Pointer[Loop] // on the thread drive, set under mu; nil: not needed yet
}

// Info says what a Runtime runs on.
type Info struct {
	Backend string // "io_uring", ...
	Reason  string // why this backend was chosen

	// Waits is the backend on which goroutines wait for descriptors that can be polled, and for
	// timers. It equals Backend, unless that is "io_uring" and the drive is not "thread": then it
	// is "epoll" or "portable".
	Waits string

	Drive  string // "auto", "thread", "scheduler"
	Loops  int    // number of loops of each drive
	Detail string // details of the backend: set-up flags, ...
	Kernel string // the system and its version, "linux 6.12.1", or its name alone

	// Features are the optional parts of the backend's interface that the kernel has, by the
	// kernel's names.
	Features []string

	// Fallbacks are the kinds of operations that the backend cannot do here, because the kernel
	// lacks them or a filter denies them, and that run as system calls instead. A denial shows when
	// the first operation of its kind fails. If only the form for registered memory and files is
	// denied ("read_fixed", say), the backend uses the plain one.
	Fallbacks []string
}

// New starts a runtime. If [Options].Backend forces a backend that cannot start, or none can start,
// the error says why and what to do about it.
func New(o Options) (r *Runtime, err error) {
	bubble.Do(func() { r, err = newRuntime(o) })
	return r, err
}

func newRuntime(o Options) (*Runtime, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	r := &Runtime{
		opts: o, place: sched.NewPlacement(o.Loops), pool: newPool(o.PoolSize),
		threads: make([]atomic.Pointer[Loop], o.Loops),
	}
	r.info = Info{Drive: o.Drive, Loops: o.Loops, Kernel: sys.Release()}
	var err error
	if o.Drive == DriveThread {
		_, err = r.threadLoop(0)
	} else {
		err = r.startSchedulers()
		if o.Drive == DriveAuto && errors.Is(err, errNotPollable) {
			r.opts.Drive, r.info.Drive = DriveThread, DriveThread
			_, err = r.threadLoop(0)
		}
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	if r.info.Waits == "" {
		r.info.Waits = r.info.Backend
	}
	return r, nil
}

// NewLoop makes a loop for callbacks. It opens the backend at once, so that it can report what is
// wrong, but the loop belongs to the goroutine that first calls [Loop.Run]. [Options].Loops and
// Drive do not apply.
func NewLoop(o Options) (l *Loop, err error) {
	bubble.Do(func() { l, err = openLoop(o) })
	return l, err
}

func openLoop(o Options) (*Loop, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	var l *Loop
	_, _, err := choose(&o, true, func(be backends.Backend) error {
		l = newLoop(be, driveThread, int64(o.MaxInFlight), newPool(o.PoolSize))
		l.gate.max = hangs(&o)
		return prove(&o, be)
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// open starts a loop with the first backend that works among those that o allows.
func (r *Runtime) open(d drive, o *Options) (l *Loop, err error) {
	name, why, err := choose(o, d == driveThread, func(be backends.Backend) error {
		l = newLoop(be, d, int64(r.opts.MaxInFlight), r.pool)
		l.peers, l.known, l.logger = r.loops, r.registered, r.opts.Logger
		l.gate.max = hangs(&r.opts)
		if d == driveScheduler {
			if needsThread(be) && o.OpenBackend == nil {
				l = nil
				return r.setApart(o, be)
			}
			err := l.startScheduler()
			if err != nil {
				err = errors.Join(err, be.Close())
			}
			return err
		}
		ready := make(chan error)
		go l.serve(ready)
		err := <-ready
		if err != nil {
			<-l.ended // it has closed the backend
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.info.Backend == "" {
		r.chosen(name, why)
		if l != nil {
			r.describe(l.be)
		}
	}
	return l, nil
}

// chosen records which backend the runtime has: that of the first loop.
func (r *Runtime) chosen(name, why string) {
	r.info.Backend, r.info.Reason, r.opts.Backend = name, why, name
	if r.opts.Logger != nil && strings.HasPrefix(why, fallback) {
		r.opts.Logger.Warn("weir: "+why, slog.String("backend", name))
	}
}

func (r *Runtime) describe(be backends.Backend) {
	if d, ok := be.(interface{ Detail() string }); ok {
		r.info.Detail = d.Detail()
	}
	if f, ok := be.(interface{ Features() []string }); ok {
		r.info.Features = f.Features()
	}
}

// setApart makes be, which has been opened and works on threads only, the backend of the thread
// loops. It closes be: those loops open their own when they are needed.
func (r *Runtime) setApart(o *Options, be backends.Backend) error {
	if err := tryOut(o, be); err != nil {
		return err
	}
	r.split = true
	r.describe(be)
	return be.Close()
}

// startSchedulers starts the loops of the scheduler drive, and chooses the backend.
func (r *Runtime) startSchedulers() error {
	o, asked := r.opts, r.opts.Backend
	for len(r.sched) < r.opts.Loops {
		l, err := r.open(driveScheduler, &o)
		if err != nil {
			return err
		}
		if l == nil { // the preferred backend is for thread loops
			if o.Backend, err = ofReadiness(asked); err != nil {
				return err
			}
			continue
		}
		r.info.Waits = l.be.Name()
		o.Backend = r.info.Waits
		r.sched = append(r.sched, l)
	}
	return nil
}

// threadLoop returns the i-th loop on the thread drive, and starts it if necessary.
func (r *Runtime) threadLoop(i int) (*Loop, error) {
	if l := r.threads[i].Load(); l != nil {
		return l, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return nil, ErrClosed
	}
	if l := r.threads[i].Load(); l != nil {
		return l, nil
	}
	var l *Loop
	var err error
	bubble.Do(func() { l, err = r.open(driveThread, &r.opts) })
	if err != nil {
		return nil, err
	}
	r.threads[i].Store(l)
	return l, nil
}

// Place picks the loop with the fewest handles for a new handle. polled says that its descriptor
// can be polled: it is not a regular file. [Runtime.Release] gives the place back.
func (r *Runtime) Place(polled bool) (*Loop, int, error) {
	r.mustBeMade()
	i := r.place.Pick()
	l, err := r.loop(i, !polled)
	if err != nil {
		r.place.Leave(i)
	}
	return l, i, err
}

// loop returns one of the loops for waits, or one of those for work.
func (r *Runtime) loop(i int, work bool) (*Loop, error) {
	if r.Closed() {
		return nil, ErrClosed
	}
	if r.opts.Drive == DriveThread || work && r.split {
		return r.threadLoop(i)
	}
	return r.sched[i], nil
}

// Release gives back the place of a handle.
func (r *Runtime) Release(i int) {
	r.mustBeMade()
	r.place.Leave(i)
}

// Info returns what the runtime runs on.
func (r *Runtime) Info() Info {
	info := r.info
	for _, l := range r.loops() {
		info.Fallbacks = append(info.Fallbacks, l.fallbacks()...)
	}
	slices.Sort(info.Fallbacks)
	info.Fallbacks = slices.Compact(info.Fallbacks)
	return info
}

func (r *Runtime) loops() []*Loop {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append([]*Loop(nil), r.sched...)
	for i := range r.threads {
		if l := r.threads[i].Load(); l != nil {
			all = append(all, l)
		}
	}
	return all
}

// workers returns the loops that lists of operations run on. It starts one if there is none.
func (r *Runtime) workers() ([]*Loop, error) {
	all := r.loops()
	if !r.split {
		return all, nil
	}
	if len(all) == len(r.sched) {
		l, err := r.threadLoop(0)
		if err != nil {
			return nil, err
		}
		return []*Loop{l}, nil
	}
	return all[len(r.sched):], nil
}

// Stats returns the sums of the counters of all loops.
func (r *Runtime) Stats() Stats {
	s := Stats{Ops: map[string]uint64{}}
	for _, l := range r.loops() {
		l.addTo(&s)
	}
	return s
}

// Close is [Runtime.Shutdown] without a time limit.
func (r *Runtime) Close() error { return r.Shutdown(context.Background()) }

// Shutdown refuses new operations, cancels those in flight and blocks until the kernel has
// completed all of them; then it frees the loops. Operations end with [ErrClosed], unless they were
// done anyway. If ctx ends first the error is a [*StuckError] that lists what is still in flight;
// the shutdown goes on, and another call waits for it. A call after everything has ended returns
// [ErrClosed].
func (r *Runtime) Shutdown(ctx context.Context) error {
	r.mustBeMade()
	mustContext(ctx)
	r.mu.Lock()
	again := r.closed.Swap(true)
	r.mu.Unlock()
	loops := r.loops()
	if again && allEnded(loops) {
		return ErrClosed
	}
	for _, l := range loops {
		l.askClose()
	}
	var stuck *StuckError
	var errs error
	for _, l := range loops {
		err := l.awaitEnd(ctx)
		if e := (*StuckError)(nil); errors.As(err, &e) {
			if stuck == nil {
				stuck = &StuckError{Cause: e.Cause}
			}
			stuck.Ops = append(stuck.Ops, e.Ops...)
			continue
		}
		errs = errors.Join(errs, err)
	}
	if stuck != nil {
		return errors.Join(stuck, errs)
	}
	return errs
}

func allEnded(loops []*Loop) bool {
	for _, l := range loops {
		select {
		case <-l.ended:
		default:
			return false
		}
	}
	return true
}

// Closed reports whether Close or Shutdown has been called.
func (r *Runtime) Closed() bool { return r.closed.Load() }

// Any returns one of the loops for a wait that belongs to no handle: for a descriptor that can be
// polled, or for a time. n spreads such waits over the loops. [Runtime.AnyWorker] returns a loop
// for work on a file or for a list of operations.
func (r *Runtime) Any(n uint32) (*Loop, error) {
	r.mustBeMade()
	return r.loop(int(n%uint32(r.opts.Loops)), false)
}

func (r *Runtime) AnyWorker(n uint32) (*Loop, error) {
	r.mustBeMade()
	return r.loop(int(n%uint32(r.opts.Loops)), true)
}
