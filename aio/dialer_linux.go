//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

func (d *Dialer) control() controlFunc {
	if d.ControlContext != nil {
		return d.ControlContext
	}
	return ignoreContext(d.Control)
}

// DialContext connects to address, for networks "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6",
// "ip:proto", "ip4:proto", "ip6:proto", "unix", "unixgram" and "unixpacket". It blocks until that
// has succeeded or failed, the Dialer's time is over (the error's Timeout is true, and it is
// context.DeadlineExceeded) or ctx ends (context.Canceled). ctx bounds connecting, not the
// connection. The addresses of a name are tried in turn, each with its share of the time.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	mustContext(ctx)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	addrs, err := d.resolve(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	first, second := addrs, []net.Addr(nil)
	if d.FallbackDelay >= 0 && network == "tcp" {
		first, second = partition(addrs)
	}
	if len(second) == 0 {
		return d.inTurn(ctx, network, first)
	}
	return d.race(ctx, network, first, second)
}

// bound adds the Dialer's limits to ctx.
func (d *Dialer) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	end, limited := d.Deadline, !d.Deadline.IsZero()
	if d.Timeout != 0 {
		if t := time.Now().Add(d.Timeout); !limited || t.Before(end) {
			end, limited = t, true
		}
	}
	if t, ok := ctx.Deadline(); ok && !t.IsZero() && (!limited || t.Before(end)) {
		end, limited = t, true // Done of a context that is not package context's may know nothing of it
	}
	var stops []func()
	if limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end)
		stops = append(stops, cancel)
	}
	if stop := d.Cancel; stop != nil {
		sub, cancel := context.WithCancel(ctx)
		go func() {
			select {
			case <-stop: // d may belong to the caller again
				cancel()
			case <-sub.Done():
			}
		}()
		ctx = sub
		stops = append(stops, cancel)
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// resolve finds the addresses to try, those that suit LocalAddr.
func (d *Dialer) resolve(ctx context.Context, network, address string) ([]net.Addr, error) {
	if _, _, err := splitNetwork(network, true); err != nil {
		return nil, err
	}
	if address == "" {
		return nil, errMissingAddress
	}
	addrs, err := resolve(ctx, d.Resolver, network, address)
	if err != nil || d.LocalAddr == nil {
		return addrs, err
	}
	local := hostOf(d.LocalAddr)
	var fit []net.Addr
	for _, a := range addrs {
		if a.Network() != d.LocalAddr.Network() {
			return nil, &net.AddrError{Err: "mismatched local address type", Addr: d.LocalAddr.String()}
		}
		if h := hostOf(a); local.wildcard() || h.wildcard() || (h.ip.To4() != nil) == (local.ip.To4() != nil) {
			fit = append(fit, a)
		}
	}
	if len(fit) == 0 {
		return nil, &net.AddrError{Err: "no suitable address found", Addr: d.LocalAddr.String()}
	}
	return fit, nil
}

// partition divides addresses into those of the family of the first, and the others.
func partition(addrs []net.Addr) (first, second []net.Addr) {
	for _, a := range addrs {
		if isV4(a) == isV4(addrs[0]) {
			first = append(first, a)
		} else {
			second = append(second, a)
		}
	}
	return first, second
}

// race connects to one of first; if that takes longer than FallbackDelay, or fails, one of second
// has its chance too.
func (d *Dialer) race(ctx context.Context, network string, first, second []net.Addr) (net.Conn, error) {
	type result struct {
		c     net.Conn
		err   error
		first bool
	}
	own := *d
	d = &own // the loser may go on after d has been given back to the caller
	ctx, cancel := context.WithCancel(ctx)
	results := make(chan result, 2)
	running := 0
	start := func(addrs []net.Addr, first bool) {
		running++
		go func() {
			c, err := d.inTurn(ctx, network, addrs)
			results <- result{c, err, first}
		}()
	}
	defer func() {
		cancel()
		go func() { // the loser ends because of cancel
			for ; running > 0; running-- {
				if r := <-results; r.c != nil {
					r.c.Close()
				}
			}
		}()
	}()
	delay := d.FallbackDelay
	if delay == 0 {
		delay = 300 * time.Millisecond
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	start(first, true)
	var firstErr error
	for {
		select {
		case <-timer.C:
			start(second, false)
			second = nil
		case r := <-results:
			running--
			if r.err == nil {
				return r.c, nil
			}
			if r.first {
				firstErr = r.err
			}
			if running == 0 && second == nil {
				return nil, firstErr
			}
			if second != nil {
				timer.Reset(0)
			}
		}
	}
}

// inTurn connects to the first of addrs that answers. Each may use its share of the time that is
// left, but at least two seconds. The error is that of the first.
func (d *Dialer) inTurn(ctx context.Context, network string, addrs []net.Addr) (net.Conn, error) {
	var first error
	for i, addr := range addrs {
		if ctx.Err() != nil {
			if first == nil {
				first = &net.OpError{Op: "dial", Net: network, Source: d.LocalAddr, Addr: addr,
					Err: dialError(ctx, ctx.Err())}
			}
			break
		}
		c, err := d.within(ctx, len(addrs)-i, network, addr)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// within connects to one of n addresses in its share of the time.
func (d *Dialer) within(ctx context.Context, n int, network string, addr net.Addr) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok && n > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(time.Until(end)/time.Duration(n), 2*time.Second))
		defer cancel()
	}
	io, local := d.io(), d.LocalAddr
	var c net.Conn
	var err error
	switch a := addr.(type) {
	case *net.TCPAddr:
		l, _ := local.(*net.TCPAddr)
		c, err = connOrNil(io.dialTCP(ctx, d, network, l, a))
		local = addrOrNil(l)
	case *net.UDPAddr:
		l, _ := local.(*net.UDPAddr)
		c, err = connOrNil(io.dialUDP(ctx, d, network, l, a))
		local = addrOrNil(l)
	case *net.IPAddr:
		l, _ := local.(*net.IPAddr)
		c, err = connOrNil(io.openIP(ctx, network, &opening{laddr: addrOrNil(l), raddr: a, control: d.control()}))
		local = addrOrNil(l)
	case *net.UnixAddr:
		l, _ := local.(*net.UnixAddr)
		c, err = connOrNil(io.dialUnix(ctx, d, network, l, a))
		local = addrOrNil(l)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: local, Addr: addr, Err: dialError(ctx, err)}
	}
	return c, nil
}

