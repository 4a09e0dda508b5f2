//go:build !weir_portable

package coro

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// TestViewsWaitIdle guards that views wait, too, where a hostile peer makes a poll end at once: one
// that has half-closed and does not read, urgent data, an error queue. The process takes no CPU
// meanwhile, and the loop's thread is free for others.
func TestViewsWaitIdle(t *testing.T) {
	const interval = 300 * time.Millisecond
	cpu := func() time.Duration {
		var u unix.Rusage
		unix.Getrusage(unix.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		waits := func(what string, f func(deadline time.Time) error) {
			t.Helper()
			before := cpu()
			err := f(time.Now().Add(interval))
			if worked := cpu() - before; !errors.Is(err, os.ErrDeadlineExceeded) || worked > interval/3 {
				t.Errorf("%s: %v, and the process worked for %v while it waited for %v", what, err, worked, interval)
			}
		}
		a, peer := pair(t, weir, "tcp")
		in, client := pair(t, weir, "tcp")
		out, _ := pair(t, weir, "tcp")
		full, _ := a.(*aio.TCPConn).SyscallConn()
		for moved := true; moved; time.Sleep(10 * time.Millisecond) { // until there is no room
			full.Control(func(fd uintptr) {
				n, err := unix.SendmsgN(int(fd), make([]byte, 1<<20), nil, nil, unix.MSG_DONTWAIT)
				moved = n > 0 && err == nil
			})
		}
		peer.(*aio.TCPConn).CloseWrite()
		raw, _ := client.(*aio.TCPConn).SyscallConn()
		raw.Control(func(fd uintptr) { unix.Sendto(int(fd), []byte("!"), unix.MSG_OOB, nil) })
		client.Write([]byte("x"))
		u, err := weir.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		raw, _ = u.SyscallConn()
		raw.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1) })
		closed, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		u.WriteTo([]byte("x"), closed.LocalAddr())
		u.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		u.Read(make([]byte, 1)) // ECONNREFUSED, once
		r.do(func(task *Task) {
			a, in, out := task.Conn(a), task.Conn(in), task.Conn(out)
			u := task.Conn(u).(*aio.UDPConn)
			waits("Write", func(d time.Time) error {
				a.SetWriteDeadline(d)
				_, err := a.Write(make([]byte, 1<<20))
				return err
			})
			waits("RawConn.Write", func(d time.Time) error {
				a.SetWriteDeadline(d)
				raw, _ := a.(*aio.TCPConn).SyscallConn()
				return raw.Write(func(fd uintptr) bool {
					_,
						err := unix.Write(int(fd), make([]byte, 1<<16))
					return err == nil
				})
			})
			waits("Copy", func(d time.Time) error {
				in.SetReadDeadline(d)
				n, err := io.Copy(out, in)
				if n != 1 {
					t.Errorf("copied %d bytes behind urgent data, want 1", n)
				}
				return err
			})
			waits("Read", func(d time.Time) error {
				u.SetReadDeadline(d)
				_, err := u.Read(make([]byte, 1))
				return err
			})
			waits("ReadBatch", func(d time.Time) error {
				u.SetReadDeadline(d)
				_, err := u.ReadBatch(context.Background(), []aio.Packet{{Buf: make([]byte, 1)}})
				return err
			})
		})
	})
}
