//go:build !weir_portable

package fd

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// SendChunk is the most bytes that one system call is asked to move. ViewChunk is that for a view,
// because other coroutines wait for its thread.
const (
	SendChunk = 4 << 20
	ViewChunk = 64 << 10
)

// chunk returns how much of limit one system call is asked to move.
func (h *FD) chunk(limit int64) int {
	if h.Waiter() != nil {
		return int(min(limit, ViewChunk))
	}
	return int(min(limit, SendChunk))
}

// mayMove lets a view make another system call that moves bytes. After some of them in a row the
// view waits for readiness on the loop, so that other coroutines and the loop run. Mostly the
// descriptor is ready.
func (r *Readiness) mayMove() error {
	if l := r.h.Waiter(); l == nil || l.MayTry(true) {
		return nil
	}
	return r.poll(context.Background(), r.h.Sysfd, r.events)
}

// SendFile sends up to limit bytes of a file from its position, or as many as there are. done is
// false if the caller must move the rest itself: the kernel cannot do it, or another process has
// put the socket into blocking mode, where no deadline and no Close would end the call. SendFile
// holds the write lock all the time, and the file's read lock during each call, so that Close of
// the file need not wait for the socket.
func (h *FD) SendFile(limit int64, src Source) (n int64, err error, done bool) {
	s := &h.W
	if err := h.Begin(context.Background(), s); err != nil {
		return 0, err, true
	}
	defer h.End(s)
	ready := h.Readiness(s, unix.POLLOUT)
	defer ready.Stop()
	for n < limit {
		if err := h.Check(s); err != nil {
			return n, err, true
		}
		if err := ready.mayMove(); err != nil {
			return n, err, true
		}
		if !sys.NeverWaits(h.Sysfd) {
			return n, nil, false
		}
		moved, err := src(func(fd int) (int, error) { return sys.Sendfile(h.Sysfd, fd, h.chunk(limit-n)) })
		switch err {
		case nil:
			if moved == 0 {
				return n, nil, true
			}
			n += int64(moved)
			h.CountDirect()
			ready.Progress()
		case unix.EAGAIN:
			if err := ready.Wait(context.Background()); err != nil {
				return n, err, true
			}
		case unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM, unix.EOVERFLOW:
			if n == 0 { // not for this kind of file
				return 0, nil, false
			}
			return n, os.NewSyscallError("sendfile", err), true
		default:
			return n, SyscallError("sendfile", err), true
		}
	}
	return n, nil, true
}

// Splice moves up to limit bytes from one stream socket to another, through a pipe. done is false
// if the caller must move the rest itself: there is no pipe left, the kernel cannot do it, or
// another process has put a socket into blocking mode.
//
// No call waits in the kernel, which would hold a thread for each. The pipe is empty whenever the
// source is asked, so EAGAIN from the source means that it has nothing, and EAGAIN from the
// destination that it has no room. A call that waits holds the lock of the side that it waits for,
// and not the other one, so closing the other side does not wait.
func Splice(to, from *FD, limit int64) (n int64, err error, done bool) {
	if to.Closing() { // before the wait for something to send there
		return 0, to.ErrClosed(), true
	}
	p, err := to.Shared.pipes.get()
	if err != nil {
		return 0, nil, false
	}
	held := 0 // bytes in the pipe
	defer func() { to.Shared.pipes.put(p, held == 0) }()
	for n < limit {
		held, err = from.fill(p, from.chunk(limit-n))
		if err == unix.EINVAL && n == 0 || err == errBlocking {
			return n, nil, false
		}
		if err != nil || held == 0 {
			return n, SyscallError("splice", err), true
		}
		var moved int
		moved, err = to.drain(p, held)
		n += int64(moved)
		if held -= moved; err == errBlocking {
			moved, err = to.pour(p, held)
			n += int64(moved)
			held -= moved
		}
		if err != nil {
			return n, SyscallError("splice", err), true
		}
		to.CountDirect()
	}
	return n, nil, true
}

// errBlocking says that a socket is in blocking mode. It is not reported to users.
var errBlocking = errors.New("blocking mode")

// fill moves what there is, up to limit bytes, from the socket to an empty pipe. It returns 0 at
// the end of the stream.
func (h *FD) fill(p pipeFDs, limit int) (int, error) {
	s := &h.R
	if err := h.Begin(context.Background(), s); err != nil {
		return 0, err
	}
	defer h.End(s)
	ready := h.Readiness(s, unix.POLLIN)
	defer ready.Stop()
	for {
		if err := ready.mayMove(); err != nil {
			return 0, err
		}
		if !sys.NeverWaits(h.Sysfd) {
			return 0, errBlocking
		}
		moved, err := sys.Splice(h.Sysfd, -1, p.w, -1, limit)
		if moved == 0 && (err == nil || err == unix.EAGAIN && ready.polled) && sys.AtMark(h.Sysfd) {
			var errno unix.Errno
			if moved, errno = sys.StepOverMark(h.Sysfd, p.w); errno == 0 {
				return moved, nil
			}
			err = errno
		}
		if err != unix.EAGAIN {
			return moved, err
		}
		if err := ready.Wait(context.Background()); err != nil {
			return 0, err
		}
	}
}

// drain moves the n bytes in the pipe to the socket, or fewer and an error.
func (h *FD) drain(p pipeFDs, n int) (done int, err error) {
	s := &h.W
	if err := h.Begin(context.Background(), s); err != nil {
		return 0, err
	}
	defer h.End(s)
	ready := h.Readiness(s, unix.POLLOUT)
	defer ready.Stop()
	for done < n {
		if err := h.Check(s); err != nil {
			return done, err
		}
		if err := ready.mayMove(); err != nil {
			return done, err
		}
		if !sys.NeverWaits(h.Sysfd) {
			return done, errBlocking
		}
		moved, err := sys.Splice(p.r, -1, h.Sysfd, -1, n-done)
		if err == unix.EAGAIN {
			err = ready.Wait(context.Background())
		} else {
			ready.Progress()
		}
		if err != nil {
			return done, err
		}
		done += moved
	}
	return done, nil
}

// Source is a regular file to copy from inside the kernel. It calls use with its descriptor, as one
// of its reads.
type Source func(use func(fd int) (int, error)) (int, error)

// pour reads the n bytes from the pipe and writes them to the socket, or fewer and an error.
func (h *FD) pour(p pipeFDs, n int) (done int, err error) {
	buf := Lendable.Get().(*Lent)
	defer Lendable.Put(buf)
	for done < n && err == nil {
		held, errno := sys.Read(p.r, buf[:min(n-done, len(buf))])
		if errno != 0 {
			return done, errno
		}
		var moved int
		moved, err = h.Write(context.Background(), buf[:held], shapeless{})
		done += moved
	}
	return done, err
}

// shapeless returns errors unchanged.
type shapeless struct{}

func (shapeless) OpError(_ string, err error) error { return err }
