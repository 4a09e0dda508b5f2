package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// patience is how long a test waits for what should happen at once, before it calls it a hang. It
// is far longer than a slow machine needs.
const patience = 100 * time.Second

// kernel is what the loops of a test run on: the system's, through a backend of weir's, or a
// simulated one.
type kernel interface {
	// open opens a backend for a loop with the options o. Drives it cannot serve are an error.
	open(o *Options, thread bool) (backends.Backend, error)

	// What operations work on. The rig closes it all.
	pipe(t testing.TB) (r, w int)
	socketPair(t testing.TB) (a, b int)
	listener(t testing.TB) (fd int, addr *backends.Sockaddr)
	socket(t testing.TB) int
	closeFD(fd int) error

	// put writes p to a pipe or socket without help from the loop: behind its back where that can
	// be.
	put(r *rig, fd int, p []byte)

	descriptors() []string
}

// rig is a loop, the kernel below it, and checks at the end that nothing is left.
type rig struct {
	testing.TB
	kernel
	o  Options
	rt *Runtime // nil on the callback lane
	l  *Loop

	fds     map[int]bool // to be closed at the end
	before  []string
	abandon bool // the test has broken the loop on purpose: no checks at the end
	keep    bool // slots may stay taken, because the backend was lost
}

// lane is one way to run a test.
type lane struct {
	name   string
	drive  string // "" on the callback lane
	kernel func(testing.TB) kernel
}

func simLane(drive string) lane {
	return lane{"sim", drive, func(testing.TB) kernel { return &simKernel{cfg: sim.Config{Seed: 1, Trace: -1}} }}
}

// drives are the lanes of goroutines that wait, loops those of callbacks.
func drives() []lane { return picked(append(systemDrives(), simLane(DriveThread))) }
func loops() []lane  { return picked(append(systemLoops(), simLane(""))) }

// picked leaves out what the environment does: WEIR_DRIVE and WEIR_BACKEND pick one.
func picked(all []lane) []lane {
	return slices.DeleteFunc(all, func(d lane) bool {
		drive, backend := os.Getenv("WEIR_DRIVE"), os.Getenv("WEIR_BACKEND")
		return d.drive != "" && drive != "" && drive != d.drive || backend != "" && !strings.HasPrefix(d.name, backend)
	})
}

// eachDrive runs f for goroutines that wait: on both drives of the system's kernel, and on the
// thread drive of the simulated one, which is the only one it has.
func eachDrive(t *testing.T, o Options, f func(t *testing.T, r *rig)) {
	t.Helper()
	for _, d := range drives() {
		t.Run(d.name, func(t *testing.T) { f(t, startRuntime(t, d, o)) })
	}
}

// eachLoop runs f for callbacks on a bare loop: on the system's kernel and on the simulated one.
// The loop belongs to f's goroutine.
func eachLoop(t *testing.T, o Options, f func(t *testing.T, r *rig)) {
	t.Helper()
	for _, d := range loops() {
		t.Run(d.name, func(t *testing.T) { f(t, startLoop(t, d, o)) })
	}
}

// startRuntime starts a Runtime of one loop.
func startRuntime(t testing.TB, d lane, o Options) *rig {
	t.Helper()
	r := newRig(t, d, &o)
	o.Drive, o.Loops = d.drive, 1
	var err error
	if r.rt, err = New(o); err == nil {
		r.l, err = r.rt.Any(0)
	}
	r.o = o
	r.skipOrFail(err)
	return r
}

// startLoop makes a loop for callbacks.
func startLoop(t testing.TB, d lane, o Options) *rig {
	t.Helper()
	r := newRig(t, d, &o)
	var err error
	r.l, err = NewLoop(o)
	r.o = o
	r.skipOrFail(err)
	return r
}

func newRig(t testing.TB, d lane, o *Options) *rig {
	t.Helper()
	r := &rig{TB: t, kernel: d.kernel(t), fds: map[int]bool{}}
	r.before = r.descriptors()
	watch := time.AfterFunc(patience, func() {
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		panic(fmt.Sprintf("%s hangs: not over after %v", t.Name(), patience))
	})
	outer := o.OpenBackend // a test may put a shim around what the kernel has
	own := *o
	o.OpenBackend = func(thread bool) (backends.Backend, error) {
		if outer == nil {
			return r.open(&own, thread)
		}
		opening = func() (backends.Backend, error) { return r.open(&own, thread) }
		return outer(thread)
	}
	t.Cleanup(func() {
		r.end()
		watch.Stop()
	})
	return r
}

// opening opens the backend of the rig that is being made, for a shim to wrap.
var opening func() (backends.Backend, error)

// unavailable is why the system's kernel cannot be had.
type unavailable struct{ error }

func (r *rig) skipOrFail(err error) {
	r.Helper()
	if u := (unavailable{}); errors.As(err, &u) {
		r.l, r.rt = nil, nil
		r.Skip(u.error)
	}
	if err != nil {
		r.l, r.rt = nil, nil
		r.Fatal(err)
	}
}

