//go:build !weir_portable

package fd

import (
	"context"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
)

// Errors wraps errors for users. Read and Write call it themselves, because each further function
// that a call returns to after a wait costs 10 ns: the processor mispredicts that return.
type Errors interface {
	OpError(op string, err error) error
}

// Read reads from a stream socket, or one packet from another socket, into p, and waits until there
// is something. It returns io.EOF at the end of a stream. See [FD.Begin] for what else ends the
// wait.
func (h *FD) Read(ctx context.Context, p []byte, e Errors) (int, error) {
	if h.descriptor == nil {
		return 0, syscall.EINVAL
	}
	s := &h.R
	if err := h.Begin(ctx, s); err != nil {
		return 0, e.OpError("read", err)
	}
	defer h.End(s)
	if len(p) == 0 {
		return 0, nil
	}
	idle := s.idle
	// net/http reads one byte while it works on a request, and cancels that
	l := spinner{brief: len(p) == 1, retries: true, data: prefetch.Of(&p[0])}
	for ; h.next(s, &l); idle = true {
		if l.step != trying { // the caller may have been cancelled, or the deadline passed, while other goroutines ran
			if err := h.Check(s); err != nil {
				return 0, e.OpError("read", err)
			}
		}
		n, errno, q := 0, unix.EAGAIN, p[:min(len(p), backends.MaxTransfer)]
		if l.step != yielding || h.Waiter() == nil {
			n, errno = sys.TryRecv(h.Sysfd, q)
		} else if res, ok := h.Waiter().Retry(tryRecv, h.Sysfd, q, [3]prefetch.Addr{prefetch.Of(h),
			prefetch.Of(h.descriptor), prefetch.Of(h.view)}); !ok {
			l.skip()
		} else if n, errno = res, 0; res < 0 {
			n, errno = 0, unix.Errno(-res)
		}
		if errno == unix.EAGAIN {
			continue
		}
		h.hit(s, &l)
		if errno != 0 {
			return 0, e.OpError("read", os.NewSyscallError("read", errno))
		}
		if n == 0 && h.zeroReadIsEOF {
			return 0, io.EOF
		}
		return n, nil
	}
	var n int
	var err error
	if sys.MayFault(p) {
		n, err = h.whenReady(ctx, s, unix.POLLIN, func() (int, unix.Errno) { return sys.TryRecv(h.Sysfd, p) })
	} else {
		h.prepare(s, backends.OpRecv, p, idle)
		n, err = h.run(ctx, s)
	}
	if err != nil {
		return 0, e.OpError("read", SyscallError("read", err))
	}
	s.idle = n < len(p)
	sys.RaceReceived(p[:n])
	if n == 0 && h.zeroReadIsEOF {
		return 0, io.EOF
	}
	return n, nil
}

// tryRecv is sys.TryRecv with one result.
func tryRecv(fd int, p []byte) int {
	n, errno := sys.TryRecv(fd, p)
	if errno != 0 {
		return -int(errno)
	}
	return n
}

// Write writes all of p to a stream socket, or p as one packet to another, and waits while there is
// no room. With an error it returns how many bytes it has written. See [FD.Begin] for what ends the
// wait.
func (h *FD) Write(ctx context.Context, p []byte, e Errors) (int, error) {
	if h.descriptor == nil {
		return 0, syscall.EINVAL
	}
	if !h.isStream {
		n, err := h.SendTo(ctx, "write", p, nil)
		if err != nil {
			err = e.OpError("write", err)
		}
		return n, err
	}
	s := &h.W
	if err := h.Begin(ctx, s); err != nil {
		return 0, e.OpError("write", err)
	}
	defer h.End(s)
	sys.RaceSending(p)
	for done := 0; ; { // an empty p is sent too, since the kernel may return an error
		rest := p[done:min(len(p), done+backends.MaxTransfer)]
		n, errno := 0, unix.EAGAIN
		if h.mayTry(s) {
			n, errno = sys.TrySend(h.Sysfd, rest)
		}
		switch errno {
		case 0:
			h.CountDirect()
		case unix.EAGAIN:
			var err error
			if sys.MayFault(rest) {
				n, err = h.whenReady(ctx, s, unix.POLLOUT,
					func() (int, unix.Errno) { return sys.TrySend(h.Sysfd, rest) })
			} else {
				h.prepare(s, backends.OpSend, rest, false)
				n, err = h.run(ctx, s)
			}
			if err != nil {
				return done, e.OpError("write", SyscallError("write", err))
			}
		default:
			return done, e.OpError("write", os.NewSyscallError("write", errno))
		}
		if done += n; done == len(p) {
			return done, nil
		}
		if err := h.Check(s); err != nil {
			return done, e.OpError("write", err)
		}
	}
}

// ReadBorrowed is [FD.Read] into a buffer that it takes from Lendable when there is something to
// read. The caller puts it back. Its errors are not wrapped.
func (h *FD) ReadBorrowed(ctx context.Context) (buf *Lent, n int, err error) {
	s := &h.R
	if err := h.Begin(ctx, s); err != nil {
		return nil, 0, err
	}
	defer h.End(s)
	ready := h.Readiness(s, unix.POLLIN)
	defer ready.Stop()
	for l := (spinner{}); ; {
		if !h.next(s, &l) {
			if err := ready.Wait(ctx); err != nil {
				return nil, 0, SyscallError("read", err)
			}
		}
		buf := Lendable.Get().(*Lent)
		n, errno := sys.TryRecv(h.Sysfd, buf[:])
		if errno == 0 {
			h.hit(s, &l)
			return buf, n, nil
		}
		Lendable.Put(buf)
		if errno != unix.EAGAIN {
			return nil, 0, os.NewSyscallError("read", errno)
		}
	}
}
