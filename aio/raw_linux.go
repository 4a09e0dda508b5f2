//go:build !weir_portable

package aio

import (
	"context"
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

func (h *handle) raw(s *side, events uint32, f func(fd uintptr) bool) error {
	if err := h.begin(s); err != nil {
		return err
	}
	defer h.end(s)
	for !f(uintptr(h.fd)) {
		if err := h.poll(context.Background(), s, events); err != nil {
			return err
		}
	}
	return nil
}

// rawListener is the syscall.RawConn of a listener: Read and Write are not for it.
type rawListener struct{ rawConn }

func (rawListener) Read(func(fd uintptr) bool) error  { return syscall.EINVAL }
func (rawListener) Write(func(fd uintptr) bool) error { return syscall.EINVAL }
