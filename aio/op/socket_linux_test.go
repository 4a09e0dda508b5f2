package op_test

import (
	"bytes"
	"errors"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
)

// A server and a client made of nothing but operations: socket, bind, listen, accept, connect, send
// and receive in all forms, shutdown, close.
func TestSockets(t *testing.T) {
	for name, family := range map[string]struct {
		domain int
		addr   func(t *testing.T) net.Addr
	}{
		"tcp4": {unix.AF_INET, func(*testing.T) net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }},
		"tcp6": {unix.AF_INET6, func(*testing.T) net.Addr { return &net.TCPAddr{IP: net.IPv6loopback} }},
		"unix": {unix.AF_UNIX, func(t *testing.T) net.Addr {
			return &net.UnixAddr{Name: t.TempDir() + "/s",
				Net: "unix"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, r *on) {
				l, addr := op.Socket(family.domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0), family.addr(t)
				err := r.do(l.Link(), op.Bind(-1, addr).From(l).Link(), op.Listen(-1, 8).From(l))
				if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
					unix.Close(l.N)
					t.Skip(err)
				} else if err != nil {
					t.Fatal(err)
				}
				if flags, err := unix.FcntlInt(uintptr(l.N), unix.F_GETFD, 0); err != nil ||
					flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("not closed on exec: %#x, %v", flags, err)
				}
				addr = nameOf(t, l.N, addr)
				c := op.Socket(family.domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
				accept := op.Accept(l.N, unix.SOCK_NONBLOCK)
				r.ok(accept, c.Link(), op.Connect(-1, addr).From(c))
				if got, want := accept.Addr(), nameOf(t, c.N, addr); got == nil || strings.TrimPrefix(got.String(),
					"@") != strings.TrimPrefix(want.String(), "@") {
					t.Errorf("the peer is %v, want %v", got, want)
				}
				s, buf, buf2 := accept.N, make([]byte, 5), make([]byte, 100)
				recv := op.Recv(s, buf2, 0)
				send := op.Send(c.N, []byte("hello"), 0)
				r.ok(recv, send)
				if recv.N != 5 || string(buf2[:5]) != "hello" || send.N != 5 {
					t.Errorf("received %d, %q", recv.N, buf2)
				}
				all := op.Recv(s, buf, unix.MSG_WAITALL)
				sendMsg := op.SendMsg(c.N, &op.Msg{Bufs: [][]byte{[]byte("he"), []byte("l")}}, 0)
				r.ok(all, sendMsg.Link(), op.Timeout(short).Link(), op.Send(c.N, []byte("lo"), 0))
				if all.N != 5 || string(buf) != "hello" {
					t.Errorf("received %d, %q", all.N, buf)
				}
				m := &op.Msg{Bufs: [][]byte{make([]byte, 2), make([]byte, 10)}}
				recvMsg := op.RecvMsg(s, m, 0)
				r.ok(recvMsg, op.Send(c.N, []byte("hello"), 0))
				if recvMsg.N != 5 || string(m.Bufs[0])+string(m.Bufs[1][:3]) != "hello" {
					t.Errorf("received %d, %q", recvMsg.N, m.Bufs)
				}
				r.fails(unix.EAGAIN, op.Recv(s, buf, unix.MSG_DONTWAIT))
				r.fails(unix.EISCONN, op.Connect(c.N, addr))
				r.fails(unix.EINVAL, op.Accept(c.N, 0))
				r.fails(unix.EINVAL, op.Bind(l.N, family.addr(t)))
				end := op.Recv(s, buf, 0)
				if r.ok(end, op.Shutdown(c.N, unix.SHUT_WR)); end.N != 0 {
					t.Errorf("after the end: %d", end.N)
				}
				r.fails(unix.EPIPE, op.Send(c.N, buf, 0))
				r.fails(unix.EPIPE, op.SendMsg(c.N, &op.Msg{Bufs: [][]byte{buf}}, 0))
				gone := c.N
				r.ok(op.CloseSocket(c.N), op.CloseSocket(s), op.CloseSocket(l.N))
				r.fails(unix.EBADF, op.Recv(gone, buf, 0))
				r.refused(family.domain, addr)
			})
		})
	}
}

// refused waits until no socket listens on addr. A worker thread of io_uring did the bind to a
// path, and the thread that submitted it releases the socket when it runs next.
func (r *on) refused(domain int, addr net.Addr) {
	r.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		s := op.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		c := op.Connect(-1, addr).From(s)
		r.do(s.Link(), c)
		if s.Err != nil {
			r.Fatal(s.Err)
		}
		r.ok(op.Close(s.N))
		if errors.Is(c.Err, unix.ECONNREFUSED) {
			return
		}
		if c.Err != nil && c.Err != unix.EAGAIN || time.Now().After(limit) { // EAGAIN: the backlog is full
			r.Fatalf("the listener is closed, and connect says %v", c.Err)
		}
	}
}

