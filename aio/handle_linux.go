//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/lane"
	aiort "github.com/weirgo/weir/runtime"
	"github.com/weirgo/weir/sched"
)

// handle is one way to a descriptor: that of goroutines, or the view of a coroutine. It carries the deadlines of both
// directions and the record of the operation under way in each. There may be very many, so what few of them need is made
// when it is needed.
type handle struct {
	loop *aiort.Loop // where its operations run
	as   *viewing    // nil for the first of a descriptor
	*descriptor

	r, w side
}

// viewing is what a handle has that is not the first of its descriptor.
type viewing struct {
	lane lane.Lane // how the calls of a view wait; nil: as goroutines do
	*place
}

// lane is how calls wait; nil: as goroutines do.
func (h *handle) lane() lane.Lane {
	if h.as == nil {
		return nil
	}
	return h.as.lane
}

// descriptor is what a handle and its views share. It serialises reads among themselves and writes among themselves, and
// closes the descriptor when the last operation on it is over.
//
// Life: open --Close--> closing (operations in flight are being cancelled, new ones refused) --last reference
// gone--> closed (close(2) called, once). So no operation ever meets a descriptor that has become another file's.
type descriptor struct {
	// What every operation needs comes first: it is one line of the processor's cache.
	use              atomic.Uint64 // see useOne
	fd               int
	direct           bool   // callers do themselves what can be done at once: IO.direct
	file             bool   // closed, it is os.ErrClosed, not net.ErrClosed
	kept             bool   // it has been given away: not to be closed
	closeErr         uint16 // what close(2) said
	reading, writing turn

	io      *IO
	place   int32
	unlink  atomic.Bool   // of a unix listener: Close removes its file
	gone    *sched.Parker // of the one who closes
	cleanup runtime.Cleanup
	rest    atomic.Pointer[rest]

	mu    sync.Mutex
	first *handle
	views *views // the others; nil until there is one
}

// rest is what few descriptors have.
type rest struct {
	owner atomic.Pointer[os.File] // what closes the descriptor, if that is a file of package os: see std
	late  late                    // of a listener
}

// makeRest returns the rest of d, which it makes if there is none.
func (d *descriptor) makeRest() *rest {
	if d.rest.Load() == nil {
		d.rest.CompareAndSwap(nil, new(rest))
	}
	return d.rest.Load()
}

// owner is the file of package os that closes the descriptor, or nil.
func (d *descriptor) owner() *os.File {
	if r := d.rest.Load(); r != nil {
		return r.owner.Load()
	}
	return nil
}

// late is what an Accepts has left, or nil.
func (d *descriptor) late() *late {
	if r := d.rest.Load(); r != nil {
		return &r.late
	}
	return nil
}

// side is one direction of a handle: its operations have the turn of the descriptor's.
type side struct {
	deadline atomic.Int64                     // on the clock of the handle's loop; changes under mu
	c        atomic.Pointer[aiort.Completion] // see record
	packet   *packet                          // of the message under way
	patient  patiences
	idle     bool  // a receive has left nothing behind
	round    uint8 // in which it has waited behind everybody last: see lingering
}

// adopt makes a handle of fd, which it owns from now on, also if it fails. file says whether calls on it fail with
// os.ErrClosed once it is closed, in place of net.ErrClosed; polled whether fd can be polled.
func (io *IO) adopt(h *handle, fd int, file, polled bool) error {
	err := io.hold(h, fd, file, polled)
	if err != nil {
		unix.Close(fd)
	}
	return err
}

// hold is adopt that leaves fd to its owner if it fails.
func (io *IO) hold(h *handle, fd int, file, polled bool) error {
	loop, place, err := io.running().Place(polled)
	if err != nil {
		return err
	}
	d := &descriptor{io: io, fd: fd, place: int32(place), direct: io.direct, file: file, first: h}
	d.cleanup = runtime.AddCleanup(d, leaked.close, leaked{io.rt, int32(fd), int32(place)})
	h.loop, h.descriptor = loop, d
	h.r.patient[spinning] = backoff.Doubtful()
	return nil
}

// leaked is what is left of a descriptor that was dropped without Close.
type leaked struct {
	rt        *aiort.Runtime
	fd, place int32
}

