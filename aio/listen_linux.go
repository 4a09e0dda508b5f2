//go:build !weir_portable

package aio

import (
	"bytes"
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// listener is what listeners share.
type listener struct {
	socket
	local atomic.Pointer[local] // local address of the connection accepted last
}

// local is an address in both forms.
type local struct {
	sa   backends.Sockaddr
	addr net.Addr
}

// TCPListener is a TCP listener: *net.TCPListener on an [IO]. Any goroutine may call its methods.
type TCPListener struct {
	listener
	keepAlive       time.Duration // of the connections accepted: see ListenConfig
	keepAliveConfig net.KeepAliveConfig
}

// UnixListener is a listener on a unix socket: *net.UnixListener on an [IO]. Any goroutine may call
// its methods. Close removes the socket's file, unless SetUnlinkOnClose(false) was called.
type UnixListener struct{ listener }

var (
	_ net.Listener = (*TCPListener)(nil)
	_ net.Listener = (*UnixListener)(nil)
	_ syscall.Conn = (*TCPListener)(nil)
	_ syscall.Conn = (*UnixListener)(nil)
)

// backlog is the longest queue of connections that the system allows.
var backlog = sync.OnceValue(func() int {
	b, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if n, err2 := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && err2 == nil && n > 0 {
		return n
	}
	return unix.SOMAXCONN
})

// shared returns what l shares with other listeners. For nil it returns nil, which is not ok.
func (l *TCPListener) shared() *listener {
	if l == nil {
		return nil
	}
	return &l.listener
}

func (l *UnixListener) shared() *listener {
	if l == nil {
		return nil
	}
	return &l.listener
}

func (l *listener) ok() bool { return l != nil && l.socket.ok() }

// Accept waits for a connection. Close (net.ErrClosed) and the deadline (os.ErrDeadlineExceeded)
// end it. Running out of descriptors (EMFILE) is reported as in package net, and the listener stays
// usable.
func (l *TCPListener) Accept() (net.Conn, error) { return l.AcceptContext(context.Background()) }

// AcceptContext is [TCPListener.Accept] that also ends when ctx does, with its cause.
func (l *TCPListener) AcceptContext(ctx context.Context) (net.Conn, error) {
	mustContext(ctx)
	c, err := l.acceptTCP(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is [TCPListener.Accept] with the concrete type.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) { return l.acceptTCP(context.Background()) }

func (l *TCPListener) acceptTCP(ctx context.Context) (*TCPConn, error) {
	if !l.shared().ok() {
		return nil, syscall.EINVAL
	}
	var sa backends.Sockaddr
	sysfd, err := l.fd.Accept(ctx, &sa)
	if err != nil {
		return nil, l.localError("accept", err)
	}
	return l.connected(sysfd, &sa)
}

// connected makes a connection of sysfd, which it owns from now on and whose peer is sa.
func (l *TCPListener) connected(sysfd int, sa *backends.Sockaddr) (*TCPConn, error) {
	prepareTCP(sysfd, l.keepAlive, l.keepAliveConfig)
	c := &TCPConn{}
	if err := l.adopt(&c.socket, sysfd, sa); err != nil {
		return nil, l.localError("accept", err)
	}
	return c, nil
}

// Accept waits for a connection: see [TCPListener.Accept].
func (l *UnixListener) Accept() (net.Conn, error) { return l.AcceptContext(context.Background()) }

// AcceptContext is [UnixListener.Accept] that also ends when ctx does, with its cause.
func (l *UnixListener) AcceptContext(ctx context.Context) (net.Conn, error) {
	mustContext(ctx)
	c, err := l.acceptUnix(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptUnix is [UnixListener.Accept] with the concrete type.
func (l *UnixListener) AcceptUnix() (*UnixConn, error) { return l.acceptUnix(context.Background()) }

func (l *UnixListener) acceptUnix(ctx context.Context) (*UnixConn, error) {
	if !l.shared().ok() {
		return nil, syscall.EINVAL
	}
	var sa backends.Sockaddr
	sysfd, err := l.fd.Accept(ctx, &sa)
	if err != nil {
		return nil, l.localError("accept", err)
	}
	return l.connected(sysfd, &sa)
}

// connected makes a connection of sysfd, which it owns from now on and whose peer is sa.
func (l *UnixListener) connected(sysfd int, sa *backends.Sockaddr) (*UnixConn, error) {
	c := &UnixConn{}
	if err := l.adopt(&c.socket, sysfd, sa); err != nil {
		return nil, l.localError("accept", err)
	}
	return c, nil
}

// adopt makes a connection of sysfd, which it owns from now on and whose peer is sa.
func (l *listener) adopt(c *socket, sysfd int, sa *backends.Sockaddr) error {
	if err := l.fd.Shared.Adopt(&c.fd, sysfd, socketKind(l.sotype)); err != nil {
		return err
	}
	c.network, c.family, c.sotype, c.connected = l.network, l.family, l.sotype, true
	c.laddr, c.raddr = l.localOf(c), c.addr(sa)
	return nil
}

// localOf asks the kernel for the local address of a connection that l has accepted. Most
// connections have the same one, and share it.
func (l *listener) localOf(c *socket) net.Addr {
	var sa backends.Sockaddr
	if sys.SockName(unix.SYS_GETSOCKNAME, c.fd.Sysfd, &sa) != nil {
		return nil
	}
	if last := l.local.Load(); last != nil && bytes.Equal(last.sa.Data[:last.sa.Len], sa.Data[:sa.Len]) {
		return last.addr
	}
	addr := c.addr(&sa)
	l.local.Store(&local{sa, addr})
	return addr
}

// Close stops listening. An Accept that waits returns net.ErrClosed. A second Close returns
// net.ErrClosed.
func (l *TCPListener) Close() error { return l.shared().close() }

func (l *listener) close() error {
	if !l.ok() {
		return syscall.EINVAL
	}
	return l.localError("close", l.fd.Close())
}

// Close stops listening and removes the socket's file: see [UnixListener.SetUnlinkOnClose]. An
// Accept that waits returns net.ErrClosed. A second Close returns net.ErrClosed.
func (l *UnixListener) Close() error {
	if l.shared().ok() && l.fd.UnlinkOnClose.Swap(false) {
		if a, ok := l.laddr.(*net.UnixAddr); ok && a.Name[0] != '@' {
			unix.Unlink(a.Name)
		}
	}
	return l.shared().close()
}

// SetUnlinkOnClose sets whether Close removes the socket's file: true for a listener that made it,
// false for one from FileListener.
func (l *UnixListener) SetUnlinkOnClose(unlink bool) {
	if l.ok() {
		l.fd.UnlinkOnClose.Store(unlink)
	}
}

// Addr returns the address listened on.
func (l *listener) Addr() net.Addr {
	if !l.ok() {
		return nil
	}
	return l.laddr
}

// SetDeadline sets the time after which Accept fails with os.ErrDeadlineExceeded, including an
// Accept that waits now. The zero time removes it.
func (l *TCPListener) SetDeadline(t time.Time) error { return l.shared().setDeadline(t) }

// SetDeadline sets the deadline of Accept: see [TCPListener.SetDeadline].
func (l *UnixListener) SetDeadline(t time.Time) error { return l.shared().setDeadline(t) }

func (l *listener) setDeadline(t time.Time) error {
	if !l.ok() {
		return syscall.EINVAL
	}
	return l.fd.SetDeadline(t)
}

// File returns a duplicate of the listener as an *os.File: see [TCPConn.File].
func (l *TCPListener) File() (*os.File, error) { return l.shared().duplicate() }

// File returns a duplicate of the listener as an *os.File: see [TCPConn.File].
func (l *UnixListener) File() (*os.File, error) { return l.shared().duplicate() }

func (l *listener) duplicate() (*os.File, error) {
	if !l.ok() {
		return nil, syscall.EINVAL
	}
	f, err := l.file()
	return f, l.localError("file", err)
}

// SyscallConn gives access to the descriptor, to control it: see syscall.Conn. Its Read and Write
// return EINVAL.
func (l *TCPListener) SyscallConn() (syscall.RawConn, error) { return l.shared().raw() }

// SyscallConn gives access to the descriptor: see [TCPListener.SyscallConn].
func (l *UnixListener) SyscallConn() (syscall.RawConn, error) { return l.shared().raw() }

func (l *listener) raw() (syscall.RawConn, error) {
	if !l.ok() {
		return nil, syscall.EINVAL
	}
	return &rawListener{rawConn{&l.socket}}, nil
}