// nameOf is the address of a socket, of the kind that like is.
func nameOf(t *testing.T, fd int, like net.Addr) net.Addr {
	t.Helper()
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrInet6:
		return &net.TCPAddr{IP: sa.Addr[:], Port: sa.Port}
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return like
}

func TestSocketErrors(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		fd, _ := r.file("x")
		s := op.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		r.ok(s)
		defer unix.Close(s.N)
		buf := make([]byte, 1)
		any4 := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
		msg := func() *op.Msg { return &op.Msg{Bufs: [][]byte{buf}} }
		for _, tt := range []struct {
			o    *op.Op
			want error
		}{
			{op.Socket(99, unix.SOCK_STREAM, 0), unix.EAFNOSUPPORT}, {op.Socket(unix.AF_INET, unix.SOCK_STREAM, 99),
				unix.EPROTONOSUPPORT},
			{op.Socket(unix.AF_INET, 0, 0), unix.ESOCKTNOSUPPORT}, {op.Socket(unix.AF_INET, 99, 0), unix.EINVAL},
			{op.Bind(-1, any4), unix.EBADF}, {op.Bind(fd, any4), unix.ENOTSOCK},
			{op.Bind(s.N, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}), unix.EADDRNOTAVAIL},
			{op.Bind(s.N, &net.UnixAddr{Name: "x"}), unix.EINVAL},
			{op.Listen(-1, 1), unix.EBADF}, {op.Listen(fd, 1), unix.ENOTSOCK},
			{op.Connect(-1, any4), unix.EBADF}, {op.Connect(fd, any4), unix.ENOTSOCK},
			{op.Accept(-1, 0), unix.EBADF}, {op.Accept(fd, 0), unix.ENOTSOCK}, {op.Accept(s.N, 0), unix.EINVAL},
			{op.Recv(-1, buf, 0), unix.EBADF}, {op.Recv(fd, buf, 0), unix.ENOTSOCK},
			{op.Recv(s.N, buf, 0), unix.ENOTCONN},
			{op.Send(-1, buf, 0), unix.EBADF}, {op.Send(fd, buf, 0), unix.ENOTSOCK}, {op.Send(s.N, buf, 0), unix.EPIPE},
			{op.SendZC(-1, buf, 0), unix.EBADF}, {op.SendZC(fd, buf, 0), unix.ENOTSOCK},
			{op.RecvMsg(-1, msg(), 0), unix.EBADF}, {op.RecvMsg(fd, msg(), 0), unix.ENOTSOCK},
			{op.SendMsg(-1, msg(), 0), unix.EBADF}, {op.SendMsg(fd, msg(), 0), unix.ENOTSOCK},
			{op.SendMsgZC(-1, msg(), 0), unix.EBADF}, {op.SendMsgZC(fd, msg(), 0), unix.ENOTSOCK},
			{op.Shutdown(-1, unix.SHUT_RD), unix.EBADF}, {op.Shutdown(fd, unix.SHUT_RD), unix.ENOTSOCK},
			{op.Shutdown(s.N, unix.SHUT_RD), unix.ENOTCONN}, {op.Shutdown(s.N, 9), unix.EINVAL},
			{op.Poll(-1, unix.POLLIN), unix.EBADF},
		} {
			r.fails(tt.want, tt.o)
		}
	})
}

// Sends without a copy: the buffer is free when they are over, and what arrives is what was sent.
func TestSendZC(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := op.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		r.ok(c.Link(), op.Connect(-1, l.Addr()).From(c))
		defer unix.Close(c.N)
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		buf := make([]byte, 40000)
		for i := range byte(20) {
			for j := range buf {
				buf[j] = i
			}
			o := op.SendZC(c.N, buf, unix.MSG_WAITALL)
			if i%2 == 1 {
				o = op.SendMsgZC(c.N, &op.Msg{Bufs: [][]byte{buf[:10], buf[10:]}}, unix.MSG_WAITALL)
			}
			got := make(chan []byte)
			go func() {
				p := make([]byte, len(buf))
				for n := 0; n < len(p); {
					k, err := peer.Read(p[n:])
					if err != nil {
						break
					}
					n += k
				}
				got <- p
			}()
			r.ok(o)
			if o.N != len(buf) {
				t.Fatalf("sent %d", o.N)
			}
			for j := range buf { // it is ours again
				buf[j] = 99
			}
			if p := <-got; !bytes.Equal(p, bytes.Repeat([]byte{i}, len(buf))) {
				t.Fatalf("round %d: something else arrived", i)
			}
		}
		// A unix socket has no such send.
		a, b := r.pair()
		text, recv := op.SendZC(a, []byte("hello"), 0), op.Recv(b, make([]byte, 7), unix.MSG_WAITALL)
		r.ok(text.Link(), op.SendMsgZC(a, &op.Msg{Bufs: [][]byte{[]byte("!!")}}, 0), recv)
		if text.N != 5 || recv.N != 7 {
			t.Errorf("on a unix socket: sent %d, received %d", text.N, recv.N)
		}
	})
}

