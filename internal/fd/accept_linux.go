//go:build !weir_portable

package fd

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// Accept waits for a connection, whose descriptor it returns; sa receives the peer's address.
func (h *FD) Accept(ctx context.Context, sa *backends.Sockaddr) (int, error) {
	s := &h.R
	if err := h.Begin(ctx, s); err != nil {
		return -1, err
	}
	defer h.End(s)
	for {
		if ctx.Err() != nil {
			return -1, context.Cause(ctx)
		}
		if fd := h.late().take(); fd >= 0 {
			if sys.SockName(unix.SYS_GETPEERNAME, fd, sa) == nil {
				return fd, nil
			}
			unix.Close(fd) // the client has left: nobody's loss
			continue
		}
		m := s.message(nil, nil) // for its address, which must be on the heap
		m.addr.Len = uint32(len(m.addr.Data))
		fd, errno := 0, unix.EAGAIN
		for l := (spinner{once: true}); errno == unix.EAGAIN && h.next(s, &l); {
			if fd, errno = sys.TryAccept(h.Sysfd, &m.addr); errno != unix.EAGAIN {
				h.hit(s, &l)
			}
		}
		var err error
		switch errno {
		case 0:
		case unix.EAGAIN:
			fd, err = h.do(ctx, s, &backends.Op{Code: backends.OpAccept, FD: h.Sysfd, Flags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC, Addr: &m.addr})
		default:
			err = errno
		}
		switch {
		case err == nil && h.Closing():
			unix.Close(fd)
			return -1, h.ErrClosed()
		case err == nil:
			*sa = m.addr
			return fd, nil
		case errors.Is(err, unix.ECONNABORTED): // the client left while it was queued: nobody's loss
			if err := h.Check(s); err != nil {
				return -1, err
			}
		default:
			return -1, SyscallError("accept4", err)
		}
	}
}

// Acceptor keeps an accept armed for one Accepts. Its events come on the loop; the consumer takes
// what they brought whenever it likes. While the accept is armed it holds a reference to the
// listener's descriptor, the consumer holds none: so Close, from inside the consumer's loop too,
// waits for the kernel and for nothing else.
//
// It is not a multishot accept. That one takes all that is queued at the listener, up to 4096
// connections, however slow the consumer is, and the limit on open files with them.
type Acceptor struct {
	of *FD
	h  FD // like a view: Close and deadlines of the listener reach its operation

	mu    sync.Mutex
	fds   []int // accepted, not yet taken
	err   error // not yet reported
	armed bool
	over  bool          // the consumer has broken off
	plain bool          // nothing is accepted ahead: see NewAcceptor
	wake  func()        // of the consumer that waits, once
	ended chan struct{} // closed when the accept armed last is over
}

const (
	// acceptAhead is how many connections wait for the consumer at most.
	acceptAhead = 64

	// acceptBatch is how many of them one turn of the loop takes.
	acceptBatch = 16
)

// ErrOneByOne says that one connection is to be had in the plain way.
var ErrOneByOne = errors.New("accept one by one")

// NewAcceptor makes an Acceptor, one that leaves the work to plain Accepts on the scheduler drive:
// there a caller that finds connections waiting takes them itself (see Accept), which costs no more
// than an event.
func NewAcceptor(of *FD) *Acceptor {
	a := &Acceptor{of: of, plain: of.Waiter() == nil && of.Shared.RT.Info().Drive != aiort.DriveThread}
	a.h.attach(of.Loop, of.Waiter(), of)
	return a
}

// Next returns the descriptor of the next connection.
func (a *Acceptor) Next(ctx context.Context) (int, error) {
	for {
		if err := a.h.CheckCaller(); err != nil {
			return -1, err
		}
		if ctx.Err() != nil {
			return -1, context.Cause(ctx)
		}
		if a.h.Closing() {
			return -1, a.h.ErrClosed()
		}
		if fd := a.h.late().take(); fd >= 0 {
			return fd, nil
		}
		a.mu.Lock()
		switch {
		case len(a.fds) > 0:
			fd := a.fds[0]
			a.fds = slices.Delete(a.fds, 0, 1)
			a.mu.Unlock()
			return fd, nil
		case a.err != nil:
			err := a.err
			a.err = nil
			a.mu.Unlock()
			return -1, err
		case a.plain:
			a.mu.Unlock()
			return -1, ErrOneByOne
		case !a.armed:
			a.mu.Unlock()
			if err := a.arm(); err != nil {
				return -1, err
			}
		default:
			a.mu.Unlock()
		}
		if err := a.wait(ctx); err != nil {
			return -1, err
		}
	}
}

// CheckCaller is that of the FD: see there.
func (a *Acceptor) CheckCaller() error { return a.h.CheckCaller() }

