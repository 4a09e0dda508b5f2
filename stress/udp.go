package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// udp has clients talk to an echo server over UDP. The server is a process of its own, whose use of
// the processor is what counts.
type udp struct {
	size  int
	batch bool
	on    *cpus
	c     *config
}

func (u *udp) describe() (name, counts, ops, details string) {
	how := "one system call or operation for each"
	if u.batch {
		how = "weir's with ReadBatch and WriteBatch"
	}
	clients := "clients on package net"
	if u.on != nil {
		clients = "clients that look for answers all the time"
	}
	return "udp", "senders", "trips", fmt.Sprintf("round trips of datagrams of %d bytes; CPU is that of the server "+
		"alone, %s, %v; %s", u.size, how, u.on, clients)
}

func (u *udp) prepare(_ context.Context, c *config) error {
	u.c = c
	return checkMessage(u.size)
}

func (u *udp) cleanup() error { return nil }

func (u *udp) crew(s side, n int, seed uint64) (*crew, error) {
	kind := "udp"
	if u.batch {
		kind = "udp-batch"
	}
	spec := s.spec(kind, u.c)
	spec.Buffer = u.size
	srv, err := startServer(spec, u.on)
	if err != nil {
		return nil, err
	}
	undo, err := u.on.beLoad()
	if err != nil {
		return nil, errors.Join(err, srv.stop())
	}
	var clients []io.ReadWriteCloser
	c := &crew{usage: srv.usage, stop: func() error { return errors.Join(closeAll(clients), srv.stop(), undo()) }}
	for i := range n {
		conn, err := u.dial(srv.address)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		clients = append(clients, conn)
		c.ops = append(c.ops, exchange(conn, u.size, seed+uint64(i)))
	}
	return c, nil
}

// dial makes a client. With CPUs for themselves clients never sleep: what they can send does not
// depend on what it costs the server to wake them, and it, not they, is at its limit. Otherwise
// they would only be in its way.
func (u *udp) dial(address string) (io.ReadWriteCloser, error) {
	if u.on == nil {
		conn, err := net.Dial("udp", address)
		return impatient{conn, lossTime}, err
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return sleepless{fd, lossTime}, nil
}

// lossTime is after how long an answer is lost, which never happens here.
const lossTime = 5 * time.Second

// impatient is a connection whose Read waits no longer than loss.
type impatient struct {
	net.Conn
	loss time.Duration
}

func (c impatient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.loss)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// sleepless is a socket whose Read lets other goroutines run, and tries, until there is something
// or, as it seems, will be nothing. Nothing that it does takes long, so it does not tell the
// scheduler of its system calls.
type sleepless struct {
	fd   int
	loss time.Duration
}

func (s sleepless) Read(p []byte) (int, error) {
	for limit := (time.Time{}); ; {
		for range 1024 {
			runtime.Gosched()
			n, err := s.call(unix.SYS_RECVFROM, p)
			if err != unix.EAGAIN && err != unix.EINTR {
				return n, err
			}
		}
		switch now := time.Now(); {
		case limit.IsZero():
			limit = now.Add(s.loss)
		case now.After(limit):
			return 0, os.ErrDeadlineExceeded
		}
	}
}

func (s sleepless) Write(p []byte) (int, error) { return s.call(unix.SYS_SENDTO, p) }

func (s sleepless) Close() error { return unix.Close(s.fd) }

// call is recvfrom(2) or sendto(2), from and to the peer.
func (s sleepless) call(trap uintptr, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(trap, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
