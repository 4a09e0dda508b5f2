//go:build !linux || weir_portable

package aio

import (
	"context"
	"errors"
	"iter"
	"net"
	"syscall"
	"time"
)

type netTCPListener = net.TCPListener

// TCPListener listens for connections: *net.TCPListener on an IO. Any goroutine may call its
// methods.
type TCPListener struct {
	*netTCPListener
	m    membership
	io   *IO
	side side
}

func (io *IO) tcpListener(of *net.TCPListener) (*TCPListener, error) {
	l := &TCPListener{netTCPListener: of, io: io}
	l.side.init(of.SetDeadline, listenError(of, "accept"))
	if err := join(io, &l.m, l, func(l *TCPListener) { l.side.end() }); err != nil {
		of.Close()
		return nil, err
	}
	return l, nil
}

// Accept waits for a connection: see net.TCPListener.Accept.
func (l *TCPListener) Accept() (net.Conn, error) { return l.AcceptContext(context.Background()) }

// AcceptContext is [TCPListener.Accept] that also ends when ctx does, with its cause.
func (l *TCPListener) AcceptContext(ctx context.Context) (net.Conn, error) {
	mustContext(ctx)
	c, err := l.accept(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptTCP is [TCPListener.Accept] with the concrete type.
func (l *TCPListener) AcceptTCP() (*TCPConn, error) { return l.accept(context.Background()) }

func (l *TCPListener) accept(ctx context.Context) (*TCPConn, error) {
	var c *net.TCPConn
	err := l.side.do(ctx, func() (err error) {
		c, err = l.netTCPListener.AcceptTCP()
		return err
	})
	if err != nil {
		return nil, err
	}
	return l.io.tcp(c)
}

// Accepts returns the connections as they come, until ctx ends, the listener is closed, or the
// consumer stops. An error comes with a nil connection. The cause of ctx and net.ErrClosed are the
// last; after others (EMFILE) the sequence goes on.
func (l *TCPListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	mustContext(ctx)
	return accepts(ctx, l.AcceptContext)
}

// SetDeadline sets the time after which Accept fails: see net.TCPListener.SetDeadline.
func (l *TCPListener) SetDeadline(t time.Time) error { return l.side.setDeadline(t) }

// Close stops listening: see net.TCPListener.Close.
func (l *TCPListener) Close() error {
	if l.netTCPListener == nil {
		return syscall.EINVAL
	}
	l.m.leave()
	return l.netTCPListener.Close()
}

type netUnixListener = net.UnixListener

// UnixListener listens for connections: *net.UnixListener on an IO. Any goroutine may call its
// methods.
type UnixListener struct {
	*netUnixListener
	m    membership
	io   *IO
	side side
}

func (io *IO) unixListener(of *net.UnixListener) (*UnixListener, error) {
	l := &UnixListener{netUnixListener: of, io: io}
	l.side.init(of.SetDeadline, listenError(of, "accept"))
	if err := join(io, &l.m, l, func(l *UnixListener) { l.side.end() }); err != nil {
		of.Close()
		return nil, err
	}
	return l, nil
}

// Accept waits for a connection: see net.UnixListener.Accept.
func (l *UnixListener) Accept() (net.Conn, error) { return l.AcceptContext(context.Background()) }

// AcceptContext is [UnixListener.Accept] that also ends when ctx does, with its cause.
func (l *UnixListener) AcceptContext(ctx context.Context) (net.Conn, error) {
	mustContext(ctx)
	c, err := l.accept(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptUnix is [UnixListener.Accept] with the concrete type.
func (l *UnixListener) AcceptUnix() (*UnixConn, error) { return l.accept(context.Background()) }

func (l *UnixListener) accept(ctx context.Context) (*UnixConn, error) {
	var c *net.UnixConn
	err := l.side.do(ctx, func() (err error) {
		c, err = l.netUnixListener.AcceptUnix()
		return err
	})
	if err != nil {
		return nil, err
	}
	return l.io.unix(c)
}

// Accepts returns the connections as they come, until ctx ends, the listener is closed, or the
// consumer stops. An error comes with a nil connection. The cause of ctx and net.ErrClosed are the
// last; after others (EMFILE) the sequence goes on.
func (l *UnixListener) Accepts(ctx context.Context) iter.Seq2[net.Conn, error] {
	mustContext(ctx)
	return accepts(ctx, l.AcceptContext)
}

// SetDeadline sets the time after which Accept fails: see net.UnixListener.SetDeadline.
func (l *UnixListener) SetDeadline(t time.Time) error { return l.side.setDeadline(t) }

// Close stops listening: see net.UnixListener.Close.
func (l *UnixListener) Close() error {
	if l.netUnixListener == nil {
		return syscall.EINVAL
	}
	l.m.leave()
	return l.netUnixListener.Close()
}

func accepts(ctx context.Context, accept func(context.Context) (net.Conn, error)) iter.Seq2[net.Conn, error] {
	return func(yield func(net.Conn, error) bool) {
		for {
			c, err := accept(ctx)
			if !yield(c, err) || err != nil && (errors.Is(err, net.ErrClosed) || ctx.Err() != nil) {
				return
			}
		}
	}
}

// listenError returns a function that wraps an error of a listener as package net does.
func listenError(l net.Listener, op string) func(error) error {
	return func(err error) error {
		return &net.OpError{Op: op, Net: l.Addr().Network(), Addr: l.Addr(), Err: err}
	}
}

// opError returns a function that wraps an error of a connection as package net does.
func opError(c net.Conn, op string) func(error) error {
	return func(err error) error {
		return &net.OpError{Op: op, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
	}
}
