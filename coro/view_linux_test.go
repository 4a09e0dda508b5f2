//go:build !weir_portable

package coro

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// eachDrive runs f with an IO on each drive, which decides what views try by themselves.
func eachDrive(t *testing.T, f func(t *testing.T, io *aio.IO, r *rig)) {
	t.Helper()
	for _, d := range []string{"auto", "thread", "scheduler"} {
		t.Run(d, func(t *testing.T) {
			if only := os.Getenv("WEIR_DRIVE"); only != "" && only != d {
				t.Skip("WEIR_DRIVE is", only)
			}
			io := open(t, aio.Options{Drive: d})
			f(t, io, onSystem(t, Options{IO: io}))
		})
	}
}

// pair returns the two ends of a connection.
func pair(t testing.TB, io *aio.IO, network string) (a, b net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	ln, err := io.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = io.Dial(network, ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// TestViewsTalk guards that two coroutines on one thread talk through views, far more than the
// buffers of the kernel hold, and that code which knows net.Conn alone does it.
func TestViewsTalk(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		for _, network := range []string{"tcp", "unix"} {
			a, b := pair(t, weir, network)
			sent := make([]byte, 4<<20)
			rand.Read(sent)
			server := r.spawn(func(task *Task) {
				c := task.Conn(b)
				if n, err := io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c}); n != int64(len(sent)) ||
					err != nil {
					t.Errorf("%s: copied %d, %v", network, n, err)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			client := r.spawn(func(task *Task) {
				c := task.Conn(a)
				w := child(task, func(task *Task) {
					c := task.Conn(a)
					w := bufio.NewWriterSize(c, 100<<10)
					if _, err := w.Write(sent); err != nil {
						t.Error(err)
					}
					w.Flush()
					c.(interface{ CloseWrite() error }).CloseWrite()
				})
				got, err := io.ReadAll(bufio.NewReader(c))
				if err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%s: read %d bytes, %v", network, len(got), err)
				}
				w.Wait(task)
			})
			r.wait(client)
			r.wait(server)
			if c, ok := b.(interface{ RemoteAddr() net.Addr }); !ok || c.RemoteAddr() == nil {
				t.Error("no address")
			}
		}
	})
}

// TestViewClose guards that Close, of the connection or of any view, by a goroutine or a coroutine,
// ends what waits in all of them, and comes back when that is over.
func TestViewClose(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		for _, by := range []string{"goroutine", "other view", "own view of another task", "second scheduler"} {
			a, _ := pair(t, weir, "tcp")
			r2 := onSystem(t, Options{IO: weir})
			var up WaitGroup
			up.Add(3)
			read := func(task *Task) {
				c := task.Conn(a)
				up.Done()
				if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: Read of a view: %v", by, err)
				}
				if _, err := c.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: Write of a view that is closed: %v", by, err)
				}
				if err := c.Close(); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: Close again: %v", by, err)
				}
			}
			h := []*Handle[int]{r.spawn(read), r2.spawn(read)}
			var wg sync.WaitGroup
			wg.Go(func() {
				up.Done()
				if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("%s: Read: %v", by, err)
				}
			})
			up.Wait(context.Background())
			closeIt := func(task *Task) {
				task.Sleep(time.Millisecond)
				if err := task.Conn(a).Close(); err != nil {
					t.Errorf("%s: Close: %v", by, err)
				}
			}
			switch by {
			case "goroutine":
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			case "second scheduler":
				r2.do(closeIt)
			default:
				r.do(closeIt)
			}
			for i, r := range []*rig{r, r2} {
				r.wait(h[i])
			}
			wg.Wait()
			if err := r2.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestViewDeadline guards that a deadline set anywhere holds everywhere, also in a view made later,
