//go:build !linux || weir_portable

package aio

import (
	"context"
	"net"
	"syscall"
)

type netIPConn = net.IPConn

// IPConn is a raw IP socket: *net.IPConn on an IO. Any goroutine may call its methods.
type IPConn struct {
	*netIPConn
	sides
	m membership
}

func (io *IO) ip(of *net.IPConn) (*IPConn, error) {
	c := &IPConn{netIPConn: of}
	c.r.init(of.SetReadDeadline, opError(of, "read"))
	c.w.init(of.SetWriteDeadline, opError(of, "write"))
	if err := join(io, &c.m, c, func(c *IPConn) { c.end() }); err != nil {
		of.Close()
		return nil, err
	}
	return c, nil
}

// Read is net.IPConn.Read.
func (c *IPConn) Read(p []byte) (int, error) {
	return c.r.move(context.Background(), c.netIPConn.Read, p)
}

// ReadContext is [IPConn.Read] that also ends when ctx does, with its cause. Bytes that had arrived
// are still delivered, with a nil error.
func (c *IPConn) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.r.move(ctx, c.netIPConn.Read, p)
}

// Write is net.IPConn.Write.
func (c *IPConn) Write(p []byte) (int, error) {
	return c.w.move(context.Background(), c.netIPConn.Write, p)
}

// WriteContext is [IPConn.Write] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *IPConn) WriteContext(ctx context.Context, p []byte) (n int, err error) {
	mustContext(ctx)
	return c.w.move(ctx, c.netIPConn.Write, p)
}

// Close closes the connection: see net.IPConn.Close.
func (c *IPConn) Close() error {
	if c.netIPConn == nil {
		return syscall.EINVAL
	}
	c.m.leave()
	return c.netIPConn.Close()
}

// SyscallConn is net.IPConn.SyscallConn.
func (c *IPConn) SyscallConn() (syscall.RawConn, error) {
	if c.netIPConn == nil {
		return nil, syscall.EINVAL
	}
	raw, err := c.netIPConn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawConn{raw, &c.sides}, nil
}

// ReadFrom is net.IPConn.ReadFrom.
func (c *IPConn) ReadFrom(p []byte) (n int, addr net.Addr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, addr, err = c.netIPConn.ReadFrom(p)
		return err
	})
	return n, addr, err
}

// ReadFromIP is net.IPConn.ReadFromIP.
func (c *IPConn) ReadFromIP(p []byte) (n int, addr *net.IPAddr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, addr, err = c.netIPConn.ReadFromIP(p)
		return err
	})
	return n, addr, err
}

// ReadMsgIP is net.IPConn.ReadMsgIP.
func (c *IPConn) ReadMsgIP(p, oob []byte) (n int, oobn int, flags int, addr *net.IPAddr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, oobn, flags, addr, err = c.netIPConn.ReadMsgIP(p, oob)
		return err
	})
	return n, oobn, flags, addr, err
}

// WriteTo is net.IPConn.WriteTo.
func (c *IPConn) WriteTo(p []byte, addr net.Addr) (n int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netIPConn.WriteTo(p, addr)
		return err
	})
	return n, err
}

// WriteToIP is net.IPConn.WriteToIP.
func (c *IPConn) WriteToIP(p []byte, addr *net.IPAddr) (n int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netIPConn.WriteToIP(p, addr)
		return err
	})
	return n, err
}

// WriteMsgIP is net.IPConn.WriteMsgIP.
func (c *IPConn) WriteMsgIP(p, oob []byte, addr *net.IPAddr) (n int, oobn int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, oobn, err = c.netIPConn.WriteMsgIP(p, oob, addr)
		return err
	})
	return n, oobn, err
}
