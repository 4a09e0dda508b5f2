//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// A wait that returns at once again and again costs a whole CPU, and a hostile peer may decide for
// how long. So each test here has a call wait for what does not come, and looks at the CPU time of
// the process meanwhile.

// waits runs f, which must wait until the deadline that it is given, and fails if the process works
// meanwhile.
func waits(t *testing.T, what string, f func(deadline time.Time) error) {
	t.Helper()
	const interval = 300 * time.Millisecond
	for tries := 1; ; tries++ {
		runtime.GC() // what earlier tests have left to collect is not the wait's
		deadline := time.Now().Add(interval)
		before := cpuTime(t)
		err := f(deadline)
		worked := cpuTime(t) - before
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("%s: %v, want the deadline", what, err)
		}
		if worked <= interval/3 {
			return
		}
		if tries == 3 { // a wait that spins does so each time; the kernel's work for others comes and goes
			t.Errorf("%s: the process worked for %v while it waited for %v", what, worked, interval)
			return
		}
	}
}

// cpuTime is that of the process.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fillUp writes to a connection until there is no room, and none comes any more.
func fillUp(t *testing.T, c *aio.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1<<20)
	for moved := true; moved; time.Sleep(10 * time.Millisecond) {
		moved = false
		raw.Control(func(fd uintptr) {
			for {
				if n, err := unix.SendmsgN(int(fd), data, nil, nil, unix.MSG_DONTWAIT); err != nil || n == 0 {
					return
				}
				moved = true
			}
		})
	}
}

// A client that asks for a file, half-closes and does not read made the server spin: io_uring
// reports POLLRDHUP to each poll, asked for or not.
func TestHalfClosedPeerCostsNothing(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err == nil {
		err = file.Truncate(64 << 20)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	each(t, func(t *testing.T, w *aio.IO) {
		c, peer := tcpPair(t, w)
		other, source := tcpPair(t, w)
		go func() {
			for err := error(nil); err == nil; {
				_, err = source.Write(make([]byte, 1<<16))
			}
		}()
		fillUp(t, c)
		if err := peer.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for eof := make([]byte, 1); ; {
			if _, err := c.Read(eof); err == io.EOF {
				break
			}
		}
		raw, _ := c.SyscallConn()
		for _, wait := range []struct {
			what string
			f    func() error
		}{
			{"Write", func() error { _, err := c.Write(make([]byte, 1<<20)); return err }},
			{"Writev", func() error { _, err := c.Writev([][]byte{make([]byte, 1<<20)}); return err }},
			{"ReadFrom of a file", func() error { _, err := c.ReadFrom(file); return err }},
			{"ReadFrom of a connection", func() error { _, err := c.ReadFrom(other); return err }},
			{"RawConn.Write", func() error {
				return raw.Write(func(fd uintptr) bool {
					_,
						err := unix.Write(int(fd), []byte("x"))
					return err == nil
				})
			}},
		} {
			waits(t, wait.what, func(deadline time.Time) error {
				c.SetWriteDeadline(deadline)
				return wait.f()
			})
		}
		raw.Control(func(fd uintptr) {
			waits(t, "Poll", func(deadline time.Time) error {
				ctx, cancel := context.WithDeadline(context.Background(), deadline)
				defer cancel()
				_, err := w.Poll(ctx, int(fd), unix.POLLOUT)
				return err
			})
		})
	})
}

// A wait for room that has outlived POLLRDHUP ends when there is room.
func TestHalfClosedPeerReadsOn(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		c, peer := tcpPair(t, w)
		fillUp(t, c)
		peer.CloseWrite()
		done := make(chan error, 1)
		raw, _ := c.SyscallConn()
		go func() {
			done <- raw.Write(func(fd uintptr) bool { _, err := unix.Write(int(fd), []byte("x")); return err == nil })
		}()
		time.Sleep(10 * time.Millisecond)
		peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		for p := make([]byte, 1<<20); ; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				return
			default:
				peer.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
				if _, err := peer.Read(p); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal(err)
				}
			}
		}
	})
}

