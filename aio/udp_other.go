//go:build !linux || weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

type netUDPConn = net.UDPConn

// UDPConn is a UDP socket: *net.UDPConn on an IO. Any goroutine may call its methods.
type UDPConn struct {
	*netUDPConn
	sides
	m membership
}

func (io *IO) udp(of *net.UDPConn) (*UDPConn, error) {
	c := &UDPConn{netUDPConn: of}
	c.r.init(of.SetReadDeadline, opError(of, "read"))
	c.w.init(of.SetWriteDeadline, opError(of, "write"))
	if err := join(io, &c.m, c, func(c *UDPConn) { c.end() }); err != nil {
		of.Close()
		return nil, err
	}
	return c, nil
}

// Read is net.UDPConn.Read.
func (c *UDPConn) Read(p []byte) (int, error) {
	return c.r.move(context.Background(), c.netUDPConn.Read, p)
}

// ReadContext is [UDPConn.Read] that also ends when ctx does, with its cause. Bytes that had
// arrived are still delivered, with a nil error.
func (c *UDPConn) ReadContext(ctx context.Context, p []byte) (int, error) {
	mustContext(ctx)
	return c.r.move(ctx, c.netUDPConn.Read, p)
}

// Write is net.UDPConn.Write.
func (c *UDPConn) Write(p []byte) (int, error) {
	return c.w.move(context.Background(), c.netUDPConn.Write, p)
}

// WriteContext is [UDPConn.Write] that also ends when ctx does, with its cause and the number of
// bytes written.
func (c *UDPConn) WriteContext(ctx context.Context, p []byte) (n int, err error) {
	mustContext(ctx)
	return c.w.move(ctx, c.netUDPConn.Write, p)
}

// Close closes the connection: see net.UDPConn.Close.
func (c *UDPConn) Close() error {
	if c.netUDPConn == nil {
		return syscall.EINVAL
	}
	c.m.leave()
	return c.netUDPConn.Close()
}

// SyscallConn is net.UDPConn.SyscallConn.
func (c *UDPConn) SyscallConn() (syscall.RawConn, error) {
	if c.netUDPConn == nil {
		return nil, syscall.EINVAL
	}
	raw, err := c.netUDPConn.SyscallConn()
	if err != nil {
		return nil, err
	}
	return rawConn{raw, &c.sides}, nil
}

// ReadFrom is net.UDPConn.ReadFrom.
func (c *UDPConn) ReadFrom(p []byte) (n int, addr net.Addr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, addr, err = c.netUDPConn.ReadFrom(p)
		return err
	})
	return n, addr, err
}

// ReadFromUDP is net.UDPConn.ReadFromUDP.
func (c *UDPConn) ReadFromUDP(p []byte) (n int, addr *net.UDPAddr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, addr, err = c.netUDPConn.ReadFromUDP(p)
		return err
	})
	return n, addr, err
}

// ReadFromUDPAddrPort is net.UDPConn.ReadFromUDPAddrPort.
func (c *UDPConn) ReadFromUDPAddrPort(p []byte) (n int, addr netip.AddrPort, err error) {
	err = c.r.do(context.Background(), func() error {
		n, addr, err = c.netUDPConn.ReadFromUDPAddrPort(p)
		return err
	})
	return n, addr, err
}

// ReadMsgUDP is net.UDPConn.ReadMsgUDP.
func (c *UDPConn) ReadMsgUDP(p, oob []byte) (n int, oobn int, flags int, addr *net.UDPAddr, err error) {
	err = c.r.do(context.Background(), func() error {
		n, oobn, flags, addr, err = c.netUDPConn.ReadMsgUDP(p, oob)
		return err
	})
	return n, oobn, flags, addr, err
}

// ReadMsgUDPAddrPort is net.UDPConn.ReadMsgUDPAddrPort.
func (c *UDPConn) ReadMsgUDPAddrPort(p, oob []byte) (n int, oobn int, flags int, addr netip.AddrPort, err error) {
	err = c.r.do(context.Background(), func() error {
		n, oobn, flags, addr, err = c.netUDPConn.ReadMsgUDPAddrPort(p, oob)
		return err
	})
	return n, oobn, flags, addr, err
}

