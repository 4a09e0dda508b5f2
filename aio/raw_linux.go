//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawConn is the syscall.RawConn of a socket.
type rawConn struct{ s *socket }

// Control runs f on the descriptor. The socket stays open meanwhile.
func (c *rawConn) Control(f func(fd uintptr)) error {
	return c.s.localError("raw-control", c.s.control(func(fd int) error {
		f(uintptr(fd))
		return nil
	}))
}

// Read runs f until it returns true, as one of the reads of the socket. Each time f returns false it waits until the
// socket is readable; the read deadline and Close end that.
func (c *rawConn) Read(f func(fd uintptr) bool) error {
	return c.s.opError("raw-read", c.s.h.raw(&c.s.h.r, unix.POLLIN, f))
}

// Write is Read for the other direction.
func (c *rawConn) Write(f func(fd uintptr) bool) error {
	return c.s.opError("raw-write", c.s.h.raw(&c.s.h.w, unix.POLLOUT, f))
}

// rawFile is the syscall.RawConn of a File. Its errors are not wrapped, as those of package os's are not.
type rawFile struct{ f *File }

// SyscallConn gives access to the descriptor: see os.File.SyscallConn. Read and Write take their turn among the reads and
// writes of the file, and on a pipe or terminal, which is non-blocking, they wait, obey deadlines and end with Close.
func (f *File) SyscallConn() (syscall.RawConn, error) {
	if !f.ok() {
		return nil, os.ErrInvalid
	}
	return rawFile{f}, nil
}

// Control runs f on the descriptor. The file stays open meanwhile.
func (c rawFile) Control(f func(fd uintptr)) error {
	if err := c.f.h.acquire(); err != nil {
		return err
	}
	defer c.f.h.release()
	f(uintptr(c.f.h.fd))
	return nil
}

func (c rawFile) Read(f func(fd uintptr) bool) error { return c.run(&c.f.h.r, unix.POLLIN, f) }

func (c rawFile) Write(f func(fd uintptr) bool) error { return c.run(&c.f.h.w, unix.POLLOUT, f) }

// errNoWait is what package os says where it cannot wait either.
var errNoWait = errors.New("waiting for unsupported file type")

func (c rawFile) run(s *side, events uint32, f func(fd uintptr) bool) error {
	s = c.f.side(s)
	if c.f.polled {
		return c.f.h.raw(s, events, f)
	}
	again := false
	err := c.f.h.raw(s, events, func(fd uintptr) bool {
		again = !f(fd)
		return true
	})
	if err == nil && again {
		err = errNoWait
	}
	return err
}

func (h *handle) raw(s *side, events uint32, f func(fd uintptr) bool) error {
	if err := h.begin(context.Background(), s); err != nil {
		return err
	}
	defer h.end(s)
	ready := h.readiness(s, events)
	defer ready.stop()
	for !f(uintptr(h.fd)) {
		if err := ready.wait(context.Background()); err != nil {
			return err
		}
	}
	return nil
}

// rawListener is the syscall.RawConn of a listener: Read and Write are not for it.
type rawListener struct{ rawConn }

func (rawListener) Read(func(fd uintptr) bool) error  { return syscall.EINVAL }
func (rawListener) Write(func(fd uintptr) bool) error { return syscall.EINVAL }
