package aio

import (
	"net"
	"syscall"
	"time"
)

// ListenConfig is net.ListenConfig on an [IO]: the fields mean the same. The zero value listens as
// [Listen] does. Any number of goroutines may call its methods at the same time.
type ListenConfig struct {
	// IO is what the listeners and their connections run on. Nil: [Default].
	IO *IO

	// Control runs before the socket is bound, for example to set socket options. network is "tcp4"
	// and the like. If it returns an error listening fails with that.
	Control func(network, address string, c syscall.RawConn) error

	// KeepAlive is how long an accepted TCP connection is idle before it is probed, unless
	// KeepAliveConfig is enabled. 0: 15 s. Negative: not probed.
	KeepAlive time.Duration

	// KeepAliveConfig configures the probes in detail.
	KeepAliveConfig net.KeepAliveConfig

	mptcp multipath
}

// MultipathTCP reports whether TCP listeners accept multipath TCP too.
func (lc *ListenConfig) MultipathTCP() bool {
	if lc.mptcp == multipathDefault {
		return new(net.ListenConfig).MultipathTCP() // it depends on GODEBUG
	}
	return lc.mptcp == multipathOn
}

// SetMultipathTCP sets whether TCP listeners accept multipath TCP too, on systems that have it.
func (lc *ListenConfig) SetMultipathTCP(use bool) { lc.mptcp.set(use) }

func (lc *ListenConfig) io() *IO {
	if lc.IO != nil {
		return lc.IO
	}
	return Default()
}

// listenConfig returns a zero ListenConfig on io.
func (io *IO) listenConfig() *ListenConfig {
	io.running() // a nil io must not stand for Default
	return &ListenConfig{IO: io}
}
