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

// Accept waits for a connection and returns its descriptor; sa receives the peer's address.
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
			unix.Close(fd) // the client has left: accept the next one
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
			fd, err = h.do(ctx, s, &backends.Op{Code: backends.OpAccept, FD: h.Sysfd,
				Flags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC, Addr: &m.addr})
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
		case errors.Is(err, unix.ECONNABORTED): // the client left while it was queued: accept the next one
			if err := h.Check(s); err != nil {
				return -1, err
			}
		default:
			return -1, SyscallError("accept4", err)
		}
	}
}

// Acceptor keeps an accept armed for one Accepts. Its events come on the loop; the consumer takes
// the connections when it likes. While the accept is armed it holds a reference to the listener's
// descriptor, and the consumer holds none. So Close, even from inside the consumer's loop, waits
// only for the kernel.
//
// It is not a multishot accept. That would take everything that is queued at the listener, up to
// 4096 connections, however slow the consumer is, and with them the limit on open files.
type Acceptor struct {
	of *FD
	h  FD // like a view: Close and deadlines of the listener reach its operation

	mu    sync.Mutex
	fds   []int // accepted, not yet taken
	err   error // not yet reported
	armed bool
	over  bool          // the consumer has stopped
	plain bool          // it accepts nothing ahead: see NewAcceptor
	wake  func()        // called once for the consumer that waits
	ended chan struct{} // closed when the last accept that was armed is over
}

const (
	// acceptAhead is the most connections that wait for the consumer.
	acceptAhead = 64

	// acceptBatch is how many of them one tick of the loop takes.
	acceptBatch = 16
)

// ErrOneByOne says that the caller must accept one connection by a plain Accept.
var ErrOneByOne = errors.New("accept one by one")

// NewAcceptor makes an Acceptor. On the scheduler drive it leaves the work to plain Accepts: there
// a caller that finds connections waiting takes them itself (see [FD.Accept]), which costs no more
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

// CheckCaller is [FD.CheckCaller] of its FD.
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
	if errors.Is(err, aiort.ErrBusy) { // a plain Accept waits for room
		return ErrOneByOne
	}
	return err
}

// op returns the operation that accepts one connection.
func (a *Acceptor) op() backends.Op {
	return backends.Op{Code: backends.OpAccept, FD: a.h.Sysfd, Flags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC}
}

// event is the callback of the accept. It runs on the loop.
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

// takeMore accepts what else is queued, within bounds, so that a burst takes few ticks of the loop.
func (a *Acceptor) takeMore() {
	op := a.op()
	for n := 1; n < acceptBatch && len(a.fds) < acceptAhead; n++ {
		fd, sure := backends.Try(&op, 0)
		if fd < 0 || !sure { // nothing, or an error that the next accept reports
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
		case <-ctx.Done(): // Next looks again
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

// onNews makes event call wake once something has happened. It returns false if something has
// happened already.
func (a *Acceptor) onNews(wake func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fds) > 0 || a.err != nil || !a.armed {
		return false
	}
	a.wake = wake
	return true
}

// offNews undoes onNews. It returns false if wake has been called.
func (a *Acceptor) offNews() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := a.wake != nil
	a.wake = nil
	return set
}

// Stop ends the accept. Connections that were not taken go to the listener.
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

// leaveAccepted makes fds the next connections to be accepted. If the listener has been closed it
// closes them.
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

// take returns one of the descriptors, or -1 if there is none.
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

// close closes the descriptors.
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
