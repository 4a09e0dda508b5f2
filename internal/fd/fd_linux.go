//go:build !weir_portable

package fd

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/backoff"
	aiort "github.com/weirgo/weir/runtime"
	"github.com/weirgo/weir/sched"
)

// FD is one way to a descriptor: that of goroutines, or the view of a coroutine. It carries the deadlines of both
// directions and the record of the operation under way in each. There may be very many, so what few of them need is made
// when it is needed. The zero value is not open: see Valid.
type FD struct {
	Loop *aiort.Loop // where its operations run
	view *viewState  // nil for the first of a descriptor
	*descriptor

	R, W Side
}

// viewState is what an FD has that is not the first of its descriptor.
type viewState struct {
	waiter Waiter // how the calls of a view wait; nil: as goroutines do
	*viewEntry
}

// Waiter is how calls wait; nil: as goroutines do.
func (h *FD) Waiter() Waiter {
	if h.view == nil {
		return nil
	}
	return h.view.waiter
}

// descriptor is what an FD and its views share. It serialises reads among themselves and writes among themselves, and
// closes the descriptor when the last operation on it is over.
//
// Life: open --Close--> closing (operations in flight are being cancelled, new ones refused) --last reference
// gone--> closed (close(2) called, once). So no operation ever meets a descriptor that has become another file's.
type descriptor struct {
	// What every operation needs comes first: it is one line of the processor's cache.
	fdMutex
	Sysfd    int
	Direct   bool   // callers do themselves what can be done at once: Shared.Direct
	isStream bool   // see Kind
	isFile   bool   // see Kind
	kept     bool   // it has been given away: not to be closed
	closeErr uint16 // what close(2) said

	zeroReadIsEOF bool // see Kind

	Shared        *Shared
	assigned      int32         // what the runtime counts the descriptor under
	UnlinkOnClose atomic.Bool   // of a unix listener: Close removes its file
	closer        *sched.Parker // of the goroutine that closes
	cleanup       runtime.Cleanup
	rest          atomic.Pointer[rest]

	mu      sync.Mutex
	firstFD *FD
	views   *viewList // the others; nil until there is one
}