func (a *Acceptor) arm() error {
	if err := a.h.Acquire(); err != nil {
		return err
	}
	c := a.h.Completion(&a.h.R)
	c.Op = a.op()
	c.Callback = a.event
	a.mu.Lock()
	err := a.h.Loop.Submit(c)
	if err == nil {
		a.armed, a.ended = true, bubble.MakeChan[struct{}](0)
	}
	a.mu.Unlock()
	if err == nil {
		return nil
	}
	a.h.Release()
	if errors.Is(err, aiort.ErrBusy) { // the plain way waits for room
		return ErrOneByOne
	}
	return err
}

// op is the operation that accepts one connection.
func (a *Acceptor) op() backends.Op {
	return backends.Op{Code: backends.OpAccept, FD: a.h.Sysfd, Flags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC}
}

// event runs on the loop.
func (a *Acceptor) event(c *aiort.Completion) aiort.Action {
	err := c.Err()
	a.mu.Lock()
	switch {
	case err == nil:
		a.fds = append(a.fds, c.N())
		a.takeMore()
	case errors.Is(err, aiort.ErrCanceled), errors.Is(err, unix.ECONNABORTED): // armed again when needed
	default: // next says errClosed by itself
		a.err = err
	}
	if err != nil || a.over || len(a.fds) >= acceptAhead || a.h.Loop.Submit(c) != nil {
		a.armed = false
		defer close(a.ended)
		defer a.h.Release()
	}
	wake := a.wake
	a.wake = nil
	a.mu.Unlock()
	if wake != nil {
		wake()
	}
	return aiort.Disarm
}

// takeMore accepts what else is queued, within bounds: a burst then takes few turns of the loop.
func (a *Acceptor) takeMore() {
	op := a.op()
	for n := 1; n < acceptBatch && len(a.fds) < acceptAhead; n++ {
		fd, sure := backends.Try(&op, 0)
		if fd < 0 || !sure { // nothing, or an error that the next accept tells
			return
		}
		a.fds = append(a.fds, int(fd))
	}
}

// wait waits until something has happened, or ctx ends.
func (a *Acceptor) wait(ctx context.Context) error {
	if a.h.Waiter() == nil {
		ch := bubble.MakeChan[struct{}](0)
		if !a.onNews(func() { close(ch) }) {
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done(): // next looks
			a.offNews()
		}
		return nil
	}
	return a.h.Waiter().Wait(ctx, func(wake func()) {
		if !a.onNews(wake) {
			wake()
		}
	}, a.offNews)
}

// onNews has wake called once something has happened; false: it has.
func (a *Acceptor) onNews(wake func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fds) > 0 || a.err != nil || !a.armed {
		return false
	}
	a.wake = wake
	return true
}

// offNews takes back onNews; false: wake has been called.
func (a *Acceptor) offNews() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := a.wake != nil
	a.wake = nil
	return set
}

// Stop ends the accept, and leaves what nobody took to the listener.
func (a *Acceptor) Stop() {
	a.mu.Lock()
	a.over = true
	armed, ended := a.armed, a.ended
	a.mu.Unlock()
	if ended != nil {
		if armed {
			a.h.Loop.Cancel(a.h.Completion(&a.h.R))
		}
		if a.h.Waiter() == nil {
			<-ended
		} else {
			a.h.Waiter().Wait(context.Background(), func(wake func()) {
				go func() { <-ended; wake() }()
			}, nil)
		}
	}
	a.h.detachView()
	a.of.leaveAccepted(a.fds)
}

// late holds descriptors of connections that an Accepts accepted and its consumer did not take.
type late struct {
	mu     sync.Mutex
	fds    []int
	minded bool // close is called when the listener is dropped
	closed bool
}

// leave makes fds the next connections to be accepted, or closes them if the listener has been closed.
func (h *FD) leaveAccepted(fds []int) {
	if len(fds) == 0 {
		return
	}
	l := &h.makeRest().late
	l.mu.Lock()
	if !l.minded {
		runtime.AddCleanup(h.descriptor, (*late).close, l)
		l.minded = true
	}
	l.fds = append(l.fds, fds...)
	closed := l.closed || h.Closing()
	l.mu.Unlock()
	if closed {
		l.close()
	}
}

// take returns one of the descriptors, or -1.
func (l *late) take() int {
	if l == nil {
		return -1
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.fds) == 0 {
		return -1
	}
	fd := l.fds[0]
	l.fds = slices.Delete(l.fds, 0, 1)
	return fd
}

// close closes what nobody will take any more.
func (l *late) close() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, fd := range l.fds {
		unix.Close(fd)
	}
	l.fds, l.closed = nil, true
}
