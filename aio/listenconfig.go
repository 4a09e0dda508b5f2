package aio

import (
	"net"
	"syscall"
	"time"
)

// ListenConfig is net.ListenConfig on an IO: the fields have the meaning they have there. The zero value listens as
// Listen does. Any goroutine may call its methods, and two may at the same time.
type ListenConfig struct {
	// IO is what the listeners and their connections run on. Nil: Default().
	IO *IO

	// Control runs before the socket is bound: a place for socket options. network is "tcp4" and the like. Listening
	// fails with the error that it returns.
	Control func(network, address string, c syscall.RawConn) error

	// KeepAlive is how long an accepted TCP connection is idle before it is probed, unless KeepAliveConfig is enabled.
	// 0: 15 s. Negative: not probed.
	KeepAlive time.Duration

	// KeepAliveConfig configures the probes in detail.
	KeepAliveConfig net.KeepAliveConfig

	mptcp multipath
}

// MultipathTCP reports whether TCP listeners accept multipath TCP too.
func (lc *ListenConfig) MultipathTCP() bool {
	if lc.mptcp == multipathDefault {
		return new(net.ListenConfig).MultipathTCP() // GODEBUG has a say
	}
	return lc.mptcp == multipathOn
}

// SetMultipathTCP says whether TCP listeners accept multipath TCP too, where there is such a thing.
func (lc *ListenConfig) SetMultipathTCP(use bool) { lc.mptcp.set(use) }

func (lc *ListenConfig) io() *IO {
	if lc.IO != nil {
		return lc.IO
	}
	return Default()
}

// listenConfig is the zero ListenConfig on io.
func (io *IO) listenConfig() *ListenConfig {
	io.running() // a nil io must not stand for Default
	return &ListenConfig{IO: io}
}
