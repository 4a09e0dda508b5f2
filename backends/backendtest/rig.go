package backendtest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// patience is how long a subtest waits for what should happen at once, before it fails; a Poll that
// has not returned after twice that ends the process.
const patience = 20 * time.Second

// rig is one open backend and the slot table that stands in for a Loop.
type rig struct {
	t   testing.TB
	env Env
	b   backends.Backend

	slots    []slot
	free     []uint32
	inFlight int
	over     map[backends.ID]*op // finished operations, to name them if they report again
	dst      []backends.Event

	fds      map[int]bool // resources to close at the end
	now      int64        // the backend's clock after the last Poll
	watchdog *time.Timer
	polling  atomic.Int64 // deadline of the Poll in progress
	before   []string     // descriptors that were open at the start
	closed   bool
}

type slot struct {
	gen uint32
	o   *op // in flight
}

// op is an operation and what became of it.
type op struct {
	c      *backends.Completion
	as     backends.Completion // as it was submitted
	guards []*guard
	events []backends.Event
	res    int32
	done   bool
}

// newRig opens a backend for a subtest and sees to its end.
func newRig(t testing.TB, env Env, entries, cqEntries int) *rig {
	t.Helper()
	r := &rig{
		t: t, env: env, over: map[backends.ID]*op{}, fds: map[int]bool{},
		dst: make([]backends.Event, 64), before: env.Descriptors(),
	}
	if env.Thread() {
		runtime.LockOSThread()
	}
	r.b = env.Open(t, entries, cqEntries)
	r.watchdog = time.AfterFunc(2*patience, r.hung)
	r.watchdog.Stop()
	t.Cleanup(r.close)
	if err := r.b.Bind(env.Thread()); err != nil {
		t.Fatalf("Bind(%v): %v", env.Thread(), err)
	}
	return r
}

// hung ends the process: a backend that does not come back from Poll leaves nothing else to do.
func (r *rig) hung() {
	deadline := "a deadline"
	switch r.polling.Load() {
	case backends.NoWait:
		deadline = "NoWait"
	case backends.Forever:
		deadline = "Forever"
	}
	panic(fmt.Sprintf("%s: Poll with %s has not returned for %v", r.t.Name(), deadline, 2*patience))
}

// abandoned keeps what kernels may still use after a subtest failed.
var abandoned []*rig

// close ends a rig. It is called at the end of the subtest, unless the subtest itself did.
func (r *rig) close() {
	t := r.t
	t.Helper()
	if r.closed {
		return
	}
	r.closed = true
	if r.inFlight > 0 {
		if !t.Failed() {
			t.Errorf("the subtest left operations in flight: %s", r.listInFlight())
		}
		abandoned = append(abandoned, r)
		return // still locked, so that the thread ends, and with it what it has in flight
	}
	for fd := range r.fds {
		r.env.CloseFD(t, fd)
	}
	if err := r.b.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if r.env.Thread() {
		runtime.UnlockOSThread()
	}
	for _, o := range r.over {
		for _, g := range o.guards {
			g.checkAfter(t, o)
		}
	}
	if left := r.env.Descriptors(); !t.Failed() {
		for _, d := range r.before {
			if i := slices.Index(left, d); i >= 0 {
				left = slices.Delete(left, i, i+1)
			}
		}
		if len(left) > 0 {
			t.Errorf("descriptors left open:\n%s", strings.Join(left, "\n"))
		}
	}
}

func (r *rig) listInFlight() string {
	var list []string
	for _, s := range r.slots {
		if s.o != nil {
			list = append(list, s.o.String())
		}
	}
	return strings.Join(list, ", ")
}

// Resources, closed at the end of the subtest.

func (r *rig) pipe() (rd, wr int) {
	rd, wr = r.env.Pipe(r.t)
	r.fds[rd], r.fds[wr] = true, true
	return rd, wr
}

func (r *rig) socketPair() (a, b int) {
	a, b = r.env.SocketPair(r.t)
	r.fds[a], r.fds[b] = true, true
	return a, b
}

func (r *rig) packetPair() (a, b int) {
	a, b = r.env.PacketPair(r.t)
	r.fds[a], r.fds[b] = true, true
	return a, b
}

func (r *rig) file(content []byte) int {
	fd := r.env.File(r.t, content)
	r.fds[fd] = true
	return fd
}

func (r *rig) listener() (int, *backends.Sockaddr) {
	fd, addr := r.env.Listener(r.t)
	r.fds[fd] = true
	return fd, addr
}

func (r *rig) socket() int {
	fd := r.env.Socket(r.t)
	r.fds[fd] = true
	return fd
}

// own takes over a descriptor that an operation made.
func (r *rig) own(fd int32) int {
	r.t.Helper()
	if r.fds[int(fd)] {
		r.t.Fatalf("descriptor %d was reported as new, but is known and open", fd)
	}
	r.fds[int(fd)] = true
	return int(fd)
}

func (r *rig) closeFD(fd int) {
	delete(r.fds, fd)
	r.env.CloseFD(r.t, fd)
}

// Operations.

