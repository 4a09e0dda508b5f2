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

// FD is one way to a descriptor: that of goroutines, or the view of a coroutine. It carries the
// deadlines of both directions and the record of the operation in progress in each. There may be
// very many, so fields that few of them need are allocated on first use. The zero value is not
// open: see [FD.Valid].
type FD struct {
	Loop *aiort.Loop // the loop that its operations run on
	view *viewState  // nil for the first FD of a descriptor
	*descriptor

	R, W Side
}

// viewState holds what an FD has that is not the first of its descriptor.
type viewState struct {
	waiter Waiter // makes the calls of a view wait; nil: they wait as goroutines do
	*viewEntry
}

// Waiter returns what makes calls wait; nil: they wait as goroutines do.
func (h *FD) Waiter() Waiter {
	if h.view == nil {
		return nil
	}
	return h.view.waiter
}

// descriptor is what an FD and its views share. It serializes reads, serializes writes, and closes
// the descriptor when the last operation on it is over.
//
// Life: open --Close--> closing (operations in flight are being cancelled, new ones refused) --last
// reference gone--> closed (close(2) called, once). So no operation meets a descriptor number that
// belongs to another file.
type descriptor struct {
	// What every operation needs comes first: it is one cache line.
	fdMutex
	Sysfd    int
	Direct   bool   // callers make the system call themselves if it need not wait: Shared.Direct
	isStream bool   // see Kind
	isFile   bool   // see Kind
	kept     bool   // it has been given away: it must not be closed
	closeErr uint16 // the result of close(2)

	zeroReadIsEOF bool // see Kind

	Shared        *Shared
	assigned      int32         // the number under which the runtime counts the descriptor
	UnlinkOnClose atomic.Bool   // of a unix listener: Close removes its file
	closer        *sched.Parker // wakes the goroutine that closes
	cleanup       runtime.Cleanup
	rest          atomic.Pointer[rest]

	mu      sync.Mutex
	firstFD *FD
	views   *viewList // the other FDs; nil until there is one
}

// Kind says what kind of file a descriptor refers to.
type Kind struct {
	File          bool // after Close errors are os.ErrClosed, not net.ErrClosed
	Polled        bool // it can be polled
	IsStream      bool // a stream socket: a Write may take several calls
	ZeroReadIsEOF bool // a read of 0 bytes is the end
}

// rest holds what few descriptors have.
type rest struct {
	owner atomic.Pointer[os.File] // the file of package os that closes the descriptor, if there is one: see OSFile
	late  late                    // of a listener
}

// makeRest returns the rest of d, and makes it if there is none.
func (d *descriptor) makeRest() *rest {
	if d.rest.Load() == nil {
		d.rest.CompareAndSwap(nil, new(rest))
	}
	return d.rest.Load()
}

// Owner returns the file of package os that closes the descriptor, or nil.
func (d *descriptor) Owner() *os.File {
	if r := d.rest.Load(); r != nil {
		return r.owner.Load()
	}
	return nil
}

// late returns what an Accepts has left, or nil.
func (d *descriptor) late() *late {
	if r := d.rest.Load(); r != nil {
		return &r.late
	}
	return nil
}

// Side is one direction of an FD. An operation holds the descriptor's lock of that direction.
type Side struct {
	deadline   atomic.Int64                     // on the clock of the FD's loop; changes under mu
	completion atomic.Pointer[aiort.Completion] // see FD.Completion
	packet     *packet                          // the message in progress
	backoffs   stepBackoffs
	idle       bool  // the last receive has emptied the socket
	round      uint8 // the round in which it last yielded to all processors: see roundBits
}

// Shared is what the descriptors of one runtime share.
type Shared struct {
	RT     *aiort.Runtime
	Direct bool         // callers may make system calls themselves
	Files  atomic.Int32 // blocking file operations under way
	pipes  pipes
}

// Close frees what is kept for reuse. Descriptors stay open.
func (sh *Shared) Close() { sh.pipes.close() }

// Adopt opens h on sysfd, which h owns from now on, even if Adopt fails.
func (sh *Shared) Adopt(h *FD, sysfd int, k Kind) error {
	err := sh.Init(h, sysfd, k)
	if err != nil {
		unix.Close(sysfd)
	}
	return err
}

// Init is [Shared.Adopt] that leaves sysfd to its owner if it fails.
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

// InitClosed makes h a closed FD: every call on it is os.ErrClosed.
func (sh *Shared) InitClosed(h *FD) {
	h.descriptor = &descriptor{Shared: sh, Sysfd: -1, isFile: true, firstFD: h}
	h.state.Store(stateClosing | stateClosed)
}

// Valid reports whether h has been opened. It may have been closed since.
func (h *FD) Valid() bool { return h.descriptor != nil }

// SameAs reports whether h and o belong to the same descriptor.
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

// OSFile returns a file of package os on this very descriptor, and makes it on first use. It is for
// what only package os can do: FileInfos that os.SameFile knows, lists of directories. A duplicate
// of the descriptor would need a free one, and closing it would release the record locks of the
// process on the file (fcntl(2)). The caller has a reference. From then on Close of that file, or
// its finalizer, closes the descriptor.
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

