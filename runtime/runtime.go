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
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/sched"
)

// Runtime owns the loops that goroutines' operations run on, all with the same backend. Any goroutine may call its
// methods.
type Runtime struct {
	opts  Options
	info  Info
	place *sched.Placement
	pool  *pool

	regions places[*Buffers]
	files   places[*FixedFile]

	mu      sync.Mutex
	closed  atomic.Bool // becomes true under mu
	sched   []*Loop     // on the scheduler drive
	threads []*Loop     // on the thread drive; nil entries have not been needed yet
}

// Info says what a Runtime runs on.
type Info struct {
	Backend string // "io_uring", ...
	Reason  string // why this one
	Drive   string // "auto", "thread", "scheduler"
	Loops   int    // loops of each drive
	Detail  string // what the backend has to say about itself: set-up flags, ...
	Kernel  string // the system and its version, "linux 6.12.1", or its name alone

	// Features are what the kernel has of the optional parts of the backend's interface, by the kernel's names.
	Features []string

	// Fallbacks are the kinds of operations that the backend cannot do here, because the kernel lacks them or a
	// filter denies them, and that are done as system calls. A denial shows when the first of its kind fails. Where only
	// the form for registered memory and files is denied, "read_fixed" say, the backend does the plain one.
	Fallbacks []string
}

// New starts a runtime. If Options.Backend forces one that cannot start, or none can, the error says why and what to
// do about it.
func New(o Options) (*Runtime, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	r := &Runtime{
		opts: o, place: sched.NewPlacement(o.Loops), pool: newPool(o.PoolSize),
		threads: make([]*Loop, o.Loops),
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
	return r, nil
}

// NewLoop makes a loop for the callback lane. Its backend is opened at once, so that New reports what is wrong,
// but belongs to the goroutine that first calls Run. Options.Loops and Drive do not apply.
func NewLoop(o Options) (*Loop, error) {
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

// open starts a loop. The first one decides which backend all of them have.
func (r *Runtime) open(d drive) (*Loop, error) {
	var l *Loop
	name, why, err := choose(&r.opts, d == driveThread, func(be backends.Backend) error {
		l = newLoop(be, d, int64(r.opts.MaxInFlight), r.pool)
		l.peers, l.known = r.loops, r.registered
		l.gate.max = hangs(&r.opts)
		if d == driveScheduler {
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
		r.info.Backend, r.info.Reason, r.opts.Backend = name, why, name
		if d, ok := l.be.(interface{ Detail() string }); ok {
			r.info.Detail = d.Detail()
		}
		if f, ok := l.be.(interface{ Features() []string }); ok {
			r.info.Features = f.Features()
		}
		if r.opts.Logger != nil && strings.HasPrefix(why, fallback) {
			r.opts.Logger.Warn("weir: "+why, slog.String("backend", name))
		}
	}
	return l, nil
}

func (r *Runtime) startSchedulers() error {
	for range r.opts.Loops {
		l, err := r.open(driveScheduler)
		if err != nil {
			return err
		}
		r.sched = append(r.sched, l)
	}
	return nil
}

// threadLoop returns the i-th loop on the thread drive, starting it if need be.
func (r *Runtime) threadLoop(i int) (*Loop, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed.Load() {
		return nil, ErrClosed
	}
	if r.threads[i] == nil {
		l, err := r.open(driveThread)
		if err != nil {
			return nil, err
		}
		r.threads[i] = l
	}
	return r.threads[i], nil
}

// Place picks the loop for a new handle, the one with the fewest. Release gives the place back.
func (r *Runtime) Place() (*Loop, int, error) {
	i := r.place.Pick()
	if r.opts.Drive == DriveThread {
		l, err := r.threadLoop(i)
		if err != nil {
			r.place.Leave(i)
		}
		return l, i, err
	}
	return r.sched[i], i, nil
}

// Release gives back the place of a handle.
func (r *Runtime) Release(i int) { r.place.Leave(i) }

// Info says what the runtime runs on.
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
	for _, l := range r.threads {
		if l != nil {
			all = append(all, l)
		}
	}
	return all
}

// Stats adds up the counters of all loops.
func (r *Runtime) Stats() Stats {
	s := Stats{Ops: map[string]uint64{}}
	for _, l := range r.loops() {
		l.addTo(&s)
	}
	return s
}

// Close is Shutdown without a limit of time.
func (r *Runtime) Close() error { return r.Shutdown(context.Background()) }

// Shutdown refuses new operations, cancels those in flight and waits until the kernel has let go of all of them;
// then it frees the loops. Operations end with ErrClosed, unless they were done anyway. If ctx ends first the error
// is a *StuckError that names what is still in flight; the shutdown goes on, and another call waits for it. A call
// after everything has ended is ErrClosed.
func (r *Runtime) Shutdown(ctx context.Context) error {
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

// Any returns one of the loops for an operation that belongs to no handle; n spreads them.
func (r *Runtime) Any(n uint32) (*Loop, error) {
	if i := int(n % uint32(r.opts.Loops)); r.opts.Drive == DriveThread {
		return r.threadLoop(i)
	} else {
		return r.sched[i], nil
	}
}