// and can be moved while a call waits.
func TestViewDeadline(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		a, b := pair(t, weir, "tcp")
		r.do(func(task *Task) {
			c := task.Conn(a)
			reader := failing(task, func(task *Task) error { _, err := task.Conn(a).Read(make([]byte, 1)); return err })
			waiting(task, reader)
			a.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := reader.Wait(task); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("moved by the connection: %v", err)
			}
			if _, err := task.Conn(a).Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("a view made later: %v", err)
			}
			c.SetDeadline(time.Time{})
			reader = failing(task, func(task *Task) error { _, err := task.Conn(a).Read(make([]byte, 1)); return err })
			waiting(task, reader)
			c.SetDeadline(time.Now())
			if _, err := reader.Wait(task); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("moved by another view: %v", err)
			}
			c.SetDeadline(time.Time{})
			go b.Write([]byte{5})
			buf := make([]byte, 1)
			if n, err := c.Read(buf); n != 1 || buf[0] != 5 || err != nil {
				t.Errorf("afterwards: %d, %v", n, err)
			}
			if err := task.Timeout(time.Millisecond,
				func() error { _, err := c.Read(buf); return err }); err != ErrTimeout {
				t.Errorf("Timeout: %v", err)
			}
			ctx, cancel := context.WithTimeout(task, time.Millisecond)
			defer cancel()
			if _, err := c.(*aio.TCPConn).ReadContext(ctx, buf); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("ReadContext: %v", err)
			}
		})
		if _, err := a.Write([]byte{1}); err != nil {
			t.Errorf("the connection when the task is over: %v", err)
		}
	})
}

// TestViewTurns guards that writes of coroutines and goroutines on one connection never mix, in
// whatever way each waits, and that one that is cancelled while it waits for the lock stops waiting
// for it.
func TestViewTurns(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		a, b := pair(t, weir, "unix")
		r2 := onSystem(t, Options{IO: weir})
		const writers, size = 6, 300 << 10
		var wg sync.WaitGroup
		for i := range writers {
			msg := bytes.Repeat([]byte{byte('a' + i)}, size)
			write := func(c net.Conn) {
				for range 3 {
					if n, err := c.Write(msg); n != size || err != nil {
						t.Errorf("wrote %d, %v", n, err)
					}
				}
			}
			switch i % 3 {
			case 0:
				wg.Go(func() { write(a) })
			default:
				r := []*rig{r, r2}[i%3-1]
				h := r.spawn(func(task *Task) { write(task.Conn(a)) })
				wg.Go(func() { r.wait(h) })
			}
		}
		got := make([]byte, size)
		for range writers * 3 {
			if _, err := io.ReadFull(b, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, bytes.Repeat(got[:1], size)) {
				t.Fatal("two writes have mixed")
			}
		}
		wg.Wait()

		r.do(func(task *Task) {
			first := failing(task, func(task *Task) error { _, err := task.Conn(a).Read(got); return err })
			waiting(task, first)
			second := failing(task, func(task *Task) error { _, err := task.Conn(a).Read(got); return err })
			waiting(task, second)
			third := failing(task, func(task *Task) error { _, err := task.Conn(a).Read(got[:1]); return err })
			waiting(task, third)
			second.task.cancel(ErrCanceled)
			if _, err := second.Wait(task); !errors.Is(err, ErrCanceled) {
				t.Errorf("cancelled in line: %v", err)
			}
			first.task.cancel(ErrCanceled)
			if _, err := first.Wait(task); !errors.Is(err, ErrCanceled) {
				t.Errorf("cancelled in the read: %v", err)
			}
			b.Write([]byte{1})
			if _, err := third.Wait(task); err != nil {
				t.Errorf("the next in line: %v", err)
			}
		})
	})
}

