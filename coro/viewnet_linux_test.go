//go:build !weir_portable

package coro

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/weirgo/weir/aio"
)

// TestViewAccepts guards Accepts in a coroutine: others on the thread run while it waits, the
// listener can be closed from inside and from outside, a cancel ends it, and what was accepted
// ahead is not lost.
func TestViewAccepts(t *testing.T) {
	const clients = 150
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		listen := func() net.Listener {
			ln, err := weir.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
			return ln
		}
		ln := listen()
		server := r.spawn(func(task *Task) {
			view := task.Listener(ln).(*aio.TCPListener)
			served := 0
			serve := func(c net.Conn) {
				c = task.Conn(c)
				io.WriteString(c, "served")
				c.Close()
				served++
			}
			for served < clients/2 {
				for c, err := range view.Accepts(task) {
					if err != nil {
						t.Error(err)
						return
					}
					if serve(c); served%20 == 0 {
						break
					}
				}
				c, err := view.Accept() // takes what Accepts had accepted
				if err != nil {
					t.Error(err)
					return
				}
				serve(c)
			}
			var last error
			for c, err := range view.Accepts(task) {
				if last = err; err == nil {
					if serve(c); served == clients {
						view.Close()
					}
				}
			}
			if !errors.Is(last, net.ErrClosed) || served != clients {
				t.Errorf("served %d, ended by %v", served, last)
			}
		})
		others := r.spawn(func(task *Task) {
			for range clients {
				child(task, func(task *Task) {
					c, err := task.Dial("tcp", ln.Addr().String())
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					if got, err := io.ReadAll(c); string(got) != "served" || err != nil {
						t.Errorf("%q, %v", got, err)
					}
				})
			}
		})
		r.wait(others)
		r.wait(server)

		ln = listen()
		closed := make(chan error, 1)
		r.do(func(task *Task) {
			accepts := func(task *Task) (last error) {
				for _, err := range task.Listener(ln).(*aio.TCPListener).Accepts(context.Background()) {
					last = err
				}
				return last
			}
			h := failing(task, accepts)
			waiting(task, h)
			h.Cancel()
			if _, err := h.Wait(task); !errors.Is(err, ErrCanceled) {
				t.Errorf("cancelled: %v", err)
			}
			h = failing(task, accepts)
			waiting(task, h)
			go func() { closed <- ln.Close() }()
			if _, err := h.Wait(task); !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed outside: %v", err)
			}
		})
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// TestViewPackets guards packets and batches of them in a coroutine that shares its thread with the
// other end.
func TestViewPackets(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		socket := func() *aio.UDPConn {
			c, err := weir.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return c
		}
		a, b := socket(), socket()
		server := r.spawn(func(task *Task) {
			c := task.Conn(a).(*aio.UDPConn)
			ps := make([]aio.Packet, 8)
			for i := range ps {
				ps[i].Buf = make([]byte, 100)
			}
			for {
				n, err := c.ReadBatch(context.Background(), ps)
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				for _, p := range ps[:n] {
					if _, err := c.WriteBatch(context.Background(),
						[]aio.Packet{{Buf: bytes.ToUpper(p.Buf[:p.N]), Addr: p.Addr}}); err != nil {
						t.Error(err)
					}
				}
			}
		})
		client := r.spawn(func(task *Task) {
			c := task.Conn(b).(*aio.UDPConn)
			buf := make([]byte, 100)
			for range 100 {
				if _, err := c.WriteTo([]byte("packet"), a.LocalAddr()); err != nil {
					t.Error(err)
				}
				if n, _, err := c.ReadFrom(buf); string(buf[:n]) != "PACKET" || err != nil {
					t.Errorf("%q, %v", buf[:n], err)
				}
			}
		})
		r.wait(client)
		a.Close()
		r.wait(server)
	})
}

// TestViewCopy guards a proxy in coroutines, whose io.Copy splices: both ends and the proxy share
// one thread.
func TestViewCopy(t *testing.T) {
	data := bytes.Repeat([]byte("through the kernel "), 100_000)
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		in, from := pair(t, weir, "tcp")
		to, out := pair(t, weir, "tcp")
		sender := r.spawn(func(task *Task) {
			c := task.Conn(in)
			if _, err := c.Write(data); err != nil {
				t.Error(err)
			}
			c.Close()
		})
		proxy := r.spawn(func(task *Task) {
			from, to := task.Conn(from), task.Conn(to)
			if n, err := io.Copy(to, from); n != int64(len(data)) || err != nil {
				t.Errorf("copied %d, %v", n, err)
			}
			to.Close()
		})
		receiver := r.spawn(func(task *Task) {
			if got, err := io.ReadAll(task.Conn(out)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("received %d bytes, %v", len(got), err)
			}
		})
		r.wait(sender)
		r.wait(proxy)
		r.wait(receiver)
	})
}
