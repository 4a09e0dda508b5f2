//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"iter"
	"net"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// Accepts returns the connections as they come, until ctx ends, the listener is closed, or the consumer breaks off. An
// error comes with a nil connection: that of ctx, net.ErrClosed, and that of a coroutine which has been cancelled are the
// last, others (EMFILE, the deadline) are not.
// Several goroutines may accept at the same time.
//
// On a loop with a thread (Options.Drive "thread", coroutines) the loop accepts ahead of the
// consumer, until 64 connections wait for it. Those that it does not take are for the next Accept.
func (l *TCPListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	mustContext(ctx)
	return l.shared().accepts(ctx, l.AcceptContext, func(fd int, sa *backends.Sockaddr) (net.Conn, error) {
		return connOrNil(l.connected(fd, sa))
	})
}

// Accepts returns the connections as they come: see TCPListener.Accepts.
func (l *UnixListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	mustContext(ctx)
	return l.shared().accepts(ctx, l.AcceptContext, func(fd int, sa *backends.Sockaddr) (net.Conn, error) {
		return connOrNil(l.connected(fd, sa))
	})
}

func (l *listener) accepts(ctx context.Context, accept func(context.Context) (net.Conn, error), connected func(int, *backends.Sockaddr) (net.Conn, error)) iter.Seq2[net.Conn, error] {
	return func(yield func(net.Conn, error) bool) {
		if !l.ok() {
			yield(nil, syscall.EINVAL)
			return
		}
		a := newAcceptor(&l.h)
		defer a.stop()
		for {
			var c net.Conn
			fd, err := a.next(ctx)
			switch {
			case err == errOneByOne:
				c, err = accept(ctx)
			case err == nil:
				var sa backends.Sockaddr
				if sys.SockName(unix.SYS_GETPEERNAME, fd, &sa) != nil { // the client has left: nobody's loss
					unix.Close(fd)
					continue
				}
				c, err = connected(fd, &sa)
			default:
				err = l.localError("accept", syscallError("accept4", err))
			}
			if !yield(c, err) || err != nil && (errors.Is(err, net.ErrClosed) || ctx.Err() != nil || a.h.enter() != nil) {
				return
			}
		}
	}
}

// acceptor keeps an accept armed for one Accepts. Its events come on the loop; the consumer takes
// what they brought whenever it likes. While the accept is armed it holds a reference to the
// listener's descriptor, the consumer holds none: so Close, from inside the consumer's loop too,
// waits for the kernel and for nothing else.
//
// It is not a multishot accept. That one takes all that is queued at the listener, up to 4096
// connections, however slow the consumer is, and the limit on open files with them.
type acceptor struct {
	of *handle
	h  handle // like a view: Close and deadlines of the listener reach its operation

	mu    sync.Mutex
	fds   []int // accepted, not yet taken
	err   error // not yet reported
	armed bool
	over  bool          // the consumer has broken off
	plain bool          // nothing is accepted ahead: see newAcceptor
	wake  func()        // of the consumer that waits, once
	ended chan struct{} // closed when the accept armed last is over
}

const (
	// acceptAhead is how many connections wait for the consumer at most.
	acceptAhead = 64

	// acceptBatch is how many of them one turn of the loop takes.
	acceptBatch = 16
)

// errOneByOne is not for users: one connection is to be had in the plain way.
var errOneByOne = errors.New("accept one by one")

// newAcceptor makes an acceptor, one that leaves the work to plain Accepts on the scheduler drive:
// there a caller that finds connections waiting takes them itself (see Accept), which costs no more
// than an event.
func newAcceptor(of *handle) *acceptor {
	a := &acceptor{of: of, plain: of.lane() == nil && of.io.rt.Info().Drive != aiort.DriveThread}
	a.h.attach(of.loop, of.lane(), of)
	return a
}

// next returns the descriptor of the next connection.
func (a *acceptor) next(ctx context.Context) (int, error) {
	for {
		if err := a.h.enter(); err != nil {
			return -1, err
		}
		if ctx.Err() != nil {
			return -1, context.Cause(ctx)
		}
		if a.h.closing() {
			return -1, a.h.errClosed()
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
			return -1, errOneByOne
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

func (a *acceptor) arm() error {
	if err := a.h.acquire(); err != nil {
		return err
	}
	c := a.h.record(&a.h.r)
	c.Op = a.op()
	c.Callback = a.event
	a.mu.Lock()
	err := a.h.loop.Submit(c)
	if err == nil {
		a.armed, a.ended = true, bubble.MakeChan[struct{}](0)
	}
	a.mu.Unlock()
	if err == nil {
		return nil
	}
	a.h.release()
	if errors.Is(err, aiort.ErrBusy) { // the plain way waits for room
		return errOneByOne
	}
	return err
}

// op is the operation that accepts one connection.
func (a *acceptor) op() backends.Op {
	return backends.Op{Code: backends.OpAccept, FD: a.h.fd, Flags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC}
}

// event runs on the loop.
func (a *acceptor) event(c *aiort.Completion) aiort.Action {
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
	if err != nil || a.over || len(a.fds) >= acceptAhead || a.h.loop.Submit(c) != nil {
		a.armed = false
		defer close(a.ended)
		defer a.h.release()
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
func (a *acceptor) takeMore() {
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
func (a *acceptor) wait(ctx context.Context) error {
	if a.h.lane() == nil {
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
	return a.h.lane().Wait(ctx, func(wake func()) {
		if !a.onNews(wake) {
			wake()
		}
	}, a.offNews)
}

// onNews has wake called once something has happened; false: it has.
func (a *acceptor) onNews(wake func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.fds) > 0 || a.err != nil || !a.armed {
		return false
	}
	a.wake = wake
	return true
}

// offNews takes back onNews; false: wake has been called.
func (a *acceptor) offNews() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	set := a.wake != nil
	a.wake = nil
	return set
}

// stop ends the accept, and leaves what nobody took to the listener.
func (a *acceptor) stop() {
	a.mu.Lock()
	a.over = true
	armed, ended := a.armed, a.ended
	a.mu.Unlock()
	if ended != nil {
		if armed {
			a.h.loop.Cancel(a.h.record(&a.h.r))
		}
		if a.h.lane() == nil {
			<-ended
		} else {
			a.h.lane().Wait(context.Background(), func(wake func()) {
				go func() { <-ended; wake() }()
			}, nil)
		}
	}
	a.h.detach()
	a.of.leave(a.fds)
}

// late holds descriptors of connections that an Accepts accepted and its consumer did not take.
type late struct {
	mu     sync.Mutex
	fds    []int
	minded bool // close is called when the listener is dropped
	closed bool
}

// leave makes fds the next connections to be accepted, or closes them if the listener has been closed.
func (h *handle) leave(fds []int) {
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
	closed := l.closed || h.closing()
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