func (l leaked) close() {
	unix.Close(int(l.fd))
	l.release()
}

func (l leaked) release() { l.rt.Release(int(l.place)) }

// std returns package os's file on this very descriptor, which is made when it is first needed, for
// what only package os can do: FileInfos that os.SameFile knows, lists of directories. A duplicate
// of the descriptor would need a free one, and when it is closed the process loses its record locks
// on the file (fcntl(2)). The caller has a reference. Its Close, or its finalizer, closes the
// descriptor from then on.
func (h *handle) std(name string) *os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	std := h.owner()
	if std == nil {
		std = os.NewFile(uintptr(h.fd), name)
		h.closeWith(std)
	}
	return std
}

// closeWith has std, which is on the descriptor, close it.
func (d *descriptor) closeWith(std *os.File) {
	d.cleanup.Stop()
	d.cleanup = runtime.AddCleanup(d, leaked.release, leaked{d.io.rt, int32(d.fd), d.place})
	d.makeRest().owner.Store(std)
}

// errClosed is what calls on a closed descriptor return.
func (d *descriptor) errClosed() error {
	if d.file {
		return os.ErrClosed
	}
	return net.ErrClosed
}

// turn is held by the operation under way of a side. The bit says in the use that it is taken.
func (h *handle) turn(s *side) (t *turn, bit uint64) {
	if s == &h.r {
		return &h.reading, useReading
	}
	return &h.writing, useWriting
}

// record is the Completion of a side's operations, made for the first that goes to the loop. Most connections never wait
// to write, and so need one only.
func (h *handle) record(s *side) *aiort.Completion {
	if c := s.c.Load(); c != nil {
		return c
	}
	c := new(aiort.Completion)
	h.mu.Lock()
	defer h.mu.Unlock()
	c.SetDeadline(s.deadline.Load())
	if h.closing() { // Close has been here, or comes next
		c.Retire()
	}
	s.c.Store(c)
	return c
}

// setDeadline moves the deadline of the side's operations, the one under way included. It is called under mu. The side has it
// last: handle.setDeadline finds it there without mu, and then the operations must have it too.
func (s *side) setDeadline(when int64) {
	if c := s.c.Load(); c != nil {
		c.SetDeadline(when)
	}
	s.deadline.Store(when)
}

// retire ends the side's operation under way. It is called under mu, once the descriptor is closing.
func (s *side) retire() {
	if c := s.c.Load(); c != nil {
		c.Retire()
	}
}

// acquire takes a reference: the descriptor stays open until release.
func (h *handle) acquire() error {
	if h == nil || h.descriptor == nil {
		return os.ErrInvalid
	}
	if h.use.Add(useOne)&useClosing != 0 {
		h.release()
		return h.errClosed()
	}
	return nil
}

func (h *handle) release() { h.left(h.use.Add(^uint64(0))) }

// left closes the descriptor if what is left of its use is that it is closing.
func (h *handle) left(use uint64) {
	if use == useClosing && h.use.CompareAndSwap(useClosing, useClosing|useClosed) {
		h.cleanup.Stop()
		h.late().close()
		if errno, ok := h.closeFD().(unix.Errno); ok {
			h.closeErr = uint16(errno)
		}
		h.io.rt.Release(int(h.place))
		h.gone.Unpark()
	}
}

func (d *descriptor) closeFD() error {
	switch std := d.owner(); {
	case d.kept:
		return nil
	case std != nil:
		return bare(std.Close())
	}
	return unix.Close(d.fd)
}

