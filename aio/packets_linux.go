//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// ReadBatch receives as many packets as there are, up to len(ps), with one system call. It blocks
// until there is one, as Read does, and also ends when ctx does, with its cause. It returns the
// number of packets. On a socket for both families an IPv4 sender is reported in its IPv4-mapped
// form. The buffers belong to weir until ReadBatch returns.
func (c *UDPConn) ReadBatch(ctx context.Context, ps []Packet) (int, error) {
	mustContext(ctx)
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.readBatch(ctx, ps)
	return n, c.opError("read", err)
}

// WriteBatch sends all of ps, each to its Addr, many with one system call. It blocks while there is
// no room, as Write does, and also ends when ctx does, with its cause. It returns how many it sent:
// with an error, those before the one that failed. The buffers belong to weir until WriteBatch
// returns.
func (c *UDPConn) WriteBatch(ctx context.Context, ps []Packet) (int, error) {
	mustContext(ctx)
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	n, err := c.sendBatch(ctx, ps)
	return n, c.opError("write", err)
}

// SetGRO sets whether the kernel may join consecutive datagrams of one sender (Linux 5.0):
// ReadBatch then sets Packet.Segment. Other methods cannot tell such datagrams apart. Buffers
// should hold 65,535 bytes.
func (c *UDPConn) SetGRO(on bool) error { return c.setInt(unix.SOL_UDP, unix.UDP_GRO, boolInt(on)) }

func (c *UDPConn) readBatch(ctx context.Context, ps []Packet) (int, error) {
	f, s := &c.fd, &c.fd.R
	if err := f.Begin(ctx, s); err != nil {
		return 0, err
	}
	defer f.End(s)
	if len(ps) == 0 {
		return 0, nil
	}
	d := s.Datagrams(len(ps))
	defer d.Forget()
	ps = ps[:d.Len()]
	for i := range ps {
		d.Receive(i, ps[i].Buf)
	}
	n, err := f.ReceiveDatagrams(ctx, s, d)
	for i := range ps[:n] {
		p := &ps[i]
		p.N, p.Segment, p.Flags = d.Received(i)
		p.Addr, _ = sys.Inet(d.Addr(i))
		sys.RaceReceived(p.Buf[:p.N])
	}
	return n, err
}

func (c *UDPConn) sendBatch(ctx context.Context, ps []Packet) (sent int, err error) {
	f, s := &c.fd, &c.fd.W
	if err := f.Begin(ctx, s); err != nil {
		return 0, err
	}
	defer f.End(s)
	for sent < len(ps) {
		if s.NoGSO() && ps[sent].segmented() {
			if err := c.sendApart(ctx, &ps[sent]); err != nil {
				return sent, err
			}
			sent++
			continue
		}
		some := ps[sent:]
		if i := slices.IndexFunc(some, Packet.segmented); s.NoGSO() && i > 0 {
			some = some[:i]
		}
		n, err := c.sendSome(ctx, some)
		if sent += n; err == errNoGSO {
			s.SetNoGSO(true)
		} else if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// errNoGSO says that the path to the destination refuses buffers to be cut into datagrams. It is
// not reported to users.
var errNoGSO = errors.New("no GSO")

// sendApart sends the datagrams of p as packets of their own.
func (c *UDPConn) sendApart(ctx context.Context, p *Packet) error {
	var apart []Packet
	for b := range slices.Chunk(p.Buf, p.Segment) {
		apart = append(apart, Packet{Buf: b, Addr: p.Addr})
	}
	for len(apart) > 0 {
		n, err := c.sendSome(ctx, apart)
		if err != nil {
			return err
		}
		apart = apart[n:]
	}
	p.N = len(p.Buf)
	return nil
}

// sendSome sends ps, or as many of them as fit into one list.
func (c *UDPConn) sendSome(ctx context.Context, ps []Packet) (sent int, err error) {
	f, s := &c.fd, &c.fd.W
	d := s.Datagrams(len(ps))
	defer d.Forget()
	ps = ps[:d.Len()]
	for i := range ps {
		p := &ps[i]
		switch {
		case p.Segment < 0:
			err = syscall.EINVAL
		case c.connected && p.Addr.IsValid():
			err = net.ErrWriteToConnected
		case !c.connected && !p.Addr.IsValid():
			err = errMissingAddress
		case !c.connected:
			err = c.encodeAddrPort(p.Addr, d.Addr(i))
		}
		if err != nil {
			ps = ps[:i] // those before it are sent
			break
		}
		sys.RaceSending(p.Buf)
		d.Send(i, p.Buf, !c.connected, p.Segment)
	}
	sent, failed := f.SendDatagrams(ctx, s, d, len(ps))
	for i := range ps[:sent] {
		ps[i].N = len(ps[i].Buf)
	}
	if failed == nil {
		return sent, err
	}
	if errors.Is(failed, unix.EIO) && sent < len(ps) && ps[sent].segmented() {
		return sent, errNoGSO
	}
	return sent, failed
}

// segmented reports whether the packet is more than one datagram.
func (p Packet) segmented() bool { return p.Segment > 0 && p.Segment < len(p.Buf) }
