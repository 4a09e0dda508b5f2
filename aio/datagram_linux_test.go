//go:build !weir_portable

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// fullReceiver is a unix socket of plain system calls, and a sender to it whose queue there is
// full.
func fullReceiver(t *testing.T, lib *aio.IO, network string, connected bool) (fd int, c *aio.UnixConn, own, full int) {
	t.Helper()
	addr := &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: network}
	kind := unix.SOCK_DGRAM
	if network == "unixpacket" {
		kind = unix.SOCK_SEQPACKET
	}
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: addr.Name})
	}
	if err == nil && kind == unix.SOCK_SEQPACKET {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	if connected {
		c, err = lib.DialUnix(network, nil, addr)
	} else {
		c, err = lib.ListenUnixgram(network, &net.UnixAddr{Name: addr.Name + "c", Net: network})
	}
	if err != nil {
		t.Fatal(err)
	}
	if kind == unix.SOCK_SEQPACKET {
		listener := fd
		if fd, _, err = unix.Accept(listener); err != nil {
			t.Fatal(err)
		}
		unix.Close(listener)
	}
	t.Cleanup(func() { c.Close(); unix.Close(fd) })
	unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 10})
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(n uintptr) { own = int(n) })
	for {
		err := unix.Send(own, []byte("fill"), unix.MSG_DONTWAIT)
		if !connected {
			err = unix.Sendto(own, []byte("fill"), unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: addr.Name})
		}
		if err != nil {
			return fd, c, own, full
		}
		full++
	}
}

// The kernel takes the bytes of a packet before it knows whether there is room, and sent an empty
// one when there was: io_uring alone, and Write returned 0 and no error. A packet that waits for
// room arrives as it was sent, once. A retry that sends something else: seastar#3435.
func TestPacketsThatWait(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		bg := context.Background()
		p := []byte("datagram")
		halves := [][]byte{p[:3], nil, p[3:]}
		count := func(n int64, err error) (int, error) { return int(n), err }
		do := func(o *op.Op, others ...*op.Op) (int, error) {
			err := lib.Do(bg, append([]*op.Op{o}, others...)...)
			return o.N, err
		}
		for _, tt := range []struct {
			name string
			send func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error)
		}{
			{"Write", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) { return c.Write(p) }},
			{"Writev", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) { return count(c.Writev(halves)) }},
			{"WriteMsgUnix", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) {
				n, _, err := c.WriteMsgUnix(p, unix.UnixRights(fd), to)
				return n, err
			}},
			{"WriteTo", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) { return c.WriteTo(p, to) }},
			{"Send", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) { return lib.Send(bg, fd, p, 0) }},
			{"Send with MSG_WAITALL", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) {
				return lib.Send(bg, fd, p, unix.MSG_WAITALL)
			}},
			{"SendMsg", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) {
				return lib.SendMsg(bg, fd, &aio.Msg{Bufs: halves}, 0)
			}},
			{"Write of a descriptor", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int,
				error) {
				return lib.Write(bg, fd, p)
			}},
			{"Writev of a descriptor", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int,
				error) {
				return lib.Writev(bg, fd, halves, -1)
			}},
			{"op.Send", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) { return do(op.Send(fd, p, 0)) }},
			{"op.SendMsg", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) {
				return do(op.SendMsg(fd, &op.Msg{Bufs: halves}, 0))
			}},
			{"op.SendZC", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int,
				error) {
				return do(op.SendZC(fd, p, 0))
			}},
			{"a chain", func(c *aio.UnixConn, fd int, to *net.UnixAddr) (int, error) {
				return do(op.Send(fd, p, 0).Link(), op.Nop())
			}},
		} {
			for _, network := range []string{"unixgram", "unixpacket"} {
				to := network == "unixgram" && (tt.name == "WriteTo" || tt.name == "WriteMsgUnix")
				if tt.name == "WriteTo" && !to {
					continue
				}
				fd, c, own, full := fullReceiver(t, lib, network, !to)
				var addr *net.UnixAddr
				if to {
					sa, err := unix.Getsockname(fd)
					if err != nil {
						t.Fatal(err)
					}
					addr = &net.UnixAddr{Name: sa.(*unix.SockaddrUnix).Name, Net: network}
				}
				sent := make(chan string, 1)
				go func() {
					n, err := tt.send(c, own, addr)
					sent <- fmt.Sprint(n, err)
				}()
				time.Sleep(5 * time.Millisecond)
				buf := make([]byte, 100)
				for range full {
					if n, err := unix.Read(fd, buf); n != 4 || err != nil {
						t.Fatalf("%s on %s: a packet before it: %d, %v", tt.name, network, n, err)
					}
				}
				if n, err := unix.Read(fd, buf); err != nil || !bytes.Equal(buf[:n], p) {
					t.Errorf("%s on %s: %q arrived, %v", tt.name, network, buf[:max(n, 0)], err)
				}
				if s := <-sent; s != fmt.Sprint(len(p), error(nil)) {
					t.Errorf("%s on %s: returned %s", tt.name, network, s)
				}
				if n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT); err != unix.EAGAIN {
					t.Errorf("%s on %s: and one of %d more: %v", tt.name, network, n, err)
				}
			}
		}
	})
}

// A socket that is not connected is always ready to send, whatever room there is at the receiver.
// To wait for that room costs next to nothing, and ends with the deadline.
func TestWriteToAFullReceiver(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		fd, c, _, _ := fullReceiver(t, lib, "unixgram", false)
		sa, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		cpu := func() time.Duration {
			var u syscall.Rusage
			syscall.Getrusage(syscall.RUSAGE_SELF, &u)
			return time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
		const wait = 500 * time.Millisecond
		before := cpu()
		c.SetWriteDeadline(time.Now().Add(wait))
		_, err = c.WriteTo([]byte("datagram"), &net.UnixAddr{Name: sa.(*unix.SockaddrUnix).Name, Net: "unixgram"})
		if !errors.Is(err, os.ErrDeadlineExceeded) { // EAGAIN is a Timeout too
			t.Errorf("at the deadline: %v", err)
		}
		if used := cpu() - before; used > wait/4 {
			t.Errorf("waiting for %v took %v of CPU", wait, used)
		}
	})
}

// A packet of more pieces than one system call takes was cut without an error.
func TestWritevPacketOfManyPieces(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		l, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := lib.Dial("udp", l.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		bufs := make([][]byte, 2000)
		for i := range bufs {
			bufs[i] = []byte{byte(i)}
		}
		n, err := c.(*aio.UDPConn).Writev(bufs)
		if n != 2000 || err != nil {
			t.Errorf("Writev: %d, %v", n, err)
		}
		p := make([]byte, 4000)
		if n, _, err := l.ReadFrom(p); !bytes.Equal(p[:n], bytes.Join(bufs, nil)) || err != nil {
			t.Errorf("%d bytes arrived, %v", n, err)
		}
	})
}