// CloseWith makes std, which is on the descriptor, close it.
func (d *descriptor) CloseWith(std *os.File) {
	d.cleanup.Stop()
	d.cleanup = runtime.AddCleanup(d, leaked.release, leaked{d.Shared.RT, int32(d.Sysfd), d.assigned})
	d.makeRest().owner.Store(std)
}

// ErrClosed returns the error of calls on a closed descriptor.
func (d *descriptor) ErrClosed() error {
	if d.isFile {
		return os.ErrClosed
	}
	return net.ErrClosed
}

// queueOf returns the queue of a side's lock, and the state's bit for that lock.
func (h *FD) queueOf(s *Side) (t *lockQueue, bit uint64) {
	if s == &h.R {
		return &h.readQueue, stateReading
	}
	return &h.writeQueue, stateWriting
}

// Completion returns the record of a side's operations, which the first operation that goes to the
// loop makes. Most connections never wait to write, and so need only one.
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

// setDeadline moves the deadline of the side's operations, including the one in progress. The
// caller holds mu. It stores the side's deadline last: when FD.setDeadline finds it there, without
// mu, the operations must have it too.
func (s *Side) setDeadline(when int64) {
	if c := s.completion.Load(); c != nil {
		c.SetDeadline(when)
	}
	s.deadline.Store(when)
}

// retire ends the side's operation in progress. The caller holds mu, and the descriptor is closing.
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

// closeIfLast closes the descriptor if its state says that it is closing and nothing else.
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

// Begin starts an operation of one direction. It refuses the operation if the descriptor is closed,
// the deadline has passed or ctx is over, even if the operation could be done at once. In a view it
// refuses callers other than its coroutine, and a coroutine that has been cancelled. It then waits
// for the lock of the direction; ctx and Close end that wait.
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

// lock is Acquire, and takes the lock of a side.
func (h *FD) lock(ctx context.Context, s *Side) error {
	t, bit := h.queueOf(s)
	for u := h.state.Load(); u&bit == 0; u = h.state.Load() { // whether it is closed, Check says
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

// End ends the operation that Begin started.
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

// Check returns why an operation must not go on, or nil.
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

// do runs op on the loop, as the operation in progress of s.
func (h *FD) do(ctx context.Context, s *Side, op *backends.Op) (int, error) {
	h.Completion(s).Op = *op
	return h.run(ctx, s)
}

// prepare makes the record of s an operation that moves p. It is not inlined, so that the stack of
// a goroutine that waits has no room for another Op: thousands of them wait for their peers, and
// the smallest stack should suffice.
//
//go:noinline
func (h *FD) prepare(s *Side, code backends.Code, p []byte, idle bool) {
	h.Completion(s).Op = backends.Op{Code: code, FD: h.Sysfd, Off: backends.Stream, Buf: p, Idle: idle}
}

// run is do for the operation in the record of s.
func (h *FD) run(ctx context.Context, s *Side) (int, error) {
	c := s.completion.Load()
	err := h.Await(ctx, c)
	c.Op = backends.Op{} // drops the reference to the buffer
	if err != nil {
		if errors.Is(err, aiort.ErrClosed) && h.Closing() {
			err = h.ErrClosed()
		}
		return 0, err
	}
	return c.N(), nil
}

// Close ends the use of a descriptor. It cancels what is in flight, which ends with ErrClosed
// unless it was done anyway. When the last operation is over Close closes the descriptor and
// returns. Close of a view closes its descriptor.
func (h *FD) Close() error { return h.shut(false) }

// GiveAway is [FD.Close] that leaves the descriptor open, for the caller.
func (h *FD) GiveAway() error { return h.shut(true) }

func (h *FD) shut(keep bool) error {
	if h == nil || h.descriptor == nil {
		return os.ErrInvalid
	}
	h.CheckCaller() // a coroutine that has been cancelled may close all the same
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

// SetDeadline sets the deadline of both directions, here and in every view. It applies to
// operations in progress at once.
func (h *FD) SetDeadline(t time.Time) error { return h.setDeadline(loopTime(h.Loop, t), &h.R, &h.W) }

// SetReadDeadline sets the deadline of reads.
func (h *FD) SetReadDeadline(t time.Time) error { return h.setDeadline(loopTime(h.Loop, t), &h.R) }

// SetWriteDeadline sets the deadline of writes.
func (h *FD) SetWriteDeadline(t time.Time) error { return h.setDeadline(loopTime(h.Loop, t), &h.W) }

// setDeadline moves the deadline of the given sides. Package net/http sets it seven times for each
// request, and five of them change nothing.
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

// SyscallError wraps an errno as package net does, and returns other errors unchanged.
func SyscallError(call string, err error) error {
	if errno, ok := err.(unix.Errno); ok {
		return os.NewSyscallError(call, errno)
	}
	return err
}