// errorQueue is a UDP socket whose error queue holds what became of a packet to a closed port.
func errorQueue(t *testing.T, w *aio.IO) *aio.UDPConn {
	t.Helper()
	c, err := w.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	raw, _ := c.SyscallConn()
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1) })
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	if _, err := c.WriteTo([]byte("x"), closed.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNREFUSED) { // the socket's own error, once
		t.Fatalf("Read: %v, want ECONNREFUSED", err)
	}
	return c
}

// What stands in the error queue of a socket, of IP_RECVERR, MSG_ZEROCOPY, timestamps, keeps
// POLLERR up until it is read there. Calls that wait for packets made the process spin, or returned
// EAGAIN.
func TestErrorQueueCostsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		c := errorQueue(t, w)
		p := make([]byte, 10)
		raw, _ := c.SyscallConn()
		for _, wait := range []struct {
			what string
			f    func() error
		}{
			{"Read", func() error { _, err := c.Read(p); return err }},
			{"ReadFrom", func() error { _, _, err := c.ReadFrom(p); return err }},
			{"ReadMsgUDP", func() error { _, _, _, _, err := c.ReadMsgUDP(p, make([]byte, 100)); return err }},
			{"ReadBatch", func() error {
				_, err := c.ReadBatch(context.Background(),
					[]aio.Packet{{Buf: p}})
				return err
			}},
			{"RawConn.Read", func() error { return raw.Read(func(uintptr) bool { return false }) }},
		} {
			waits(t, wait.what, func(deadline time.Time) error {
				c.SetReadDeadline(deadline)
				return wait.f()
			})
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			time.AfterFunc(20*time.Millisecond, func() { c.WriteTo([]byte("hi"), c.LocalAddr()) })
			if n, err := c.Read(p); n != 2 || err != nil {
				t.Fatalf("Read after %s: %d, %v", wait.what, n, err)
			}
		}
	})
}

// The same for operations on descriptors, whatever carries them out.
func TestErrorQueueCostsOperationsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		c := errorQueue(t, w)
		sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		raw, _ := c.SyscallConn()
		raw.Control(func(fd uintptr) {
			const sent = unix.SOF_TIMESTAMPING_TX_SOFTWARE | unix.SOF_TIMESTAMPING_SOFTWARE
			if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, sent); err != nil {
				t.Fatal(err)
			}
			for _, o := range []*op.Op{
				op.Recv(int(fd), make([]byte, 10), 0),
				op.Read(int(fd), make([]byte, 10), -1),
				op.RecvMsg(int(fd), &op.Msg{Bufs: [][]byte{make([]byte, 10)}}, 0),
			} {
				waits(t, o.String(), func(deadline time.Time) error {
					ctx, cancel := context.WithDeadline(context.Background(), deadline)
					defer cancel()
					for i := range 10 { // each timestamp is news, and none is a packet
						time.AfterFunc(time.Duration(i)*5*time.Millisecond,
							func() { c.WriteTo([]byte("x"), sink.LocalAddr()) })
					}
					before := w.Stats().Resubmitted
					err := w.Do(ctx, o)
					if n := w.Stats().Resubmitted - before; n > 18 {
						t.Errorf("%v was tried %d times", o, n)
					}
					return err
				})
				time.AfterFunc(20*time.Millisecond, func() { c.WriteTo([]byte("hi"), c.LocalAddr()) })
				if err := w.Do(context.Background(), o); err != nil || o.N != 2 {
					t.Fatalf("%v: %d, %v", o, o.N, err)
				}
			}
		})
	})
}

// A client that sends less than the caller of RawConn.Read waits for made the server spin.
func TestRawConnThatWantsMoreCostsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *aio.IO) {
		c, peer := tcpPair(t, w)
		raw, _ := c.SyscallConn()
		peek := func(fd uintptr) bool {
			n, _, err := unix.Recvfrom(int(fd), make([]byte, 8), unix.MSG_PEEK|unix.MSG_DONTWAIT)
			return err == nil && n == 8
		}
		if _, err := peer.Write([]byte("four")); err != nil {
			t.Fatal(err)
		}
		waits(t, "RawConn.Read", func(deadline time.Time) error {
			c.SetReadDeadline(deadline)
			return raw.Read(peek)
		})
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		time.AfterFunc(20*time.Millisecond, func() { peer.Write([]byte("more")) })
		if err := raw.Read(peek); err != nil {
			t.Fatal(err)
		}
	})
}