// end closes the loop, if the test has not, and looks for what it left behind.
func (r *rig) end() {
	r.Helper()
	if r.abandon || r.l == nil {
		return
	}
	if err := r.close(); err != nil && !errors.Is(err, ErrClosed) {
		r.Errorf("Close: %v", err)
	}
	<-r.l.ended
	if n := r.l.inFlightCount(); n != 0 {
		r.Errorf("%d operations are still in flight after Close", n)
	}
	if n := r.l.slots.live; n != 0 && !r.keep {
		r.Errorf("%d slots are still taken after Close", n)
	}
	for fd := range r.fds {
		if err := r.kernel.closeFD(fd); err != nil {
			r.Errorf("close %d: %v", fd, err)
		}
	}
	if after := r.descriptors(); len(after) > len(r.before) {
		r.Errorf("descriptors leaked:\nbefore %v\nafter  %v", r.before, after)
	}
}

func (r *rig) close() error {
	if r.rt != nil {
		return r.rt.Close()
	}
	return r.l.Close()
}

// Things to work on, closed at the end.

func (r *rig) own(fd int) int {
	if r.fds[fd] {
		r.Fatalf("descriptor %d is new, but known and open", fd)
	}
	r.fds[fd] = true
	return fd
}

func (r *rig) pipe() (rd, wr int) {
	r.Helper()
	rd, wr = r.kernel.pipe(r)
	return r.own(rd), r.own(wr)
}

func (r *rig) socketPair() (a, b int) {
	r.Helper()
	a, b = r.kernel.socketPair(r)
	return r.own(a), r.own(b)
}

func (r *rig) listener() (int, *backends.Sockaddr) {
	r.Helper()
	fd, addr := r.kernel.listener(r)
	return r.own(fd), addr
}

func (r *rig) socket() int {
	r.Helper()
	return r.own(r.kernel.socket(r))
}

func (r *rig) closeFD(fd int) {
	r.Helper()
	delete(r.fds, fd)
	if err := r.kernel.closeFD(fd); err != nil {
		r.Errorf("close %d: %v", fd, err)
	}
}

// put writes behind the loop's back, if the kernel lets us.
func (r *rig) put(fd int, p ...byte) { r.kernel.put(r, fd, p) }

// Operations.

func nop() backends.Op { return backends.Op{Code: backends.OpNop} }

func read(fd int, buf []byte) backends.Op {
	return backends.Op{Code: backends.OpRead, FD: fd, Off: backends.Stream, Buf: buf}
}

func write(fd int, buf []byte) backends.Op {
	return backends.Op{Code: backends.OpWrite, FD: fd, Off: backends.Stream, Buf: buf}
}

func poll(fd int, mask uint32, multi bool) backends.Op {
	return backends.Op{Code: backends.OpPoll, FD: fd, Flags: mask, Multi: multi}
}

// do runs one operation to its end and returns its result.
func (r *rig) do(ctx context.Context, op backends.Op) (int, error) {
	c := &Completion{Op: op}
	err := r.l.Do(ctx, c)
	return c.N(), err
}

// mustDo is do for operations that cannot fail. It may be called by any goroutine.
func (r *rig) mustDo(op backends.Op) int {
	r.Helper()
	n, err := r.do(context.Background(), op)
	if err != nil {
		r.Errorf("%s: %v", op.Code, err)
	}
	return n
}

// submit submits a new Completion and returns it.
func (r *rig) submit(op backends.Op, f func(*Completion) Action) *Completion {
	r.Helper()
	c := &Completion{Op: op, Callback: f}
	if err := r.l.Submit(c); err != nil {
		r.Fatalf("Submit of %s: %v", op.Code, err)
	}
	return c
}

// run runs the loop.
func (r *rig) run(mode RunMode) {
	r.Helper()
	if err := r.l.Run(mode); err != nil {
		r.Fatalf("Run: %v", err)
	}
}

// runUntil runs the loop, without letting it block for long, until done says so.
func (r *rig) runUntil(what string, done func() bool) {
	r.Helper()
	r.l.be.Wake()
	for end := time.Now().Add(patience / 2); !done(); {
		if time.Now().After(end) {
			r.Fatalf("gave up waiting until %s", what)
		}
		r.run(NoWait)
		time.Sleep(10 * time.Microsecond)
	}
}