// TestListenerView guards Accept in a coroutine: cancelled, closed, and connections that another
// scheduler serves.
func TestListenerView(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		r2 := onSystem(t, Options{IO: weir})
		ln, err := weir.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		hand := NewQueue[net.Conn](4)
		acceptor := r.spawn(func(task *Task) {
			view := task.Listener(ln)
			for {
				c, err := view.Accept()
				if errors.Is(err, net.ErrClosed) {
					break
				}
				if err != nil {
					t.Error(err)
				}
				hand.Send(task, c)
			}
			hand.Close()
		})
		server := r2.spawn(func(task *Task) {
			for {
				conn, err := hand.Recv(task)
				if err != nil {
					return
				}
				child(task, func(task *Task) {
					c := task.Conn(conn)
					defer c.Close()
					line, err := bufio.NewReader(c).ReadString('\n')
					if err != nil {
						t.Error(err)
					}
					fmt.Fprint(c, strings.ToUpper(line))
				})
			}
		})
		clients := r.spawn(func(task *Task) {
			for range 20 {
				child(task, func(task *Task) {
					c, err := task.Dial("tcp", ln.Addr().String())
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					fmt.Fprint(c, "hello\n")
					if got, err := io.ReadAll(c); string(got) != "HELLO\n" || err != nil {
						t.Errorf("%q, %v", got, err)
					}
				})
			}
		})
		r.wait(clients)
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		r.wait(acceptor)
		r2.wait(server)

		ln, err = weir.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		r.do(func(task *Task) {
			h := failing(task, func(task *Task) error { _, err := task.Listener(ln).Accept(); return err })
			waiting(task, h)
			h.task.cancel(ErrCanceled)
			if _, err := h.Wait(task); !errors.Is(err, ErrCanceled) {
				t.Errorf("Accept: %v", err)
			}
			if err := task.Listener(ln).Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(ln.Addr().String()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket's file: %v", err)
			}
			if _, err := task.Dial("unix", ln.Addr().String()); err == nil {
				t.Error("connected to nobody")
			}
		})
	})
}

// TestViewMisuse guards that views are refused outside of their coroutine, before, while and after
// it runs, and that only what is of package aio has views.
func TestViewMisuse(t *testing.T) {
	for _, check := range checks() {
		t.Run(fmt.Sprint("check ", check), func(t *testing.T) { testViewMisuse(t, check) })
	}
}

func testViewMisuse(t *testing.T, check bool) {
	weir := open(t, aio.Options{})
	r := onSystem(t, Options{IO: weir, Check: check})
	a, _ := pair(t, weir, "tcp")
	var view net.Conn
	panics := func(f func()) (p any) {
		defer func() { p = recover() }()
		f()
		return nil
	}
	use := func(when string) {
		t.Helper()
		for what, f := range map[string]func(){
			"Read": func() { view.Read(make([]byte, 1)) }, "Write": func() { view.Write([]byte{1}) },
			"Close": func() { view.Close() },
		} {
			if p := fmt.Sprint(panics(f)); !strings.Contains(p, "outside its coroutine") {
				t.Errorf("%s %s: %v", what, when, p)
			}
		}
	}
	r.do(func(task *Task) {
		view = task.Conn(a)
		done := make(chan struct{})
		go func() { use("by a goroutine while the task runs"); close(done) }()
		<-done
		h := child(task, func(*Task) { use("by another task") })
		h.Wait(task)
		task.Blocking(func() { use("by a goroutine while the task waits") })
		std, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Error(err)
			return
		}
		defer std.Close()
		if p := panics(func() { task.Listener(std) }); p == nil {
			t.Error("a view of package net's")
		}
		if p := panics(func() { task.Conn(nil) }); p == nil {
			t.Error("a view of nothing")
		}
		if p := panics(func() { task.Conn(&aio.TCPConn{}) }); p == nil {
			t.Error("a view of a zero value")
		}
	})
	use("after the task")
	if _, err := a.Write([]byte{1}); err != nil {
		t.Errorf("the connection itself: %v", err)
	}
}

// TestViewFairness guards that a coroutine whose calls never have to wait lets others run: one that
// sends what there is always room for, and one that receives what is there already. Starvation:
// mio#45, mio#1076, libuv#3301.
func TestViewFairness(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		a, b := pair(t, weir, "tcp")
		turns, over := 0, false
		other := r.spawn(func(task *Task) {
			for ; !over; turns++ {
				task.Yield()
			}
		})
		r.wait(r.spawn(func(task *Task) {
			in, out := task.Conn(b), task.Conn(a)
			p := make([]byte, 1)
			for name, call := range map[string]func([]byte) (int, error){"send": out.Write, "receive": in.Read} {
				if name == "receive" {
					out.Write(make([]byte, 200))
				}
				last, row := turns, 0
				for range 100 {
					if _, err := call(p); err != nil {
						t.Error(err)
					}
					if row++; turns != last {
						last, row = turns, 0
					}
					if row > maxDirect {
						t.Errorf("no other coroutine ran during %d calls in a row that %s", row, name)
						break
					}
				}
			}
			over = true
		}))
		r.wait(other)
	})
}

