package runtime

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// TestSimulation runs random programs of operations, cancels, deadlines and re-arming on a loop,
// over a simulated kernel with random faults. It guards, all together, what the other tests guard
// one by one: exactly one last callback for each submission, with an outcome that was asked for;
// every byte and descriptor accounted for; and nothing left at the end.
//
// A failure names its seed: WEIR_SIM_SEED runs that one alone, WEIR_SIM_SEEDS sets how many are
// run.
func TestSimulation(t *testing.T) {
	if os.Getenv("WEIR_SIM_SEED") != "" {
		simulate(t, sim.SeedFromEnv(0), nil)
		return
	}
	seeds := scale(10_000)
	if text := os.Getenv("WEIR_SIM_SEEDS"); text != "" {
		var err error
		if seeds, err = strconv.Atoi(text); err != nil {
			t.Fatal("WEIR_SIM_SEEDS: ", err)
		}
	}
	tally := map[string]int{}
	for seed := range uint64(seeds) {
		for what, n := range simulate(t, seed+1, nil) {
			tally[what] += n
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d programs: %v", seeds, tally)
	for _, what := range []string{"ok", "canceled", "deadline", "closed", "more", "errno", "refused", "resubmitted",
		"rearmed", "stale", "timer", "async", "post", "descriptor", "byte"} {
		if seeds >= 300 && tally[what] == 0 {
			t.Errorf("no program ever saw %q: these programs test too little", what)
		}
	}
}

// FuzzLoop runs programs that the fuzzer writes: a seed for the kernel and its faults, and the
// program's draws.
func FuzzLoop(f *testing.F) {
	for seed := range uint64(20) {
		program := make([]byte, 200)
		rng := rand.New(rand.NewPCG(seed, 9))
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		f.Add(seed, program)
	}
	f.Fuzz(func(t *testing.T, seed uint64, program []byte) { simulate(t, seed, program) })
}

// draws are the decisions of a program: from a generator, or from bytes until they end.
type draws struct {
	rng   *rand.Rand
	bytes []byte
	fixed bool
}

func (d *draws) intN(n int) int {
	if !d.fixed {
		return d.rng.IntN(n)
	}
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % n
}

// world is what a program acts on.
type world struct {
	t      *testing.T
	draw   draws
	sim    *sim.Sim
	faults sim.Faults
	l      *Loop

	actors []*actor
	fds    map[int]bool // made by operations and not closed yet
	async  Async
	asyncs bool // started
	timers [3]Timer
	due    [3]int64
	ending bool // no actor starts anything any more
	closed bool
	posts  int // to come

	tally map[string]int
}

// actor has one operation at a time.
type actor struct {
	w    *world
	name string
	c    *Completion
	op   func(*actor) backends.Op
	done func(*actor) // what to do with a success

	inFlight        bool
	canceled, timed bool // it was asked for, since this activation began or before
	retired         bool
	stream          *stream
	buf             []byte
	client          int // the socket of a connect in flight
}

// stream is the bytes from one writer to one reader, numbered.
type stream struct {
	rd, wr         int
	sent, received int
}

func (a *actor) renew() {
	a.c = &Completion{Callback: a.callback}
	a.canceled, a.timed, a.retired = false, false, false
}

func simulate(t *testing.T, seed uint64, program []byte) map[string]int {
	t.Helper()
	w := &world{
		t: t, faults: sim.Swarm(seed), fds: map[int]bool{}, tally: map[string]int{},
		draw: draws{rng: rand.New(rand.NewPCG(seed, 0x70_72_6f)), bytes: program, fixed: program != nil},
	}
	entries := 1 << (seed % 5)
	w.sim = sim.New(sim.Config{
		Seed: seed, Faults: w.faults, Entries: entries, CQEntries: entries << (seed / 5 % 3), Buffer: 16 << (seed % 7),
		Trace: 300,
	})
	defer func() {
		if v := recover(); v != nil {
			w.explain(seed)
			panic(v)
		}
		if t.Failed() {
			w.explain(seed)
		}
	}()
	o := Options{MaxInFlight: 6 + int(seed%20), OpenBackend: func(bool) (backends.Backend, error) { return w.sim, nil }}
	var err error
	if w.l, err = NewLoop(o); err != nil {
		t.Fatal(err)
	}
	w.cast()
	before := w.sim.OpenFDs()
	steps := 150
	if w.draw.fixed {
		steps = 10_000 // or until the bytes end
	}
	for i := 0; i < steps && !t.Failed() && !(w.draw.fixed && len(w.draw.bytes) == 0); i++ {
		w.step()
	}
	w.end()
	if n := w.sim.OpenFDs() - before; n != 0 {
		t.Errorf("%d descriptors are left: %v", n, w.sim.Descriptors())
	}
	return w.tally
}

func (w *world) explain(seed uint64) {
	w.t.Logf("seed %d, %v", seed, w.sim)
	trace := w.sim.Trace()
	w.t.Logf("the last steps:\n%s", strings.Join(trace[max(len(trace)-60, 0):], "\n"))
	w.t.Logf("to repeat it: WEIR_SIM_SEED=%d go test ./runtime -run TestSimulation", seed)
}

// cast makes the objects and the actors that use them.
func (w *world) cast() {
	add := func(name string, s *stream, op func(*actor) backends.Op, done func(*actor)) {
		a := &actor{w: w, name: name, op: op, done: done, stream: s, client: -1}
		a.renew()
		w.actors = append(w.actors, a)
	}
	pair := func(rd, wr int, in, out backends.Code) {
		s := &stream{rd: rd, wr: wr}
		add(in.String(), s, func(a *actor) backends.Op {
			a.buf = make([]byte, 1+w.draw.intN(40))
			return backends.Op{Code: in, FD: rd, Off: backends.Stream, Buf: a.buf}
		}, (*actor).received)
		add(out.String(), s, func(a *actor) backends.Op {
			a.fill(1 + w.draw.intN(60))
			return backends.Op{Code: out, FD: wr, Off: backends.Stream, Buf: a.buf}
		}, (*actor).sent)
	}
	for range 2 {
		rd, wr := w.sim.Pipe()
		pair(rd, wr, backends.OpRead, backends.OpWrite)
		add("poll", nil, func(*actor) backends.Op { return poll(rd, pollIn, false) }, nil)
		add("multishot poll", nil, func(*actor) backends.Op { return poll(rd, pollIn, true) }, nil)
	}
	a, b := w.sim.SocketPair()
	pair(a, b, backends.OpRecv, backends.OpSend)
	pair(b, a, backends.OpRecv, backends.OpSend)
	ln, addr := w.sim.Listen()
	for _, multi := range []bool{false, true} {
		add("accept", nil, func(*actor) backends.Op {
			return backends.Op{Code: backends.OpAccept, FD: ln, Multi: multi}
		}, func(a *actor) { a.made(a.c.N()) })
	}
	for range 3 {
		add("connect", nil, func(a *actor) backends.Op {
			a.client = w.sim.Socket()
			return backends.Op{Code: backends.OpConnect, FD: a.client, Addr: addr}
		}, nil)
	}
	add("sleep", nil, func(a *actor) backends.Op {
		a.c.SetDeadline(w.sim.Now() + int64(w.draw.intN(20))*1e6)
		a.timed = false
		return timeout()
	}, func(a *actor) {
		if d := a.c.Deadline(); d > w.sim.Now() {
			w.t.Errorf("a sleep ended %v early", time.Duration(d-w.sim.Now()))
		}
	})
	add("nop", nil, func(*actor) backends.Op { return nop() }, nil)
}

// made takes over a descriptor.
func (a *actor) made(fd int) {
	w := a.w
	if w.fds[fd] {
		w.t.Errorf("descriptor %d came twice", fd)
	}
	w.fds[fd] = true
	w.tally["descriptor"]++
	if w.closed || w.draw.intN(2) == 0 {
		w.closeFD(fd)
		return
	}
	delete(w.fds, fd) // its number may be another's before the callback runs
	c := &Completion{Op: backends.Op{Code: backends.OpClose, FD: fd}, Callback: func(c *Completion) Action {
		if c.Err() == ErrClosed { // before it began
			w.closeFD(fd)
		} else if c.Err() != nil && w.faults.Error == 0 {
			w.t.Errorf("close %d: %v", fd, c.Err())
		}
		return Disarm
	}}
	if err := w.l.Submit(c); err != nil {
		w.closeFD(fd)
	}
}

func (w *world) closeFD(fd int) {
	delete(w.fds, fd)
	if err := w.sim.CloseFD(fd); err != nil {
		w.t.Errorf("close %d: %v", fd, err)
	}
}

func (a *actor) fill(n int) {
	a.buf = make([]byte, n)
	for i := range a.buf {
		a.buf[i] = byte(a.stream.sent + i)
	}
}

func (a *actor) sent() {
	if n := a.c.N(); n < 1 || n > len(a.buf) {
		a.w.t.Errorf("%s of %d bytes reports %d", a.name, len(a.buf), n)
	}
	a.stream.sent += a.c.N()
	a.w.tally["byte"] += a.c.N()
}

func (a *actor) received() {
	n := a.c.N()
	if n < 1 || n > len(a.buf) {
		a.w.t.Errorf("%s into %d bytes reports %d", a.name, len(a.buf), n)
		return
	}
	for _, x := range a.buf[:n] {
		if x != byte(a.stream.received) {
			a.w.t.Errorf("%s: byte %d of the stream is %d", a.name, a.stream.received, x)
			return
		}
		a.stream.received++
	}
}

func (a *actor) submit() {
	w := a.w
	if a.retired && !a.inFlight {
		a.renew()
	}
	if a.inFlight {
		if err := w.l.Submit(a.c); err != ErrInFlight && err != ErrBusy {
			w.t.Errorf("%s in flight: Submit says %v", a.name, err)
		}
		return
	}
	a.c.Op = a.op(a)
	a.canceled = false
	switch err := w.l.Submit(a.c); err {
	case nil:
		a.inFlight = true
	case ErrBusy:
		w.tally["refused"]++
		a.over()
	default:
		w.t.Errorf("%s: Submit says %v", a.name, err)
	}
}

// over cleans up what an activation leaves.
func (a *actor) over() {
	if a.client >= 0 {
		a.w.closeFD(a.client)
		a.client = -1
	}
}

func (a *actor) callback(c *Completion) Action {
	w := a.w
	if !a.inFlight {
		w.t.Errorf("%s: a callback, but nothing is in flight: %d, %v", a.name, c.Res(), c.Err())
	}
	if c != a.c {
		w.t.Errorf("%s: a callback with another Completion", a.name)
	}
	a.check(c)
	if c.Err() == nil && a.done != nil {
		a.done(a)
	}
	if c.More() {
		if !c.Op.Multi {
			w.t.Errorf("%s reports more", a.name)
		}
		if w.ending || w.draw.intN(8) == 0 {
			a.canceled = true
			return Disarm
		}
		return Rearm
	}
	a.over()
	a.inFlight = false
	if c.Err() == ErrCanceled {
		a.canceled = false
	}
	switch {
	case w.ending || a.retired || w.draw.intN(3) > 0:
		return Disarm
	case w.draw.intN(2) == 0:
		a.submit()
		return Disarm
	}
	c.Op = a.op(a)
	a.inFlight = true
	return Rearm
}

// check finds out whether this outcome was asked for.
func (a *actor) check(c *Completion) {
	w := a.w
	switch err := c.Err(); {
	case err == nil && c.More():
		w.tally["more"]++
	case err == nil:
		w.tally["ok"]++
	case err == ErrCanceled:
		w.tally["canceled"]++
		if !a.canceled {
			w.t.Errorf("%s was cancelled, but nobody asked for it", a.name)
		}
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.tally["deadline"]++
		if !a.timed {
			w.t.Errorf("%s timed out, but had no deadline", a.name)
		}
	case err == ErrClosed:
		w.tally["closed"]++
		if !w.closed && !a.retired {
			w.t.Errorf("%s is closed, but nobody closed it", a.name)
		}
	case err == syscall.EAGAIN && c.Op.Code == backends.OpConnect: // which means what it says
		w.tally["errno"]++
	case errors.Is(err, syscall.EINTR), errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.ECANCELED):
		w.t.Errorf("%s: the user sees %v", a.name, err)
	default:
		w.tally["errno"]++
		if w.faults.Error == 0 {
			w.t.Errorf("%s: %v, in a kernel without errors", a.name, err)
		}
	}
}

func (w *world) run(mode RunMode) {
	if err := w.l.Run(mode); err != nil {
		w.t.Errorf("Run: %v", err)
	}
}

func (w *world) step() {
	a := w.actors[w.draw.intN(len(w.actors))]
	switch w.draw.intN(20) {
	default:
		a.submit()
	case 0, 1:
		a.canceled = a.canceled || a.inFlight
		w.l.Cancel(a.c)
	case 2:
		a.timed = true
		a.c.SetDeadline(w.sim.Now() - int64(w.draw.intN(2)))
	case 3:
		a.timed = true
		a.c.SetDeadline(w.sim.Now() + int64(w.draw.intN(200))*100_000)
	case 4:
		a.c.SetDeadline(0) // what timed out before this may still be reported
	case 5:
		if w.draw.intN(4) == 0 {
			a.retired = true
			a.c.Retire()
		}
	case 6, 7, 8:
		for range 1 + w.draw.intN(3) {
			w.run(NoWait)
		}
	case 9, 10: // time passes
		w.startTimer(0)
		w.run(Once)
	case 11:
		w.startTimer(1 + w.draw.intN(2))
	case 12:
		if i := 1 + w.draw.intN(2); w.timers[i].Stop() {
			w.due[i] = 0
		}
	case 13:
		w.async.Notify()
	case 14:
		if w.asyncs {
			w.async.Stop()
		} else if err := w.async.Start(w.l, w.notified); err == nil {
			w.asyncs = true
		} else if err != ErrBusy && err != ErrInFlight {
			w.t.Errorf("Async.Start: %v", err)
		}
	case 15:
		if err := w.l.Post(func() { w.posts--; w.tally["post"]++ }); err == nil {
			w.posts++
		} else if err != ErrBusy {
			w.t.Errorf("Post: %v", err)
		}
	}
}

func (w *world) notified(*Async) Action {
	w.tally["async"]++
	if w.ending || w.draw.intN(3) == 0 {
		w.asyncs = false
		return Disarm
	}
	return Rearm
}

func (w *world) startTimer(i int) {
	d := time.Duration(w.draw.intN(5000)) * time.Microsecond
	w.due[i] = w.sim.Now() + int64(d)
	w.timers[i].Start(w.l, d, func(*Timer) Action {
		w.tally["timer"]++
		if w.due[i] == 0 {
			w.t.Errorf("timer %d fires, but is not armed", i)
		} else if now := w.sim.Now(); now < w.due[i] {
			w.t.Errorf("timer %d fires %v early", i, time.Duration(w.due[i]-now))
		}
		w.due[i] = 0
		return Disarm
	})
}

// end stops everything in one of several ways, and looks for what is left.
func (w *world) end() {
	w.ending = true
	if w.draw.intN(2) == 0 { // in good order; else Close does it
		w.async.Stop()
		for i := range w.timers {
			w.timers[i].Stop()
		}
		for _, a := range w.actors {
			a.canceled = a.canceled || a.inFlight
			w.l.Cancel(a.c)
		}
		w.run(UntilDone)
		for _, a := range w.actors {
			if a.inFlight {
				w.t.Errorf("%s is in flight after Run(UntilDone)", a.name)
			}
		}
	}
	w.closed = true
	if err := w.l.Close(); err != nil {
		w.t.Errorf("Close: %v", err)
	}
	for _, a := range w.actors {
		if a.inFlight || a.c.InFlight() {
			w.t.Errorf("%s is in flight after Close", a.name)
		}
		if s := a.stream; s != nil && a.c.Op.FD == s.rd && a.c.Op.Code != backends.OpPoll {
			left := w.sim.Data(s.rd)
			for _, x := range left {
				if x != byte(s.received) {
					w.t.Errorf("%s: byte %d, which nobody has read, is %d", a.name, s.received, x)
					break
				}
				s.received++
			}
			if s.sent != s.received {
				w.t.Errorf("%s: %d bytes were sent, %d arrived", a.name, s.sent, s.received)
			}
		}
	}
	if n := w.l.inFlightCount(); n != 0 {
		w.t.Errorf("%d operations are in flight after Close", n)
	}
	if n := w.l.slots.live; n != 0 {
		w.t.Errorf("%d slots are taken after Close", n)
	}
	if w.posts != 0 {
		w.t.Errorf("%d functions were posted and never ran", w.posts)
	}
	if len(w.fds) != 0 {
		w.t.Errorf("descriptors that nobody closed: %v", w.fds)
	}
	s := w.l.Stats()
	w.tally["resubmitted"] += int(s.Resubmitted)
	w.tally["rearmed"] += int(s.Rearmed)
	w.tally["stale"] += int(s.Stale)
}

func (a *actor) String() string { return fmt.Sprintf("%s, in flight %v", a.name, a.inFlight) }