// Data in the kernel from one descriptor to another; one that waits does so without a thread, and
// can be cancelled.
func TestSplice(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		fd, _ := r.file("0123456789")
		to, name := r.file("")
		_ = name
		rd, wr := r.pipe()
		rd2, wr2 := r.pipe()
		in, tee, out := op.Splice(fd, 2, wr, op.Stream, 5, 0), op.Tee(rd, wr2, 5, 0),
			op.Splice(rd, op.Stream, to, 3, 5, 0)
		r.ok(in.Link(), tee.Link(), out)
		if in.N != 5 || tee.N != 5 || out.N != 5 {
			t.Errorf("moved %d, %d, %d", in.N, tee.N, out.N)
		}
		got, got2 := make([]byte, 10), make([]byte, 10)
		r1, r2 := op.Read(to, got, 0), op.Read(rd2, got2, op.Stream)
		r.ok(r1, r2)
		if string(got[:r1.N]) != "\x00\x00\x0023456" || string(got2[:r2.N]) != "23456" {
			t.Errorf("arrived: %q and %q", got[:r1.N], got2[:r2.N])
		}
		waits := op.Splice(rd, op.Stream, to, 0, 5, 0)
		tees := op.Tee(rd, wr2, 5, 0)
		b := op.Start(r.l, waits, op.Timeout(short).Link(), op.Write(wr, []byte("late!"), op.Stream))
		if err := b.Wait(bg); err != nil || waits.N != 5 {
			t.Errorf("one that waits: %v, %d", err, waits.N)
		}
		r.do(waits.Link(), op.LinkTimeout(short), tees.Link(), op.LinkTimeout(short))
		if got := results(waits, tees); got != "deadline deadline" {
			t.Error(got)
		}
		waits.ClearLink()
		tees.ClearLink()
		r.fails(unix.EAGAIN, op.Splice(rd, op.Stream, to, 0, 5, unix.SPLICE_F_NONBLOCK))
		r.fails(unix.EAGAIN, op.Tee(rd, wr2, 5, unix.SPLICE_F_NONBLOCK))
		r.fails(unix.EBADF, op.Splice(-1, op.Stream, wr, op.Stream, 5, 0))
		r.fails(unix.EBADF, op.Splice(fd, 0, -1, op.Stream, 5, 0))
		r.fails(unix.EINVAL, op.Splice(fd, 0, to, 0, 5, 0))
		r.ok(op.Write(wr, []byte("x"), op.Stream))
		r.fails(unix.ESPIPE, op.Splice(rd, 1, to, 0, 5, 0))
		r.fails(unix.EBADF, op.Tee(-1, wr, 5, 0))
		r.fails(unix.EINVAL, op.Tee(fd, wr, 5, 0))
		full := op.Splice(fd, 0, wr, op.Stream, 5, 0)
		for {
			if _, err := unix.Write(wr, make([]byte, 4096)); err != nil {
				break
			}
		}
		b = op.Start(r.l, full, op.Timeout(short).Link(), op.Read(rd, make([]byte, 1<<16), op.Stream))
		if err := b.Wait(bg); err != nil || full.N != 5 {
			t.Errorf("one that waits for room: %v, %d", err, full.N)
		}
	})
}

// A pipe from an operation.
func TestPipe(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		p := op.Pipe(unix.O_NONBLOCK)
		r.ok(p)
		rd, wr := p.Ends()
		defer unix.Close(rd)
		defer unix.Close(wr)
		for _, fd := range []int{rd, wr} {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("not closed on exec: %#x, %v", flags, err)
			}
		}
		buf := make([]byte, 2)
		read := op.Read(rd, buf, op.Stream)
		if r.ok(read, op.Write(wr, []byte("ab"), op.Stream)); string(buf) != "ab" {
			t.Errorf("read %q", buf)
		}
		r.fails(unix.EINVAL, op.Pipe(1))
	})
}