func (r *rig) op(desc backends.Op) *op { return &op{c: &backends.Completion{Op: desc}} }

func (r *rig) nop() *op { return r.op(backends.Op{Code: backends.OpNop}) }

// buf is a guarded buffer of n bytes.
func (o *op) buf(n int) []byte {
	g := newGuard(n)
	o.guards = append(o.guards, g)
	return g.buf
}

// into makes o an operation that fills n bytes.
func (r *rig) into(code backends.Code, fd, n int, off int64, flags uint32) *op {
	o := r.op(backends.Op{Code: code, FD: fd, Off: off, Flags: flags})
	o.c.Buf = o.buf(n)
	return o
}

// from makes o an operation that sends a copy of data.
func (r *rig) from(code backends.Code, fd int, data []byte, off int64, flags uint32) *op {
	o := r.into(code, fd, len(data), off, flags)
	copy(o.c.Buf, data)
	return o
}

func (r *rig) read(fd, n int) *op { return r.into(backends.OpRead, fd, n, backends.Stream, 0) }
func (r *rig) recv(fd, n int, flags uint32) *op {
	return r.into(backends.OpRecv, fd, n, backends.Stream, flags)
}
func (r *rig) write(fd int, data []byte) *op {
	return r.from(backends.OpWrite, fd, data, backends.Stream, 0)
}
func (r *rig) send(fd int, data []byte, flags uint32) *op {
	return r.from(backends.OpSend, fd, data, backends.Stream, flags)
}
func (r *rig) pollFor(fd int, mask uint32, multi bool) *op {
	return r.op(backends.Op{Code: backends.OpPoll, FD: fd, Flags: mask, Multi: multi})
}
func (r *rig) accept(fd int, multi bool) *op {
	return r.op(backends.Op{Code: backends.OpAccept, FD: fd, Multi: multi})
}
func (r *rig) connect(fd int, addr *backends.Sockaddr) *op {
	return r.op(backends.Op{Code: backends.OpConnect, FD: fd, Addr: addr})
}

func (o *op) String() string {
	return fmt.Sprintf("%v %v fd=%d len=%d", o.c.ID, o.c.Code, o.c.FD, len(o.c.Buf))
}

func (o *op) id() backends.ID { return o.as.ID }

// got is the data that a finished read brought.
func (o *op) got() []byte { return o.c.Buf[:max(o.res, 0)] }

// register gives o a slot, the one that became free last.
func (r *rig) register(o *op) {
	if len(r.free) == 0 {
		r.free = append(r.free, uint32(len(r.slots)))
		r.slots = append(r.slots, slot{})
	}
	n := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	s := &r.slots[n]
	s.gen++
	s.o = o
	o.c.ID = backends.MakeID(n, s.gen)
	tried[o.c.Code] = true
	o.as = *o.c
	for _, g := range o.guards {
		g.keep()
	}
	r.inFlight++
}

// submit gets ops into the queue, by way of as many Polls as it takes.
func (r *rig) submit(ops ...*op) {
	r.t.Helper()
	r.submitPolling(r.dst, ops...)
}

// reuse makes a free slot the next one to be used.
func (r *rig) reuse(n uint32) {
	r.free = append(slices.DeleteFunc(r.free, func(f uint32) bool { return f == n }), n)
}

func (r *rig) submitPolling(dst []backends.Event, ops ...*op) {
	r.t.Helper()
	batch := make([]*backends.Completion, len(ops))
	for i, o := range ops {
		r.register(o)
		batch[i] = o.c
	}
	for limit := time.Now().Add(patience); ; {
		n := r.b.Submit(batch)
		if n < 0 || n > len(batch) {
			r.t.Fatalf("Submit of %d operations says that it took %d", len(batch), n)
		}
		if batch = batch[n:]; len(batch) == 0 {
			return
		}
		if time.Now().After(limit) {
			r.t.Fatalf("Submit takes no more operations; %d are left, in flight are %s", len(batch), r.listInFlight())
		}
		r.pollInto(dst, backends.NoWait)
	}
}

// cancel gets a cancel into the queue.
func (r *rig) cancel(id backends.ID) {
	r.t.Helper()
	for limit := time.Now().Add(patience); !r.b.Cancel(id); r.poll(backends.NoWait) {
		if time.Now().After(limit) {
			r.t.Fatalf("Cancel(%v) takes no more cancels", id)
		}
	}
}

// poll polls once and gives the events to their operations.
func (r *rig) poll(deadline int64) int {
	r.t.Helper()
	return r.pollInto(r.dst, deadline)
}

// untouched is what no backend reports.
var untouched = backends.Event{ID: ^backends.ID(0), Res: -1 << 31, More: true}