// connOrNil turns a nil pointer into a nil interface.
func connOrNil[C interface {
	comparable
	net.Conn
}](c C, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// DialTCP connects from laddr, which may be the zero value, to raddr.
func (d *Dialer) DialTCP(ctx context.Context, network string, laddr, raddr netip.AddrPort) (*TCPConn, error) {
	mustContext(ctx)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return d.io().dialTCPAddr(ctx, d, network, net.TCPAddrFromAddrPort(laddr), net.TCPAddrFromAddrPort(raddr))
}

// DialUDP makes a UDP socket that is bound to laddr, which may be the zero value, and connected to
// raddr.
func (d *Dialer) DialUDP(ctx context.Context, network string, laddr, raddr netip.AddrPort) (*UDPConn, error) {
	mustContext(ctx)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return d.io().dialUDPAddr(ctx, d, network, net.UDPAddrFromAddrPort(laddr), net.UDPAddrFromAddrPort(raddr))
}

// DialIP makes a raw socket that is bound to laddr, which may be the zero value, and connected to
// raddr.
func (d *Dialer) DialIP(ctx context.Context, network string, laddr, raddr netip.Addr) (*IPConn, error) {
	mustContext(ctx)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return d.io().dialIPAddr(ctx, d, network, ipAddrOf(laddr), ipAddrOf(raddr))
}

func ipAddrOf(a netip.Addr) *net.IPAddr { return &net.IPAddr{IP: a.AsSlice(), Zone: a.Zone()} }

// DialUnix connects from laddr, which may be nil, to raddr.
func (d *Dialer) DialUnix(ctx context.Context, network string, laddr, raddr *net.UnixAddr) (*UnixConn, error) {
	mustContext(ctx)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return d.io().dialUnixAddr(ctx, d, network, laddr, raddr)
}

// dialError maps the end of a context to the errors of package net.
func dialError(ctx context.Context, err error) error {
	switch end := ctx.Err(); {
	case end == nil, !errors.Is(err, end) && !errors.Is(err, context.Cause(ctx)):
		return err
	case end == context.DeadlineExceeded:
		return errTimeout
	}
	return errCanceled
}

// errTimeout and errCanceled are worded and behave like those of package net.
var (
	errTimeout  error = timeoutError{}
	errCanceled error = canceledError{}
)

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(err error) bool {
	return err == context.DeadlineExceeded
}

type canceledError struct{}

func (canceledError) Error() string        { return "operation was canceled" }
func (canceledError) Is(target error) bool { return target == context.Canceled }