// Children: exit statuses, signals, none at all, and one that outlives its wait.
func TestWaitChild(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		spawn := func(script string) (pid, pidfd int) {
			t.Helper()
			cmd := exec.Command("/bin/sh", "-c", script)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
			if err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { unix.Close(pidfd) })
			pid = cmd.Process.Pid
			if err := cmd.Process.Release(); err != nil { // it is for the operation to wait for
				t.Fatal(err)
			}
			return pid, pidfd
		}
		pid, fd := spawn("exit 7")
		w := op.WaitChild(fd)
		r.ok(w)
		if got := w.Child(); got != (op.Child{Pid: pid, Code: 1, Status: 7}) {
			t.Errorf("%+v", got)
		}
		r.fails(unix.ECHILD, w)
		pid, fd = spawn("exec sleep 1000") // no shell that leaves it behind
		w = op.WaitChild(fd)
		none := op.Waitid(unix.P_PIDFD, fd, unix.WEXITED|unix.WNOHANG)
		r.ok(none)
		if none.Child() != (op.Child{}) {
			t.Errorf("WNOHANG: %+v", none.Child())
		}
		r.do(w.Link(), op.LinkTimeout(short))
		if got := results(w); got != "deadline" {
			t.Error(got)
		}
		b := op.Start(r.l, w.ClearLink())
		unix.Kill(pid, unix.SIGKILL)
		if err := b.Wait(bg); err != nil || w.Child() != (op.Child{Pid: pid, Code: 2, Status: 9}) {
			t.Errorf("%v, %+v", err, w.Child())
		}
		r.fails(unix.EBADF, op.WaitChild(-1), unix.EINVAL)
		pid, _ = spawn("exit 3")
		w = op.Waitid(unix.P_PID, pid, unix.WEXITED)
		if r.ok(w); w.Child().Status != 3 {
			t.Errorf("by its number: %+v", w.Child())
		}
	})
}

// Futexes: one that has changed already, one that is woken, one that is cancelled.
func TestFutex(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		word := new(atomic.Uint32)
		word.Store(5)
		for _, private := range []bool{false, true} {
			r.fails(unix.EAGAIN, op.FutexWait(word, 6, private))
			wake := op.FutexWake(word, 10, private)
			if r.ok(wake); wake.N != 0 {
				t.Errorf("%d woken", wake.N)
			}
			wait, wait2 := op.FutexWait(word, 5, private), op.FutexWait(word, 5, private)
			b := op.Start(r.l, wait, wait2, op.Timeout(short).Link(), op.FutexWake(word, 0, private).Link(),
				op.FutexWake(word, 1, private).Link(), wake)
			err := b.Wait(bg)
			if errors.Is(err, unix.EOPNOTSUPP) {
				if results(wait, wait2) != "ENOTSUP ENOTSUP" {
					t.Error(results(wait, wait2))
				}
				continue
			}
			if err != nil || wake.N != 1 {
				t.Errorf("%v, %d woken", err, wake.N)
			}
			r.do(wait.Link(), op.LinkTimeout(short))
			if got := results(wait); got != "deadline" {
				t.Error(got)
			}
		}
	})
}

// Poll says which of what it was asked for is there.
func TestPoll(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		a, b := r.pair()
		p := op.Poll(a, unix.POLLIN|unix.POLLOUT)
		if r.ok(p); p.N != unix.POLLOUT {
			t.Errorf("%#x", p.N)
		}
		p = op.Poll(a, unix.POLLIN)
		r.ok(p, op.Timeout(short).Link(), op.Send(b, []byte("x"), 0))
		if p.N != unix.POLLIN {
			t.Errorf("%#x", p.N)
		}
	})
}

// Rights sent with a message survive whatever becomes of the caller meanwhile.
func TestRights(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		a, b := r.pair()
		fd, _ := r.file("passed on")
		m := &op.Msg{Bufs: [][]byte{make([]byte, 1)}, Control: make([]byte, 64), Addr: &backends.Sockaddr{Len: 128}}
		recv := op.RecvMsg(b, m, 0)
		r.ok(recv, op.SendMsg(a, &op.Msg{Bufs: [][]byte{{1}}, Control: unix.UnixRights(fd)}, 0))
		messages, err := unix.ParseSocketControlMessage(m.Control)
		if err != nil || len(messages) != 1 {
			t.Fatalf("%d messages, %v", len(messages), err)
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Fatal(fds, err)
		}
		buf := make([]byte, 20)
		read := op.Read(fds[0], buf, 0)
		if r.ok(read, op.Timeout(0)); !strings.HasPrefix(string(buf), "passed on") {
			t.Errorf("%q", buf)
		}
		r.ok(op.Close(fds[0]))
	})
}