// TestViewYields guards that a coroutine which finds nothing to read lets those run that are ready
// before it goes to the loop: what they send it reads by itself.
func TestViewYields(t *testing.T) {
	weir := open(t, aio.Options{Drive: "auto"})
	r := onSystem(t, Options{IO: weir})
	a, b := pair(t, weir, "tcp")
	before := r.Stats().Loop
	r.wait(r.spawn(func(task *Task) {
		in, p := task.Conn(a), make([]byte, 9)
		for range 50 {
			sends := child(task, func(task *Task) { task.Conn(b).Write([]byte("x")) })
			if n, err := in.Read(p); n != 1 || err != nil {
				t.Error(n, err)
			}
			sends.Wait(task)
		}
	}))
	after := r.Stats().Loop
	if n := after.Ops["recv"] - before.Ops["recv"]; n > 5 {
		t.Errorf("%d of 50 reads went through the loop", n)
	}
	if n := after.Direct - before.Direct; n < 50+45 {
		t.Errorf("%d of 50 reads and 50 writes are counted as done without the loop", n)
	}
}

// TestViewRetries goes through what can happen to a read that has been left to the scheduler and
// stands in the ready queue.
func TestViewRetries(t *testing.T) {
	weir := open(t, aio.Options{Drive: "auto"})
	r := onSystem(t, Options{IO: weir})
	for _, tt := range []struct {
		name string
		do   func(task *Task, in, out net.Conn, reader *Handle[int])
		n    int
		err  error
		next error // of the read after that
	}{
		{"data", func(_ *Task, _, out net.Conn, _ *Handle[int]) { out.Write([]byte("xyz")) }, 3, nil, io.EOF},
		{"the end", func(_ *Task, _, out net.Conn, _ *Handle[int]) { out.Close() }, 0, io.EOF, io.EOF},
		{"an error", func(_ *Task, _, out net.Conn, _ *Handle[int]) {
			out.(*aio.TCPConn).SetLinger(0)
			out.Close()
		}, 0, syscall.ECONNRESET, io.EOF},
		{"data, then cancelled", func(_ *Task, _, out net.Conn, reader *Handle[int]) {
			out.Write([]byte("xyz"))
			reader.Cancel()
		}, 3, nil, ErrCanceled},
		{"data, then a deadline", func(_ *Task, in, out net.Conn, _ *Handle[int]) {
			out.Write([]byte("xyz"))
			in.SetReadDeadline(time.Unix(1, 0))
		}, 3, nil, os.ErrDeadlineExceeded},
		{"a deadline", func(_ *Task, in, _ net.Conn, _ *Handle[int]) { in.SetReadDeadline(time.Unix(1, 0)) },
			0, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded},
		{"closed", func(_ *Task, in, _ net.Conn, _ *Handle[int]) { in.Close() }, 0, net.ErrClosed, net.ErrClosed},
		{"nothing, and data for the loop", func(task *Task, _, out net.Conn, reader *Handle[int]) {
			waiting(task, reader)
			out.Write([]byte("xyz"))
		}, 3, nil, io.EOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := pair(t, weir, "tcp")
			r.wait(r.spawn(func(task *Task) {
				reader := child(task, func(task *Task) {
					in, p := task.Conn(a), make([]byte, 9)
					if n, err := in.Read(p); n != tt.n || !errors.Is(err, tt.err) || string(p[:n]) != "xyz"[:n] {
						t.Errorf("%q, %v, want %d bytes and %v", p[:n], err, tt.n, tt.err)
					}
					if n, err := in.Read(p); n != 0 || !errors.Is(err, tt.next) {
						t.Errorf("and then %d, %v, want %v", n, err, tt.next)
					}
				})
				for reader.task.state != stateReady || reader.task.retry.call == nil {
					if task.Yield(); reader.task.state == stateDone {
						t.Error("the read has not been left to the scheduler")
						return
					}
				}
				in, out := task.Conn(a), task.Conn(b)
				tt.do(task, in, out, reader)
				if tt.next == io.EOF {
					out.Close()
				}
				reader.Wait(task)
				out.Close()
				if reader.task.retry.p != nil || reader.task.retry.call != nil {
					t.Error("the scheduler keeps the buffer, or goes on trying")
				}
			}))
		})
	}
}