func (r *rig) pollInto(dst []backends.Event, deadline int64) int {
	r.t.Helper()
	for i := range dst {
		dst[i] = untouched
	}
	r.polling.Store(deadline)
	r.watchdog.Reset(2 * patience)
	n, err := r.b.Poll(dst, deadline)
	r.watchdog.Stop()
	last := r.now
	r.now = r.b.Now()
	switch {
	case r.now < last:
		r.t.Fatalf("the clock went back from %d to %d", last, r.now)
	case err != nil:
		r.t.Fatalf("Poll: %v", err)
	case n < 0 || n > len(dst):
		r.t.Fatalf("Poll with room for %d events says that it returned %d", len(dst), n)
	}
	for _, ev := range dst[:n] {
		r.dispatch(ev)
	}
	for i, ev := range dst[n:] {
		if ev != untouched {
			r.t.Fatalf("Poll returned %d events but also wrote event %d: %+v", n, n+i, ev)
		}
	}
	return n
}

func (r *rig) dispatch(ev backends.Event) {
	r.t.Helper()
	n := int(ev.ID.Slot())
	if n >= len(r.slots) || r.slots[n].o == nil || r.slots[n].gen != ev.ID.Gen() {
		if o := r.over[ev.ID]; o != nil {
			r.t.Fatalf("another event (res=%d more=%v) for %v, whose terminal event had res=%d", ev.Res, ev.More, o,
				o.res)
		}
		r.t.Fatalf("event (res=%d more=%v) for %v, which is not in flight", ev.Res, ev.More, ev.ID)
	}
	o := r.slots[n].o
	o.events = append(o.events, ev)
	if ev.More {
		if !o.as.Multi {
			r.t.Fatalf("%v: event with More (res=%d), but it is not multishot", o, ev.Res)
		}
		if ev.Res < 0 {
			r.t.Fatalf("%v: failure (%s) with More", o, result(ev.Res))
		}
		return
	}
	o.done, o.res = true, ev.Res
	r.slots[n].o = nil
	r.free = append(r.free, uint32(n))
	r.over[ev.ID] = o
	r.inFlight--
	o.checkUnchanged(r.t)
	o.checkBuffers(r.t)
}

// limit is when something that should happen at once counts as a hang, on the backend's clock and
// on ours: the backend's may be virtual, and then it jumps, or stands still.
type limit struct {
	ours    time.Time
	backend int64
}

func (r *rig) limit() limit {
	return limit{time.Now().Add(patience), r.b.Now() + int64(patience)}
}

func (l limit) over(r *rig) bool { return r.b.Now() >= l.backend || time.Now().After(l.ours) }

// until polls until cond holds.
func (r *rig) until(what string, cond func() bool) {
	r.t.Helper()
	for l := r.limit(); !cond(); r.poll(l.backend) {
		if l.over(r) {
			r.t.Fatalf("%s: not within %v; in flight are %s", what, patience, r.listInFlight())
		}
	}
}

// wait polls until ops are over.
func (r *rig) wait(ops ...*op) {
	r.t.Helper()
	for _, o := range ops {
		r.until(o.String(), func() bool { return o.done })
	}
}

// drain polls into dst until nothing is in flight.
func (r *rig) drain(dst []backends.Event) {
	r.t.Helper()
	for l := r.limit(); r.inFlight > 0; r.pollInto(dst, l.backend) {
		if l.over(r) {
			r.t.Fatalf("no end within %v; in flight are %s", patience, r.listInFlight())
		}
	}
}

// quiet polls for a while, in which nothing should happen to the operations in flight but what
// makes them ready.
func (r *rig) quiet(d time.Duration) {
	r.t.Helper()
	end := r.b.Now() + int64(d)
	for early := 0; r.b.Now() < end; {
		if n := r.poll(end); n == 0 && r.b.Now() < end {
			early++
		}
		if early > spurious {
			r.t.Fatalf("Poll returned %d times before its deadline, with nothing", early)
		}
	}
}

// handOver polls until the backend has nothing more to do.
func (r *rig) handOver() {
	r.t.Helper()
	for l := r.limit(); r.b.Pending(); r.poll(backends.NoWait) {
		if l.over(r) {
			r.t.Fatalf("the backend has been Pending for %v; in flight are %s", patience, r.listInFlight())
		}
	}
}

// do runs an operation to its end and returns its result.
func (r *rig) do(o *op) int32 {
	r.t.Helper()
	r.submit(o)
	r.wait(o)
	return o.res
}

// want runs an operation that should end with one of results.
func (r *rig) want(o *op, results ...int32) {
	r.t.Helper()
	if r.do(o); !slices.Contains(results, o.res) {
		r.t.Fatalf("%v: %s, want %s", o, result(o.res), resultList(results))
	}
}

// expect is want for an operation that is over.
func (r *rig) expect(o *op, results ...int32) {
	r.t.Helper()
	if !o.done || !slices.Contains(results, o.res) {
		r.t.Fatalf("%v: done=%v %s, want %s", o, o.done, result(o.res), resultList(results))
	}
}

const canceled = -int32(syscall.ECANCELED)

func fail(errno syscall.Errno) int32 { return -int32(errno) }

func result(res int32) string {
	if res < 0 {
		return fmt.Sprintf("res=%d (%v)", res, syscall.Errno(-res))
	}
	return fmt.Sprintf("res=%d", res)
}

func resultList(results []int32) string {
	var list []string
	for _, res := range results {
		list = append(list, result(res))
	}
	return strings.Join(list, " or ")
}