// WriteTo is net.UDPConn.WriteTo.
func (c *UDPConn) WriteTo(p []byte, addr net.Addr) (n int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netUDPConn.WriteTo(p, addr)
		return err
	})
	return n, err
}

// WriteToUDP is net.UDPConn.WriteToUDP.
func (c *UDPConn) WriteToUDP(p []byte, addr *net.UDPAddr) (n int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netUDPConn.WriteToUDP(p, addr)
		return err
	})
	return n, err
}

// WriteToUDPAddrPort is net.UDPConn.WriteToUDPAddrPort.
func (c *UDPConn) WriteToUDPAddrPort(p []byte, addr netip.AddrPort) (n int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, err = c.netUDPConn.WriteToUDPAddrPort(p, addr)
		return err
	})
	return n, err
}

// WriteMsgUDP is net.UDPConn.WriteMsgUDP.
func (c *UDPConn) WriteMsgUDP(p, oob []byte, addr *net.UDPAddr) (n int, oobn int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, oobn, err = c.netUDPConn.WriteMsgUDP(p, oob, addr)
		return err
	})
	return n, oobn, err
}

// WriteMsgUDPAddrPort is net.UDPConn.WriteMsgUDPAddrPort.
func (c *UDPConn) WriteMsgUDPAddrPort(p, oob []byte, addr netip.AddrPort) (n int, oobn int, err error) {
	err = c.w.do(context.Background(), func() error {
		n, oobn, err = c.netUDPConn.WriteMsgUDPAddrPort(p, oob, addr)
		return err
	})
	return n, oobn, err
}

// ReadFromUDPAddrPortContext is [UDPConn.ReadFromUDPAddrPort] that also ends when ctx does, with
// its cause.
func (c *UDPConn) ReadFromUDPAddrPortContext(ctx context.Context, p []byte) (n int, addr netip.AddrPort, err error) {
	mustContext(ctx)
	err = c.r.do(ctx, func() error {
		n, addr, err = c.netUDPConn.ReadFromUDPAddrPort(p)
		return err
	})
	return n, addr, err
}

// WriteToUDPAddrPortContext is [UDPConn.WriteToUDPAddrPort] that also ends when ctx does, with its
// cause.
func (c *UDPConn) WriteToUDPAddrPortContext(ctx context.Context, p []byte, addr netip.AddrPort) (n int, err error) {
	mustContext(ctx)
	err = c.w.do(ctx, func() error {
		n, err = c.netUDPConn.WriteToUDPAddrPort(p, addr)
		return err
	})
	return n, err
}

// ReadBatch receives one packet, which is what one system call receives on this system. See
// [Packet].
func (c *UDPConn) ReadBatch(ctx context.Context, ps []Packet) (int, error) {
	mustContext(ctx)
	if len(ps) == 0 {
		return 0, nil
	}
	n, addr, err := c.ReadFromUDPAddrPortContext(ctx, ps[0].Buf)
	if err != nil {
		return 0, err
	}
	ps[0].N, ps[0].Addr, ps[0].Segment, ps[0].Flags = n, addr, 0, 0
	return 1, nil
}

// WriteBatch sends all of ps, each to its Addr, one after the other. It returns how many it sent:
// with an error, those before the one that failed.
func (c *UDPConn) WriteBatch(ctx context.Context, ps []Packet) (int, error) {
	mustContext(ctx)
	for i := range ps {
		p := &ps[i]
		p.N = 0
		if p.Segment < 0 {
			return i, syscall.EINVAL
		}
		for first := true; first || p.N < len(p.Buf); first = false {
			datagram := p.Buf[p.N:]
			if p.Segment > 0 {
				datagram = datagram[:min(p.Segment, len(datagram))]
			}
			var err error
			if p.Addr.IsValid() {
				_, err = c.WriteToUDPAddrPortContext(ctx, datagram, p.Addr)
			} else {
				_, err = c.WriteContext(ctx, datagram)
			}
			if err != nil {
				return i, err
			}
			p.N += len(datagram)
		}
	}
	return len(ps), nil
}

// SetGRO sets whether the system may join datagrams of one sender. No known system of this kind
// does.
func (c *UDPConn) SetGRO(on bool) error {
	if c.netUDPConn == nil {
		return syscall.EINVAL
	}
	if !on {
		return nil
	}
	return opError(c.netUDPConn, "set")(errors.ErrUnsupported)
}
