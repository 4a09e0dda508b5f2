//go:build !linux || weir_portable

package aio

import (
	"context"
	"net"
	"syscall"
)

type netUnixConn = net.UnixConn

// UnixConn is a unix socket: *net.UnixConn on an IO. Any goroutine may call its methods.
type UnixConn struct {
	*netUnixConn
	sides
	m membership
}

func (io *IO) unix(of *net.UnixConn) (*UnixConn, error) {
	c := &UnixConn{netUnixConn: of}
	c.r.init(of.SetReadDeadline, opError(of, "read"))
	c.w.init(of.SetWriteDeadline, opError(of, "write"))
	if err := join(io, &c.m, c, func(c *UnixConn) { c.end() }); err != nil {
		of.Close()
		return nil, err
	}
	return c, nil
}

// Read is net.UnixConn.Read.
func (c *UnixConn) Read(p []byte) (int, error) {
	return c.r.move(context.Background(), c.netUnixConn.Read, p)
}

// ReadContext is [UnixConn.Read] that also ends when ctx does, with its cause. Bytes that had
// arrived are still delivered, with a nil error.
func (c *UnixConn) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.r.move(ctx, c.netUnixConn.Read, p)
}

// Receive, which is for streams, waits until data has arrived and calls f with it, once. The bytes
// belong to f until it returns. An error of f is returned as it is. Otherwise it is as
// [UnixConn.ReadContext], including io.EOF at the end of the stream. On this system a buffer is
// also borrowed while it waits.
func (c *UnixConn) Receive(ctx context.Context, f func(p []byte) error) error {
	mustContext(ctx)
	if c.netUnixConn == nil || c.LocalAddr().Network() != "unix" {
		return syscall.EINVAL
	}
	return receive(ctx, c.ReadContext, f)
}

// Write is net.UnixConn.Write.
func (c *UnixConn) Write(p []byte) (int, error) {
	return c.w.move(context.Background(), c.netUnixConn.Write, p)
}

// WriteContext is [UnixConn.Write] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *UnixConn) WriteContext(ctx context.Context, p []byte) (n int, err error) {
	mustContext(ctx)
	return c.w.move(ctx, c.netUnixConn.Write, p)
}

// Close closes the connection: see net.UnixConn.Close.
func (c *UnixConn) Close() error {
	if c.netUnixConn == nil {
		return syscall.EINVAL
	}
	c.m.leave()
	return c.netUnixConn.Close()
}

// SyscallConn is net.UnixConn.SyscallConn.
func (c *UnixConn) SyscallConn() (syscall.RawConn, error) {
	if c.netUnixConn == nil {
		return nil, syscall.EINVAL
	}
	raw, err := c.netUnixConn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawConn{raw, &c.sides}, nil
}

// ReadFrom is net.UnixConn.ReadFrom.
func (c *UnixConn) ReadFrom(p []byte) (n int, addr net.Addr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, addr, err = c.netUnixConn.ReadFrom(p)
		return err
	})
	return n, addr, err
}

// ReadFromUnix is net.UnixConn.ReadFromUnix.
func (c *UnixConn) ReadFromUnix(p []byte) (n int, addr *net.UnixAddr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, addr, err = c.netUnixConn.ReadFromUnix(p)
		return err
	})
	return n, addr, err
}

// ReadMsgUnix is net.UnixConn.ReadMsgUnix.
func (c *UnixConn) ReadMsgUnix(p, oob []byte) (n int, oobn int, flags int, addr *net.UnixAddr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, oobn, flags, addr, err = c.netUnixConn.ReadMsgUnix(p, oob)
		return err
	})
	return n, oobn, flags, addr, err
}

// WriteTo is net.UnixConn.WriteTo.
func (c *UnixConn) WriteTo(p []byte, addr net.Addr) (n int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netUnixConn.WriteTo(p, addr)
		return err
	})
	return n, err
}

// WriteToUnix is net.UnixConn.WriteToUnix.
func (c *UnixConn) WriteToUnix(p []byte, addr *net.UnixAddr) (n int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netUnixConn.WriteToUnix(p, addr)
		return err
	})
	return n, err
}

// WriteMsgUnix is net.UnixConn.WriteMsgUnix.
func (c *UnixConn) WriteMsgUnix(p, oob []byte, addr *net.UnixAddr) (n int, oobn int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, oobn, err = c.netUnixConn.WriteMsgUnix(p, oob, addr)
		return err
	})
	return n, oobn, err
}
