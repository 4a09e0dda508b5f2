//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"iter"
	"net"
	"syscall"

	"github.com/weirgo/weir/internal/fd"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Accepts returns the connections as they come, until ctx ends, the listener is closed, or the
// consumer stops. An error comes with a nil connection. The cause of ctx, net.ErrClosed, and the
// error of a coroutine that has been cancelled are the last; after others (EMFILE, the deadline)
// the sequence goes on. Several goroutines may accept at the same time.
//
// On a loop with a thread (Options.Drive "thread", coroutines) the loop accepts ahead of the
// consumer, until 64 connections wait for it. Those that the consumer does not take go to the next
// Accept.
func (l *TCPListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	mustContext(ctx)
	return l.shared().accepts(ctx, l.AcceptContext, func(fd int, sa *backends.Sockaddr) (net.Conn, error) {
		return connOrNil(l.connected(fd, sa))
	})
}

// Accepts returns the connections as they come: see [TCPListener.Accepts].
func (l *UnixListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	mustContext(ctx)
	return l.shared().accepts(ctx, l.AcceptContext, func(fd int, sa *backends.Sockaddr) (net.Conn, error) {
		return connOrNil(l.connected(fd, sa))
	})
}

func (l *listener) accepts(ctx context.Context, accept func(context.Context) (net.Conn, error),
	connected func(int, *backends.Sockaddr) (net.Conn, error)) iter.Seq2[net.Conn, error] {
	return func(yield func(net.Conn, error) bool) {
		if !l.ok() {
			yield(nil, syscall.EINVAL)
			return
		}
		a := fd.NewAcceptor(&l.fd)
		defer a.Stop()
		for {
			var c net.Conn
			sysfd, err := a.Next(ctx)
			switch {
			case err == fd.ErrOneByOne:
				c, err = accept(ctx)
			case err == nil:
				var sa backends.Sockaddr
				if sys.SockName(unix.SYS_GETPEERNAME, sysfd, &sa) != nil { // the client has left: accept the next one
					unix.Close(sysfd)
					continue
				}
				c, err = connected(sysfd, &sa)
			default:
				err = l.localError("accept", fd.SyscallError("accept4", err))
			}
			if !yield(c, err) || err != nil && (errors.Is(err, net.ErrClosed) || ctx.Err() != nil ||
				a.CheckCaller() != nil) {
				return
			}
		}
	}
}