// Kind says what a descriptor is of.
type Kind struct {
	File          bool // closed, it is os.ErrClosed, not net.ErrClosed
	Polled        bool // it can be polled
	IsStream      bool // a stream socket: a Write may take several calls
	ZeroReadIsEOF bool // receiving nothing is the end
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

// Owner is the file of package os that closes the descriptor, or nil.
func (d *descriptor) Owner() *os.File {
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

// Side is one direction of an FD. An operation has the descriptor's lock of that direction.
type Side struct {
	deadline   atomic.Int64                     // on the clock of the FD's loop; changes under mu
	completion atomic.Pointer[aiort.Completion] // see FD.Completion
	packet     *packet                          // of the message under way
	backoffs   stepBackoffs
	idle       bool  // a receive has left nothing behind
	round      uint8 // in which it last waited for all processors: see roundBits
}

// Shared is what the descriptors of one runtime share.
type Shared struct {
	RT     *aiort.Runtime
	Direct bool         // callers may do the work themselves
	Files  atomic.Int32 // blocking file operations under way
	pipes  pipes
}

// Close gives back what is kept for later. Descriptors stay open.
func (sh *Shared) Close() { sh.pipes.close() }

// Adopt opens h on sysfd, which h owns from now on, also if Adopt fails.
func (sh *Shared) Adopt(h *FD, sysfd int, k Kind) error {
	err := sh.Init(h, sysfd, k)
	if err != nil {
		unix.Close(sysfd)
	}
	return err
}

// Init is Adopt that leaves sysfd to its owner if it fails.
func (sh *Shared) Init(h *FD, sysfd int, k Kind) error {
	loop, assigned, err := sh.RT.Place(k.Polled)
	if err != nil {
		return err
	}
	d := &descriptor{
		Shared: sh, Sysfd: sysfd, assigned: int32(assigned), Direct: sh.Direct, firstFD: h,
		isFile: k.File, isStream: k.IsStream, zeroReadIsEOF: k.ZeroReadIsEOF,
	}
	d.cleanup = runtime.AddCleanup(d, leaked.close, leaked{sh.RT, int32(sysfd), int32(assigned)})
	h.Loop, h.descriptor = loop, d
	h.R.backoffs[spinning] = backoff.Doubtful()
	return nil
}

// InitClosed makes h one that has been closed: every call on it is os.ErrClosed.
func (sh *Shared) InitClosed(h *FD) {
	h.descriptor = &descriptor{Shared: sh, Sysfd: -1, isFile: true, firstFD: h}
	h.state.Store(stateClosing | stateClosed)
}

// Valid reports whether h has been opened. It may have been closed since.
func (h *FD) Valid() bool { return h.descriptor != nil }

// SameAs reports whether h and o are of one descriptor.
func (h *FD) SameAs(o *FD) bool { return h.descriptor == o.descriptor }

// leaked is what is left of a descriptor that was dropped without Close.
type leaked struct {
	rt           *aiort.Runtime
	fd, assigned int32
}

func (l leaked) close() {
	unix.Close(int(l.fd))
	l.release()
}

func (l leaked) release() { l.rt.Release(int(l.assigned)) }

// OSFile returns package os's file on this very descriptor, which is made when it is first needed, for
// what only package os can do: FileInfos that os.SameFile knows, lists of directories. A duplicate
// of the descriptor would need a free one, and when it is closed the process loses its record locks
// on the file (fcntl(2)). The caller has a reference. Its Close, or its finalizer, closes the
// descriptor from then on.
func (h *FD) OSFile(name string) *os.File {
	h.mu.Lock()
	defer h.mu.Unlock()
	std := h.Owner()
	if std == nil {
		std = os.NewFile(uintptr(h.Sysfd), name)
		h.CloseWith(std)
	}
	return std
}

// CloseWith has std, which is on the descriptor, close it.
func (d *descriptor) CloseWith(std *os.File) {
	d.cleanup.Stop()
	d.cleanup = runtime.AddCleanup(d, leaked.release, leaked{d.Shared.RT, int32(d.Sysfd), d.assigned})
	d.makeRest().owner.Store(std)
}

// ErrClosed is what calls on a closed descriptor return.
func (d *descriptor) ErrClosed() error {
	if d.isFile {
		return os.ErrClosed
	}
	return net.ErrClosed
}

// queueOf returns the queue of a side's lock, and the bit of the state that says that the lock is held.
func (h *FD) queueOf(s *Side) (t *lockQueue, bit uint64) {
	if s == &h.R {
		return &h.readQueue, stateReading
	}
	return &h.writeQueue, stateWriting
}

// Completion is the record of a side's operations, made for the first that goes to the loop. Most connections never wait
// to write, and so need one only.
func (h *FD) Completion(s *Side) *aiort.Completion {
	if c := s.completion.Load(); c != nil {
		return c
	}
	c := new(aiort.Completion)
	h.mu.Lock()
	defer h.mu.Unlock()
	c.SetDeadline(s.deadline.Load())
	if h.Closing() { // Close has been here, or comes next
		c.Retire()
	}
	s.completion.Store(c)
	return c
}

// setDeadline moves the deadline of the side's operations, the one under way included. It is called under mu. The side has it
// last: FD.setDeadline finds it there without mu, and then the operations must have it too.
func (s *Side) setDeadline(when int64) {
	if c := s.completion.Load(); c != nil {
		c.SetDeadline(when)
	}
	s.deadline.Store(when)
}

// retire ends the side's operation under way. It is called under mu, once the descriptor is closing.
func (s *Side) retire() {
	if c := s.completion.Load(); c != nil {
		c.Retire()
	}
}

// Acquire takes a reference: the descriptor stays open until Release.
func (h *FD) Acquire() error {
	if h == nil || h.descriptor == nil {
		return os.ErrInvalid
	}
	if h.state.Add(stateRef)&stateClosing != 0 {
		h.Release()
		return h.ErrClosed()
	}
	return nil
}

func (h *FD) Release() { h.closeIfLast(h.state.Add(^uint64(0))) }

// closeIfLast closes the descriptor if its state says only that it is closing.
func (h *FD) closeIfLast(state uint64) {
	if state == stateClosing && h.state.CompareAndSwap(stateClosing, stateClosing|stateClosed) {
		h.cleanup.Stop()
		h.late().close()
		if errno, ok := h.closeFD().(unix.Errno); ok {
			h.closeErr = uint16(errno)
		}
		h.Shared.RT.Release(int(h.assigned))
		h.closer.Unpark()
	}
}

func (d *descriptor) closeFD() error {
	switch std := d.Owner(); {
	case d.kept:
		return nil
	case std != nil:
		err := std.Close()
		if e := (*os.PathError)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return err
	}
	return unix.Close(d.Sysfd)
}

// Begin starts an operation of one direction: one at a time, refused when closed or past the deadline, or when ctx is over,
// whether or not it could be done at once. In a view only its coroutine may, and not if it has been cancelled. It waits for
// the lock of its direction; ctx and Close end that wait.
func (h *FD) Begin(ctx context.Context, s *Side) error {
	if err := h.CheckCaller(); err != nil {
		return err
	}
	if h == nil || h.descriptor == nil {
		return os.ErrInvalid
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := h.lock(ctx, s); err != nil {
		return err
	}
	if err := h.Check(s); err != nil {
		h.End(s)
		return err
	}
	return nil
}

// lock is Acquire, and the lock of a side.
func (h *FD) lock(ctx context.Context, s *Side) error {
	t, bit := h.queueOf(s)
	for u := h.state.Load(); u&bit == 0; u = h.state.Load() { // closed or not: check says it
		if h.state.CompareAndSwap(u, u+stateRef|bit) {
			return nil
		}
	}
	if err := h.Acquire(); err != nil {
		return err
	}
	err := t.lock(ctx, &h.state, bit, h.Waiter())
	if err == nil && ctx.Err() != nil { // ctx ended as the lock came
		h.End(s)
		return context.Cause(ctx)
	}
	if err != nil {
		h.Release()
		if err == net.ErrClosed {
			err = h.ErrClosed()
		}
	}
	return err
}

// End ends what Begin began.
func (h *FD) End(s *Side) {
	t, bit := h.queueOf(s)
	for u := h.state.Load(); u&wanted(bit) == 0; u = h.state.Load() {
		if now := (u - stateRef) &^ bit; h.state.CompareAndSwap(u, now) {
			h.closeIfLast(now)
			return
		}
	}
	t.unlock(&h.state, bit)
	h.Release()
}

// Check reports why an operation must not go on.
func (h *FD) Check(s *Side) error {
	if h.Closing() {
		return h.ErrClosed()
	}
	if d := s.deadline.Load(); d != 0 && d <= h.Loop.Now() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (h *FD) Closing() bool { return h.state.Load()&stateClosing != 0 }

// do runs op on the loop, as the operation under way of s.
func (h *FD) do(ctx context.Context, s *Side, op *backends.Op) (int, error) {
	h.Completion(s).Op = *op
	return h.run(ctx, s)
}

// prepare makes the record of s one of moving p. It is not part of its callers, so that the stack of a goroutine that
// waits has no room for another Op: thousands of them wait for their peers, and the smallest stack should do.
//
//go:noinline
func (h *FD) prepare(s *Side, code backends.Code, p []byte, idle bool) {
	h.Completion(s).Op = backends.Op{Code: code, FD: h.Sysfd, Off: backends.Stream, Buf: p, Idle: idle}
}

// run is do for what the record of s says.
func (h *FD) run(ctx context.Context, s *Side) (int, error) {
	c := s.completion.Load()
	err := h.Await(ctx, c)
	c.Op = backends.Op{} // lets go of the buffer
	if err != nil {
		if errors.Is(err, aiort.ErrClosed) && h.Closing() {
			err = h.ErrClosed()
		}
		return 0, err
	}
	return c.N(), nil
}

// Close ends the use of a descriptor: what is in flight is cancelled and ends with ErrClosed, unless it was done anyway. When
// the last operation is over Close closes the descriptor and returns. Of a view it is that of the descriptor.
func (h *FD) Close() error { return h.shut(false) }

// GiveAway is Close that leaves the descriptor open, for the caller.
func (h *FD) GiveAway() error { return h.shut(true) }

func (h *FD) shut(keep bool) error {
	if h == nil || h.descriptor == nil {
		return os.ErrInvalid
	}
	h.CheckCaller() // may be cancelled and close all the same
	for {
		u := h.state.Load()
		if u&stateClosing != 0 {
			return h.ErrClosed()
		}
		if h.state.CompareAndSwap(u, u+stateRef|stateClosing) {
			break
		}
	}
	h.kept = keep
	h.closer = sched.GetParker()
	h.mu.Lock()
	h.each(func(o *FD) {
		o.R.retire()
		o.W.retire()
	})
	h.views = nil
	h.mu.Unlock()
	h.readQueue.endAll()
	h.writeQueue.endAll()
	h.endHolds()
	h.Release()
	h.awaitEnd()
	if h.closeErr != 0 {
		return unix.Errno(h.closeErr)
	}
	return nil
}

// SetDeadline sets the deadline of both directions, here and in every view. What is under way obeys at once.
func (h *FD) SetDeadline(t time.Time) error { return h.setDeadline(loopTime(h.Loop, t), &h.R, &h.W) }

// SetReadDeadline sets that of reads.
func (h *FD) SetReadDeadline(t time.Time) error { return h.setDeadline(loopTime(h.Loop, t), &h.R) }

// SetWriteDeadline sets that of writes.
func (h *FD) SetWriteDeadline(t time.Time) error { return h.setDeadline(loopTime(h.Loop, t), &h.W) }

// setDeadline moves the deadline of the given sides. Package net/http sets it seven times for each request, and changes
// nothing with five of them.
func (h *FD) setDeadline(when int64, sides ...*Side) error {
	changed := func(s *Side) bool { return s.deadline.Load() != when }
	if !h.Closing() && !slices.ContainsFunc(sides, changed) {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Closing() {
		return h.ErrClosed()
	}
	for _, s := range sides {
		h.each(func(o *FD) {
			other := &o.R
			if s == &h.W {
				other = &o.W
			}
			other.setDeadline(translate(when, h.Loop, o.Loop))
		})
	}
	return nil
}

// SyscallError wraps an errno as package net does and leaves other errors alone.
func SyscallError(call string, err error) error {
	if errno, ok := err.(unix.Errno); ok {
		return os.NewSyscallError(call, errno)
	}
	return err
}