// eventually waits, on a goroutine that is not the loop's, until done says so.
func (r *rig) eventually(what string, done func() bool) {
	r.Helper()
	for end := time.Now().Add(patience / 2); !done(); {
		if time.Now().After(end) {
			r.Fatalf("gave up waiting until %s", what)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// settled waits until n operations are in flight, all of which the loop has started. It is for
// loops without timers and events of multishots.
func (r *rig) settled(n int64) {
	r.Helper()
	r.eventually(fmt.Sprintf("%d operations are in flight", n), func() bool {
		l := r.l
		in := -int64(l.stats.wakes.Load() + l.resolved.Load()) // read before what is started
		for i := range l.stats.ops {
			in += int64(l.stats.ops[i].Load())
		}
		return in == n && l.inFlightCount() == n && l.intake.Empty()
	})
}

// count is a callback that counts and disarms.
func count(n *int) func(*Completion) Action {
	return func(*Completion) Action { *n++; return Disarm }
}

// scale is how many rounds a test makes: fewer where each costs more or time is short.
func scale(rounds int) int {
	if testing.Short() {
		return max(rounds/10, 1)
	}
	if sys.RaceEnabled {
		return max(rounds/3, 1)
	}
	return rounds
}

// simKernel is a simulated kernel, a new one for each loop.
type simKernel struct {
	cfg sim.Config
	*sim.Sim
}

func (k *simKernel) open(o *Options, thread bool) (backends.Backend, error) {
	if !thread {
		return nil, errNotPollable
	}
	cfg := k.cfg
	cfg.Entries, cfg.CQEntries = o.QueueEntries, o.CompletionEntries
	k.Sim = sim.New(cfg)
	return k.Sim, nil
}

func (k *simKernel) pipe(testing.TB) (r, w int)                    { return k.Sim.Pipe() }
func (k *simKernel) socketPair(testing.TB) (a, b int)              { return k.Sim.SocketPair() }
func (k *simKernel) listener(testing.TB) (int, *backends.Sockaddr) { return k.Sim.Listen() }
func (k *simKernel) socket(testing.TB) int                         { return k.Sim.Socket() }
func (k *simKernel) closeFD(fd int) error                          { return k.Sim.CloseFD(fd) }
func (k *simKernel) descriptors() []string {
	if k.Sim == nil {
		return nil
	}
	return k.Sim.Descriptors()
}

// put goes through the loop: there is no other way to write to simulated objects.
func (k *simKernel) put(r *rig, fd int, p []byte) {
	if r.rt != nil {
		r.mustDo(write(fd, p))
		return
	}
	c := &Completion{Op: write(fd, p), Callback: func(c *Completion) Action {
		if c.Err() != nil || c.N() != len(p) {
			r.Errorf("write to %d: %d, %v", fd, c.N(), c.Err())
		}
		return Disarm
	}}
	if err := r.l.Submit(c); err != nil {
		r.Errorf("write to %d: %v", fd, err)
	}
}

// shim is a backend with hooks around it. A hook that is nil passes the call on.
type shim struct {
	backends.Backend
	submit func(batch []*backends.Completion) int
	cancel func(id backends.ID) bool
	poll   func(dst []backends.Event, deadline int64) (int, error)
	after  func() (again bool) // when a tick is over, on the scheduler drive
	closed atomic.Bool
}

func (s *shim) Pending() bool { return s.after != nil && s.after() || s.Backend.Pending() }

func (s *shim) Submit(batch []*backends.Completion) int {
	if s.submit != nil {
		return s.submit(batch)
	}
	return s.Backend.Submit(batch)
}

func (s *shim) Cancel(id backends.ID) bool {
	if s.cancel != nil {
		return s.cancel(id)
	}
	return s.Backend.Cancel(id)
}

func (s *shim) Poll(dst []backends.Event, deadline int64) (int, error) {
	if s.poll != nil {
		return s.poll(dst, deadline)
	}
	return s.Backend.Poll(dst, deadline)
}

func (s *shim) Close() error {
	s.closed.Store(true)
	return s.Backend.Close()
}

// pollableShim is a shim that the scheduler drive can run.
type pollableShim struct {
	*shim
	backends.Pollable
}

// withShim returns options whose backend has hooks, which set installs.
// wantsBackend skips a test of how the backend ends an operation where that is not the backend's.
func (r *rig) wantsBackend() {
	r.Helper()
	if env := os.Getenv("WEIR_URING"); strings.Contains(env, "=all") && r.name() == "io_uring" {
		r.Skipf("WEIR_URING=%s makes system calls of what this test looks at", env)
	}
}

// partialShim is one around a backend that may lack operations.
type partialShim struct {
	*shim
	partialBackend
}

func withShim(o Options, set func(*shim)) Options {
	o.OpenBackend = func(bool) (backends.Backend, error) {
		be, err := opening()
		if err != nil {
			return nil, err
		}
		s := &shim{Backend: be}
		set(s)
		if partial, ok := be.(partialBackend); ok {
			return partialShim{s, partial}, nil
		}
		if p, ok := be.(backends.Pollable); ok {
			return pollableShim{s, p}, nil
		}
		return s, nil
	}
	return o
}

// simOptions are those of a loop on a simulated kernel.
func simOptions() Options {
	return Options{OpenBackend: func(bool) (backends.Backend, error) { return sim.New(sim.Config{}), nil }}
}
