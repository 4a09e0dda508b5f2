package aio

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// FileConn returns a connection on a duplicate of f, a connected stream socket: close both. f becomes non-blocking.
func FileConn(f *os.File) (net.Conn, error) { return Default().FileConn(f) }

// FileConn returns a connection on a duplicate of f: see the function of the same name.
func (io *IO) FileConn(f *os.File) (net.Conn, error) {
	c, err := io.fileConn(f)
	if err != nil {
		return nil, &net.OpError{Op: "file", Net: "file+net", Addr: fileAddr(f.Name()), Err: err}
	}
	return c, nil
}

func (io *IO) fileConn(f *os.File) (net.Conn, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if err2 := raw.Control(func(orig uintptr) {
		fd, err = unix.FcntlInt(orig, unix.F_DUPFD_CLOEXEC, 0)
	}); err2 != nil || err != nil {
		return nil, errors.Join(err2, os.NewSyscallError("fcntl", err))
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err == nil && kind != unix.SOCK_STREAM {
		err = unix.EPROTONOSUPPORT
	}
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	var peer backends.Sockaddr
	if err == nil {
		err = sys.SockName(unix.SYS_GETPEERNAME, fd, &peer)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("getsockopt", err)
	}
	if raddr := toAddr(&peer); raddr != nil && raddr.Network() == "tcp" {
		c := &TCPConn{}
		return c, io.connected(&c.conn, fd, "tcp", raddr)
	} else {
		c := &UnixConn{}
		return c, io.connected(&c.conn, fd, "unix", raddr)
	}
}

type fileAddr string

func (fileAddr) Network() string  { return "file+net" }
func (f fileAddr) String() string { return string(f) }
