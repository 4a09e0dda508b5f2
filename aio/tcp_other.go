//go:build !linux || weir_portable

package aio

import (
	"context"
	"io"
	"net"
	"syscall"
)

type netTCPConn = net.TCPConn

// TCPConn is a TCP connection: *net.TCPConn on an IO. Any goroutine may call its methods.
type TCPConn struct {
	*netTCPConn
	sides
	m membership
}

func (io *IO) tcp(of *net.TCPConn) (*TCPConn, error) {
	c := &TCPConn{netTCPConn: of}
	c.r.init(of.SetReadDeadline, opError(of, "read"))
	c.w.init(of.SetWriteDeadline, opError(of, "write"))
	if err := join(io, &c.m, c, func(c *TCPConn) { c.end() }); err != nil {
		of.Close()
		return nil, err
	}
	return c, nil
}

// Read is net.TCPConn.Read.
func (c *TCPConn) Read(p []byte) (int, error) {
	return c.r.move(context.Background(), c.netTCPConn.Read, p)
}

// ReadContext is [TCPConn.Read] that also ends when ctx does, with its cause. Bytes that had
// arrived are still delivered, with a nil error.
func (c *TCPConn) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.r.move(ctx, c.netTCPConn.Read, p)
}

// Receive waits until data has arrived and calls f with it, once. The bytes belong to f until it
// returns. An error of f is returned as it is. Otherwise it is as [TCPConn.ReadContext], including
// io.EOF at the end of the stream. On this system a buffer is also borrowed while it waits.
func (c *TCPConn) Receive(ctx context.Context, f func(p []byte) error) error {
	mustContext(ctx)
	if c.netTCPConn == nil {
		return syscall.EINVAL
	}
	return receive(ctx, c.ReadContext, f)
}

// Write is net.TCPConn.Write.
func (c *TCPConn) Write(p []byte) (int, error) {
	return c.w.move(context.Background(), c.netTCPConn.Write, p)
}

// WriteContext is [TCPConn.Write] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *TCPConn) WriteContext(ctx context.Context, p []byte) (n int, err error) {
	mustContext(ctx)
	return c.w.move(ctx, c.netTCPConn.Write, p)
}

// Close closes the connection: see net.TCPConn.Close.
func (c *TCPConn) Close() error {
	if c.netTCPConn == nil {
		return syscall.EINVAL
	}
	c.m.leave()
	return c.netTCPConn.Close()
}

// SyscallConn is net.TCPConn.SyscallConn.
func (c *TCPConn) SyscallConn() (syscall.RawConn, error) {
	if c.netTCPConn == nil {
		return nil, syscall.EINVAL
	}
	raw, err := c.netTCPConn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawConn{raw, &c.sides}, nil
}

// ReadFrom is net.TCPConn.ReadFrom.
func (c *TCPConn) ReadFrom(r io.Reader) (n int64, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netTCPConn.ReadFrom(r)
		return err
	})
	return n, err
}

// WriteTo is net.TCPConn.WriteTo.
func (c *TCPConn) WriteTo(w io.Writer) (n int64, err error) {
	err = c.r.do(context.Background(), func() error {
		n, err = c.netTCPConn.WriteTo(w)
		return err
	})
	return n, err
}
