//go:build !weir_portable

package aio

import (
	"os"
	"syscall"

	"github.com/weirgo/weir/internal/fd"

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

// Read runs f until it returns true, as one of the reads of the socket. Each time f returns false
// it waits until the socket is readable; the read deadline and Close end that.
func (c *rawConn) Read(f func(fd uintptr) bool) error {
	return c.s.opError("raw-read", c.s.fd.Raw(&c.s.fd.R, unix.POLLIN, f))
}

// Write is Read for the other direction.
func (c *rawConn) Write(f func(fd uintptr) bool) error {
	return c.s.opError("raw-write", c.s.fd.Raw(&c.s.fd.W, unix.POLLOUT, f))
}

// rawFile is the syscall.RawConn of a File. Its errors are not wrapped, as in package os.
type rawFile struct{ f *File }

// SyscallConn gives access to the descriptor: see os.File.SyscallConn. Read and Write run one after
// the other with the reads and writes of the file. On a pipe or terminal that is non-blocking they
// wait, obey deadlines and end with Close.
func (f *File) SyscallConn() (syscall.RawConn, error) {
	if !f.ok() {
		return nil, os.ErrInvalid
	}
	return rawFile{f}, nil
}

// Control runs f on the descriptor. The file stays open meanwhile.
func (c rawFile) Control(f func(fd uintptr)) error {
	if err := c.f.fd.Acquire(); err != nil {
		return err
	}
	defer c.f.fd.Release()
	f(uintptr(c.f.fd.Sysfd))
	return nil
}

func (c rawFile) Read(f func(fd uintptr) bool) error { return c.run(&c.f.fd.R, unix.POLLIN, f) }

func (c rawFile) Write(f func(fd uintptr) bool) error { return c.run(&c.f.fd.W, unix.POLLOUT, f) }

func (c rawFile) run(s *fd.Side, events uint32, f func(sysfd uintptr) bool) error {
	s = c.f.side(s)
	if c.f.polled {
		return c.f.fd.Raw(s, events, f)
	}
	again := false
	err := c.f.fd.Raw(s, events, func(fd uintptr) bool {
		again = !f(fd)
		return true
	})
	if err == nil && again {
		err = fd.ErrNoWait
	}
	return err
}

// rawListener is the syscall.RawConn of a listener, which refuses Read and Write.
type rawListener struct{ rawConn }

func (rawListener) Read(func(fd uintptr) bool) error  { return syscall.EINVAL }
func (rawListener) Write(func(fd uintptr) bool) error { return syscall.EINVAL }
