package aio

import (
	"context"
	"net"
	"syscall"
	"time"
)

// Dialer is net.Dialer on an [IO]: the fields mean the same. The zero value connects as [Dial]
// does. Any number of goroutines may call its methods at the same time.
type Dialer struct {
	// IO is what the connections run on. Nil: [Default].
	IO *IO

	// Timeout is how long connecting may take, including resolving the name. 0: weir sets no limit;
	// the system has one (about 2 minutes for TCP).
	Timeout time.Duration

	// Deadline is the time at which connecting gives up. Zero: none.
	Deadline time.Time

	// LocalAddr is where to connect from; its type must fit the network. Nil: anywhere.
	LocalAddr net.Addr

	// DualStack has no effect.
	//
	// Deprecated: see FallbackDelay.
	DualStack bool

	// FallbackDelay is the head start of the first address family if a name of network "tcp" has
	// addresses of both. After it the Dialer also connects to those of the other family, and the
	// first connection wins (RFC 6555). 0: 300 ms. Negative: one after the other.
	FallbackDelay time.Duration

	// KeepAlive is how long a TCP connection is idle before it is probed, unless KeepAliveConfig is
	// enabled. 0: 15 s. Negative: not probed.
	KeepAlive time.Duration

	// KeepAliveConfig configures the probes in detail.
	KeepAliveConfig net.KeepAliveConfig

	// Resolver finds the addresses of names. Nil: net.DefaultResolver.
	Resolver *net.Resolver

	// Cancel ends connecting when it is closed.
	//
	// Deprecated: use [Dialer.DialContext].
	Cancel <-chan struct{}

	// Control runs before the socket connects, and before it is bound, for example to set socket
	// options. network is "tcp4" and the like. If it returns an error connecting fails with that.
	Control func(network, address string, c syscall.RawConn) error

	// ControlContext is Control with the context of connecting. If it is not nil Control is not
	// called.
	ControlContext func(ctx context.Context, network, address string, c syscall.RawConn) error

	mptcp multipath
}

// multipath says whether TCP sockets are multipath ones: package net's default, or what
// SetMultipathTCP said.
type multipath uint8

const (
	multipathDefault multipath = iota
	multipathOn
	multipathOff
)

func (m *multipath) set(use bool) {
	if *m = multipathOff; use {
		*m = multipathOn
	}
}

// MultipathTCP reports whether multipath TCP is tried first.
func (d *Dialer) MultipathTCP() bool {
	if d.mptcp == multipathDefault {
		return new(net.Dialer).MultipathTCP() // it depends on GODEBUG
	}
	return d.mptcp == multipathOn
}

// SetMultipathTCP sets whether network "tcp" tries multipath TCP first. A system without it uses
// plain TCP.
func (d *Dialer) SetMultipathTCP(use bool) { d.mptcp.set(use) }

func (d *Dialer) io() *IO {
	if d.IO != nil {
		return d.IO
	}
	return Default()
}

// Dial connects: see [Dialer.DialContext].
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// dialer returns a zero Dialer on io.
func (io *IO) dialer() *Dialer {
	io.running() // a nil io must not stand for Default
	return &Dialer{IO: io}
}

// Dial is net.Dial: see [Dialer.DialContext].
func (io *IO) Dial(network, address string) (net.Conn, error) {
	return io.dialer().Dial(network, address)
}

// DialTimeout is [IO.Dial] that takes timeout at most.
func (io *IO) DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	d := io.dialer()
	d.Timeout = timeout
	return d.Dial(network, address)
}

// DialContext is [IO.Dial] that also ends when ctx does: see [Dialer.DialContext].
func (io *IO) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	mustContext(ctx)
	return io.dialer().DialContext(ctx, network, address)
}