// begin starts an operation of one direction: one at a time, refused when closed or past the deadline, or when ctx is over,
// whether or not it could be done at once. In a view only its coroutine may, and not if it has been cancelled. It waits for
// its turn; ctx and close end that.
func (h *handle) begin(ctx context.Context, s *side) error {
	if err := h.enter(); err != nil {
		return err
	}
	if h == nil || h.descriptor == nil {
		return os.ErrInvalid
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := h.join(ctx, s); err != nil {
		return err
	}
	if err := h.check(s); err != nil {
		h.end(s)
		return err
	}
	return nil
}

// join is acquire and the turn of a side.
func (h *handle) join(ctx context.Context, s *side) error {
	t, bit := h.turn(s)
	for u := h.use.Load(); u&bit == 0; u = h.use.Load() { // closed or not: check says it
		if h.use.CompareAndSwap(u, u+useOne|bit) {
			return nil
		}
	}
	if err := h.acquire(); err != nil {
		return err
	}
	err := t.take(ctx, &h.use, bit, h.lane())
	if err == nil && ctx.Err() != nil { // it has ended as the turn came
		h.end(s)
		return context.Cause(ctx)
	}
	if err != nil {
		h.release()
		if err == net.ErrClosed {
			err = h.errClosed()
		}
	}
	return err
}

// end ends what begin began.
func (h *handle) end(s *side) {
	t, bit := h.turn(s)
	for u := h.use.Load(); u&wanted(bit) == 0; u = h.use.Load() {
		if now := (u - useOne) &^ bit; h.use.CompareAndSwap(u, now) {
			h.left(now)
			return
		}
	}
	t.pass(&h.use, bit)
	h.release()
}

// check reports why an operation must not go on.
func (h *handle) check(s *side) error {
	if h.closing() {
		return h.errClosed()
	}
	if d := s.deadline.Load(); d != 0 && d <= h.loop.Now() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (h *handle) closing() bool { return h.use.Load()&useClosing != 0 }

// do runs op on the loop, as the operation under way of s.
func (h *handle) do(ctx context.Context, s *side, op *backends.Op) (int, error) {
	h.record(s).Op = *op
	return h.run(ctx, s)
}

// transfer makes the record of s one of moving p. It is not part of its callers, so that the stack of a goroutine that
// waits has no room for another Op: thousands of them wait for their peers, and the smallest stack should do.
//
//go:noinline
func (h *handle) transfer(s *side, code backends.Code, p []byte, idle bool) {
	h.record(s).Op = backends.Op{Code: code, FD: h.fd, Off: backends.Stream, Buf: p, Idle: idle}
}

// run is do for what the record of s says.
func (h *handle) run(ctx context.Context, s *side) (int, error) {
	c := s.c.Load()
	err := h.await(ctx, c)
	c.Op = backends.Op{} // lets go of the buffer
	if err != nil {
		if errors.Is(err, aiort.ErrClosed) && h.closing() {
			err = h.errClosed()
		}
		return 0, err
	}
	return c.N(), nil
}

// close ends a handle: what is in flight is cancelled and ends with errClosed, unless it was done anyway; when the
// last operation is over the descriptor is closed, and close returns.
func (h *handle) close() error { return h.shut(false) }

// shut is close, or that without closing the descriptor.
func (h *handle) shut(keep bool) error {
	if h == nil || h.descriptor == nil {
		return os.ErrInvalid
	}
	h.enter() // may be cancelled and close all the same
	for {
		u := h.use.Load()
		if u&useClosing != 0 {
			return h.errClosed()
		}
		if h.use.CompareAndSwap(u, u+useOne|useClosing) {
			break
		}
	}
	h.kept = keep
	h.gone = sched.GetParker()
	h.mu.Lock()
	h.each(func(o *handle) {
		o.r.retire()
		o.w.retire()
	})
	h.views = nil
	h.mu.Unlock()
	h.reading.close()
	h.writing.close()
	h.endHolds()
	h.release()
	h.awaitEnd()
	if h.closeErr != 0 {
		return unix.Errno(h.closeErr)
	}
	return nil
}

// setDeadline moves the deadline of the given sides, here and in every view; what is under way obeys at once. net/http does
// it seven times for each request, and changes nothing with five of them.
func (h *handle) setDeadline(when int64, sides ...*side) error {
	changed := func(s *side) bool { return s.deadline.Load() != when }
	if !h.closing() && !slices.ContainsFunc(sides, changed) {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing() {
		return h.errClosed()
	}
	for _, s := range sides {
		h.each(func(o *handle) {
			other := &o.r
			if s == &h.w {
				other = &o.w
			}
			other.setDeadline(translate(when, h.loop, o.loop))
		})
	}
	return nil
}

// syscallError wraps an errno as package net does and leaves other errors alone.
func syscallError(call string, err error) error {
	if errno, ok := err.(unix.Errno); ok {
		return os.NewSyscallError(call, errno)
	}
	return err
}
