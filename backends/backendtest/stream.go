package backendtest

import (
	"encoding/binary"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// testPipe catches reads that do not wait, do not wake up, miss the end of the stream, or take
// EPIPE for a signal.
func testPipe(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	o := r.read(rd, 100)
	r.submit(o)
	r.quiet(time.Millisecond)
	if o.done {
		t.Fatalf("%v: %s, though the pipe is empty", o, result(o.res))
	}
	r.writeAll(wr, seq(0, 30))
	r.wait(o)
	if o.res <= 0 || o.res > 30 {
		t.Fatalf("%v: %s, want up to 30", o, result(o.res))
	}
	checkSeq(t, o, o.got(), 0)
	checkSeq(t, "the rest", r.readFull(rd, int(30-o.res)), int(o.res))

	r.writeAll(wr, seq(0, 10)) // what was written before the end comes before the end
	r.closeFD(wr)
	if all := r.readToEnd(rd); len(all) != 10 {
		t.Errorf("10 bytes were written, %d came before the end", len(all))
	}
	r.want(r.read(rd, 10), 0)

	rd, wr = r.pipe()
	o = r.read(rd, 10)
	r.submit(o)
	r.poll(backends.NoWait)
	r.closeFD(wr)
	r.wait(o)
	r.expect(o, 0)

	rd, wr = r.pipe()
	r.closeFD(rd)
	r.want(r.write(wr, []byte("x")), fail(syscall.EPIPE))
}

// testEmptyTransfers catches zero lengths that hang, fail, or count as the end of something.
func testEmptyTransfers(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	a, b := r.socketPair()
	r.want(r.read(rd, 0), 0)
	r.want(r.op(backends.Op{Code: backends.OpRead, FD: rd, Off: backends.Stream}), 0) // a nil buffer
	r.want(r.write(wr, nil), 0)
	r.want(r.op(backends.Op{Code: backends.OpWrite, FD: wr, Off: backends.Stream}), 0)
	r.want(r.send(a, nil, 0), 0)
	r.want(r.op(backends.Op{Code: backends.OpSend, FD: a}), 0)
	r.writeAll(wr, []byte("p"))
	r.writeAll(a, []byte("s"))
	r.want(r.recv(b, 0, 0), 0)
	r.want(r.read(rd, 10), 1)
	r.want(r.recv(b, 10, 0), 1)
}

// testBackpressure catches bytes that are lost, repeated or reordered where the writer is faster
// than the reader and most transfers are short.
func testBackpressure(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	const total = 1 << 19
	transfer := func(read, write func(int) *op) {
		sent, got := 0, 0
		w, rd := write(0), read(100_000)
		r.submit(w, rd)
		for got < total {
			r.until("a transfer", func() bool { return w.done && sent < total || rd.done })
			if w.done && sent < total {
				if w.res <= 0 {
					t.Fatalf("%v: %s after %d bytes", w, result(w.res), sent)
				}
				if sent += int(w.res); sent < total {
					w = write(sent)
					r.submit(w)
				}
			}
			if rd.done {
				if rd.res <= 0 {
					t.Fatalf("%v: %s after %d bytes", rd, result(rd.res), got)
				}
				checkSeq(t, rd, rd.got(), got)
				if got += int(rd.res); got < total {
					rd = read(1 + got%50_000)
					r.submit(rd)
				}
			}
		}
		r.wait(w)
		if got != total {
			t.Fatalf("received %d of %d bytes", got, total)
		}
	}
	piece := func(at int) []byte { return seq(at, min(100_000, total-at)) }
	pr, pw := r.pipe()
	transfer(func(n int) *op { return r.read(pr, n) }, func(at int) *op { return r.write(pw, piece(at)) })
	a, b := r.socketPair()
	transfer(func(n int) *op { return r.recv(b, n, 0) }, func(at int) *op { return r.send(a, piece(at), 0) })
}

// withFD lists one operation of each code that takes a descriptor.
func (r *rig) withFD(fd int) []*op {
	_, addr := r.listener()
	msg := func() *backends.Msg { return &backends.Msg{Bufs: [][]byte{make([]byte, 8)}} }
	return []*op{
		r.read(fd, 8), r.write(fd, seq(0, 8)), r.vec(backends.OpReadv, fd, backends.Stream, 8),
		r.vec(backends.OpWritev, fd, backends.Stream, 8), r.recv(fd, 8, 0), r.send(fd, seq(0, 8), 0),
		r.op(backends.Op{Code: backends.OpRecvMsg, FD: fd, Msg: msg()}),
		r.op(backends.Op{Code: backends.OpSendMsg, FD: fd, Msg: msg()}),
		r.accept(fd, false), r.accept(fd, true), r.connect(fd, addr),
		r.pollFor(fd, pollIn, false), r.pollFor(fd, pollIn, true),
		r.op(backends.Op{Code: backends.OpShutdown, FD: fd, Flags: shutWr}),
		r.op(backends.Op{Code: backends.OpFsync, FD: fd}), r.op(backends.Op{Code: backends.OpFdatasync, FD: fd}),
		r.op(backends.Op{Code: backends.OpClose, FD: fd}),
	}
}

// testBadDescriptor catches codes that do something else than fail where there is no such
// descriptor.
func testBadDescriptor(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	for _, fd := range []int{-1, 1 << 20} {
		for _, o := range r.withFD(fd) {
			r.want(o, fail(syscall.EBADF))
		}
		for _, o := range r.newerWithFD(fd) {
			r.want(o, fail(syscall.EBADF), fail(syscall.ENOSYS))
		}
	}
}

// testWrongKind catches failures that get lost, or end the multishot form with More.
func testWrongKind(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	a, _ := r.socketPair()
	file := r.file([]byte("x"))
	_, addr := r.listener()
	notSocket, badFD := fail(syscall.ENOTSOCK), fail(syscall.EBADF)
	msg := &backends.Msg{Bufs: [][]byte{make([]byte, 1)}}
	for _, fd := range []int{rd, file} {
		r.want(r.recv(fd, 8, 0), notSocket)
		r.want(r.send(fd, []byte("x"), 0), notSocket)
		r.want(r.op(backends.Op{Code: backends.OpRecvMsg, FD: fd, Msg: msg}), notSocket)
		r.want(r.op(backends.Op{Code: backends.OpSendMsg, FD: fd, Msg: msg}), notSocket)
		r.want(r.accept(fd, false), notSocket)
		r.want(r.accept(fd, true), notSocket)
		r.want(r.connect(fd, addr), notSocket)
		r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: fd, Flags: shutWr}), notSocket)
	}
	r.want(r.read(wr, 8), badFD)
	r.want(r.write(rd, []byte("x")), badFD)
	r.want(r.vec(backends.OpReadv, wr, backends.Stream, 8), badFD)
	r.want(r.vec(backends.OpWritev, rd, backends.Stream, 8), badFD)
	for range 4 { // what was tried in vain for one operation says nothing about another
		o := r.recv(a, 8, 0)
		r.submit(o)
		r.poll(backends.NoWait)
		r.cancel(o.id())
		r.wait(o)
	}
	r.want(r.accept(a, false), fail(syscall.EINVAL), fail(syscall.EOPNOTSUPP))
	r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: a, Flags: 77}), fail(syscall.EINVAL))
	r.want(r.recv(r.socket(), 8, 0), fail(syscall.ENOTCONN))
	r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: r.socket(), Flags: shutWr}), fail(syscall.ENOTCONN))
}

// testSocket catches a recv or send that waits too little or too long, and a half-closed connection
// that is taken for a closed one.
func testSocket(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	a, b := r.socketPair()
	ra, rb := r.recv(a, 100, 0), r.recv(b, 100, 0)
	r.submit(ra, rb)
	r.poll(backends.NoWait)
	r.want(r.send(a, seq(0, 1), 0), 1)
	r.wait(rb)
	r.expect(rb, 1)
	checkSeq(t, rb, rb.got(), 0)
	if ra.done {
		t.Fatalf("%v: %s, but nobody sent anything", ra, result(ra.res))
	}

	r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: a, Flags: shutWr}), 0)
	r.want(r.recv(b, 10, 0), 0)
	r.want(r.send(a, []byte("x"), 0), fail(syscall.EPIPE))
	r.want(r.send(b, seq(0, 1), 0), 1) // the other direction still works
	r.wait(ra)
	r.expect(ra, 1)

	a, b = r.socketPair()
	r.closeFD(b)
	r.want(r.recv(a, 10, 0), 0)
	r.want(r.send(a, []byte("x"), 0), fail(syscall.EPIPE))
}

// testSocketFlags catches flags that do not arrive.
func testSocketFlags(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	a, b := r.socketPair()
	r.want(r.recv(b, 10, msgDontWait), fail(syscall.EAGAIN))
	r.writeAll(a, seq(0, 50))
	o := r.recv(b, 10, msgPeek)
	if r.do(o); o.res <= 0 {
		t.Fatalf("%v: %s", o, result(o.res))
	}
	checkSeq(t, o, o.got(), 0)
	o = r.recv(b, 20, 0)
	if r.do(o); o.res <= 0 {
		t.Fatalf("%v: %s", o, result(o.res))
	}
	checkSeq(t, o, o.got(), 0)
	at := int(o.res)
	o = r.recv(b, 100-at, msgWaitAll)
	r.submit(o)
	r.quiet(time.Millisecond)
	if o.done {
		t.Fatalf("%v with MSG_WAITALL: %s before all was there", o, result(o.res))
	}
	r.writeAll(a, seq(50, 50))
	r.wait(o)
	r.expect(o, int32(100-at))
	checkSeq(t, o, o.got(), at)

	for sent := 0; ; { // until the buffers are full
		o := r.send(a, seq(sent, 100_000), msgDontWait)
		if r.do(o); o.res == fail(syscall.EAGAIN) {
			break
		}
		if o.res <= 0 {
			t.Fatalf("%v: %s", o, result(o.res))
		}
		sent += int(o.res)
	}
}

// message makes an operation with a message of several buffers, room for an address, and control
// bytes.
func (r *rig) message(code backends.Code, fd int, control int, lens ...int) *op {
	o := r.op(backends.Op{Code: code, FD: fd, Msg: &backends.Msg{}})
	for _, n := range lens {
		o.c.Msg.Bufs = append(o.c.Msg.Bufs, o.buf(n))
	}
	if control > 0 {
		o.c.Msg.Control = make([]byte, control)
	}
	return o
}

// testMessages catches message headers that are built wrong, gone too early, or not handed back.
func testMessages(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	a, b := r.socketPair()
	in := r.message(backends.OpRecvMsg, b, 64, 1, 0, 5, 200)
	in.c.Msg.Addr = &backends.Sockaddr{Len: 128}
	in.c.Msg.Flags = 0xffff
	r.submit(in)
	r.poll(backends.NoWait)
	out := r.message(backends.OpSendMsg, a, 0, 3, 0, 40)
	fill(out.c.Msg.Bufs, 0)
	if r.do(out); out.res <= 0 || out.res > 43 {
		t.Fatalf("%v: %s, want up to 43", out, result(out.res))
	}
	r.wait(in)
	if in.res <= 0 || in.res > out.res {
		t.Fatalf("%v: %s, want up to %d", in, result(in.res), out.res)
	}
	checkSeq(t, in, in.gathered(in.c.Msg.Bufs), 0)
	m := in.c.Msg
	if len(m.Control) != 0 || m.Flags&(msgTrunc|0x8) != 0 || m.Addr.Len > uint32(len(m.Addr.Data)) {
		t.Errorf("%v: %d control bytes, flags %#x, address of %d bytes; want none, none, and a short one", in,
			len(m.Control), m.Flags, m.Addr.Len)
	}
	r.readFull(b, int(out.res-in.res))

	var ins []*op // several headers in flight at once
	for range 20 {
		c, d := r.socketPair()
		o := r.message(backends.OpRecvMsg, d, 0, 2, 6)
		r.submit(o)
		r.poll(backends.NoWait)
		r.writeAll(c, seq(0, 8))
		ins = append(ins, o)
	}
	r.wait(ins...)
	for _, o := range ins {
		if o.res <= 0 || o.res > 8 {
			t.Fatalf("%v: %s", o, result(o.res))
		}
		checkSeq(t, o, o.gathered(o.c.Msg.Bufs), 0)
	}
	r.closeFD(a)
	r.want(r.message(backends.OpRecvMsg, b, 0, 10), 0)
	r.want(r.message(backends.OpSendMsg, b, 0, 10), fail(syscall.EPIPE))
}

// testPackets catches messages that run into each other, a cut one that is not reported as such,
// and an empty one that is taken for the end.
func testPackets(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	a, b := r.packetPair()
	for _, n := range []int{10, 0, 20, 30} {
		r.want(r.send(a, seq(0, n), 0), int32(n))
	}
	o := r.recv(b, 100, 0)
	r.want(o, 10)
	checkSeq(t, o, o.got(), 0)
	r.want(r.recv(b, 100, 0), 0)
	o = r.message(backends.OpRecvMsg, b, 0, 3, 4)
	r.want(o, 7)
	checkSeq(t, o, o.gathered(o.c.Msg.Bufs), 0)
	if o.c.Msg.Flags&msgTrunc == 0 {
		t.Errorf("%v: flags %#x, want MSG_TRUNC: 7 of 20 bytes were received", o, o.c.Msg.Flags)
	}
	o = r.message(backends.OpRecvMsg, b, 0, 100)
	r.want(o, 30)
	if o.c.Msg.Flags&msgTrunc != 0 {
		t.Errorf("%v: flags %#x: nothing was cut", o, o.c.Msg.Flags)
	}
}

// testRights catches control data that does not arrive, or does not get cut to what was received.
func testRights(t *testing.T, env Env) {
	rights, ok := env.(rightsEnv)
	if !ok {
		t.Skip("the environment passes no descriptors")
	}
	r := newRig(t, env, 0, 0)
	a, b := r.socketPair()
	rd, wr := r.pipe()
	out := r.message(backends.OpSendMsg, a, 0, 1)
	out.c.Msg.Control = rights.Rights(wr)
	r.want(out, 1)
	r.closeFD(wr)
	in := r.message(backends.OpRecvMsg, b, 256, 10)
	r.want(in, 1)
	if n := len(in.c.Msg.Control); n == 0 || n > len(out.c.Msg.Control) {
		t.Fatalf("%v: %d control bytes, want the %d that were sent", in, n, len(out.c.Msg.Control))
	}
	for _, fd := range rights.ParseRights(t, in.c.Msg.Control) {
		r.own(int32(fd))
		r.writeAll(fd, seq(0, 10))
		r.closeFD(fd)
	}
	if n := len(r.readToEnd(rd)); n != 10 {
		t.Errorf("%d bytes came through the descriptor, want 10", n)
	}
}

// testDuplex catches a descriptor's two directions that get in each other's way: one that waits
// holds the other up, takes its events, or ends with it.
func testDuplex(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	a, b := r.socketPair()
	in := r.recv(a, 100, 0)
	r.submit(in)
	var out *op
	for sent := 0; out == nil; { // until the buffers are full
		o := r.send(a, seq(sent, 100_000), 0)
		r.submit(o)
		r.quiet(time.Millisecond)
		if !o.done {
			r.quiet(100 * time.Millisecond) // it may have been slow
		}
		if !o.done {
			out = o
		} else if sent += int(o.res); o.res <= 0 {
			t.Fatalf("%v: %s", o, result(o.res))
		}
	}
	r.writeAll(b, seq(0, 10))
	r.wait(in)
	if in.res <= 0 || in.res > 10 {
		t.Fatalf("%v: %s, want up to 10", in, result(in.res))
	}
	checkSeq(t, in, in.got(), 0)
	r.readFull(a, int(10-in.res))
	if out.done {
		t.Fatalf("%v: %s, and nobody reads", out, result(out.res))
	}
	in = r.recv(a, 100, 0)
	r.submit(in)
	r.poll(backends.NoWait)
	r.cancel(in.id())
	r.wait(in)
	r.expect(in, canceled)
	r.quiet(time.Millisecond)
	if out.done {
		t.Fatalf("%v: %s: the cancel of %v hit it", out, result(out.res), in)
	}
	in = r.recv(a, 100, 0)
	r.submit(in)
	for !out.done { // until there is room
		r.do(r.recv(b, 100_000, 0))
	}
	if out.res <= 0 || in.done {
		t.Fatalf("%v: %s; %v: done=%v", out, result(out.res), in, in.done)
	}
	r.cancel(in.id())
	r.wait(in)
	r.expect(in, canceled)
}

// testBlockingMode catches a Poll that blocks because a descriptor does, and descriptors that are
// made non-blocking: they are the caller's, and may be shared.
func testBlockingMode(t *testing.T, env Env) {
	mode, ok := env.(modeEnv)
	flags, ok2 := env.(flagsEnv)
	if !ok || !ok2 {
		t.Skip("the environment's descriptors have no mode")
	}
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	a, b := r.socketPair()
	l, addr := r.listener()
	s := r.socket()
	all := []int{rd, wr, a, b, l, s}
	for _, fd := range all {
		mode.SetBlocking(t, fd)
	}
	ops := []*op{
		r.read(rd, 10), r.recv(a, 10, 0), r.read(b, 10), r.accept(l, false), r.pollFor(rd, pollIn, false),
		r.vec(backends.OpReadv, a, backends.Stream, 5, 5), r.accept(l, true),
	}
	r.submit(ops...)
	r.quiet(5 * time.Millisecond)
	for _, o := range ops {
		if o.done {
			t.Fatalf("%v: %s, though there is nothing to do for it", o, result(o.res))
		}
	}
	for _, i := range []int{5, 6} {
		r.cancel(ops[i].id())
		r.wait(ops[i])
		r.expect(ops[i], canceled)
	}
	r.writeAll(wr, seq(0, 3))
	r.writeAll(b, seq(0, 3))
	r.writeAll(a, seq(0, 3))
	r.want(r.connect(s, addr), 0)
	r.wait(ops[:5]...)
	for _, o := range ops[:3] {
		r.expect(o, 3)
		checkSeq(t, o, o.got(), 0)
	}
	if ops[3].res < 0 {
		t.Fatalf("%v: %s", ops[3], result(ops[3].res))
	}
	r.own(ops[3].res)
	var out *op
	for sent := 0; out == nil; {
		o := r.write(wr, seq(sent, 100_000))
		r.submit(o)
		r.quiet(time.Millisecond)
		if !o.done {
			out = o
		} else if sent += int(o.res); o.res <= 0 {
			t.Fatalf("%v: %s", o, result(o.res))
		}
	}
	r.cancel(out.id())
	r.wait(out)
	for _, fd := range all {
		if _, nonblocking := flags.FDFlags(t, fd); nonblocking {
			t.Errorf("descriptor %d is non-blocking now", fd)
		}
	}
}

// testShutdown catches a pending recv that sleeps through a shutdown.
func testShutdown(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	for _, how := range []uint32{shutRd, shutWr} {
		a, b := r.socketPair()
		o := r.recv(a, 10, 0)
		r.submit(o)
		r.quiet(time.Millisecond)
		fd := a
		if how == shutWr {
			fd = b
		}
		r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: fd, Flags: how}), 0)
		r.wait(o)
		r.expect(o, 0)
	}
}

// testAccept catches connections that are lost or found twice, and addresses that do not arrive.
func testAccept(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	l, addr := r.listener()
	for i := range 4 {
		a := r.accept(l, false)
		a.c.Addr = &backends.Sockaddr{Len: uint32(len(addr.Data))}
		if i == 3 {
			a.c.Addr.Len = 4 // no room for more
		}
		c := r.connect(r.socket(), addr)
		if i%2 == 0 {
			r.submit(a)
			r.poll(backends.NoWait)
			r.want(c, 0)
		} else {
			r.want(c, 0)
			r.submit(a)
		}
		r.wait(a)
		if a.res < 0 {
			t.Fatalf("%v: %s", a, result(a.res))
		}
		peer := r.own(a.res)
		got := a.c.Addr
		family := binary.NativeEndian.Uint16(got.Data[:])
		if got.Len != addr.Len || family != binary.NativeEndian.Uint16(addr.Data[:]) {
			t.Errorf("%v: the peer's address has %d bytes of family %d, want %d of %d", a, got.Len, family, addr.Len,
				addr.Data[0])
		}
		if i == 3 && slices.Max(got.Data[4:]) != 0 {
			t.Errorf("%v: more of the address was written than there was room for", a)
		}
		r.writeAll(c.c.FD, seq(0, 5))
		checkSeq(t, "through the connection", r.readFull(peer, 5), 0)
		r.writeAll(peer, seq(5, 5))
		checkSeq(t, "back through the connection", r.readFull(c.c.FD, 5), 5)
	}
}

// testAcceptFlags catches accepted descriptors that child processes inherit, or that block.
func testAcceptFlags(t *testing.T, env Env) {
	flags, ok := env.(flagsEnv)
	if !ok {
		t.Skip("the environment's descriptors have no flags")
	}
	r := newRig(t, env, 0, 0)
	l, addr := r.listener()
	for i, want := range []uint32{0, sockCloexec, sockNonblock, sockCloexec | sockNonblock} {
		a := r.accept(l, i%2 == 1)
		a.c.Flags = want
		r.submit(a)
		r.want(r.connect(r.socket(), addr), 0)
		r.until(a.String(), func() bool { return len(a.events) > 0 })
		if a.events[0].Res < 0 {
			t.Fatalf("%v: %s", a, result(a.events[0].Res))
		}
		cloexec, nonblock := flags.FDFlags(t, r.own(a.events[0].Res))
		if cloexec != (want&sockCloexec != 0) || nonblock != (want&sockNonblock != 0) {
			t.Errorf("%v with flags %#x: close-on-exec=%v, non-blocking=%v", a, want, cloexec, nonblock)
		}
		r.end(a)
	}
}

// testConnectErrors catches failures to connect that get lost.
func testConnectErrors(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	l, addr := r.listener()
	s := r.socket()
	r.want(r.connect(s, addr), 0)
	r.want(r.connect(s, addr), fail(syscall.EISCONN))
	r.closeFD(l)
	r.want(r.connect(r.socket(), addr), fail(syscall.ECONNREFUSED))
	short := *addr
	short.Len = 1
	r.want(r.connect(r.socket(), &short), fail(syscall.EINVAL))
}

// testClose catches a close that does not close, or closes something else.
func testClose(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	r.want(r.op(backends.Op{Code: backends.OpClose, FD: wr}), 0)
	delete(r.fds, wr)
	r.want(r.op(backends.Op{Code: backends.OpClose, FD: wr}), fail(syscall.EBADF))
	r.want(r.read(rd, 1), 0)
	r.want(r.op(backends.Op{Code: backends.OpClose, FD: rd}), 0)
	delete(r.fds, rd)
}

// testClosePending catches operations that are forgotten, or cannot be cancelled any more, once
// their descriptor is closed, and files that never end because of that.
func testClosePending(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	a, b := r.socketPair()
	o := r.recv(a, 10, 0)
	r.submit(o)
	r.quiet(time.Millisecond)
	r.want(r.op(backends.Op{Code: backends.OpClose, FD: a}), 0)
	delete(r.fds, a)
	r.quiet(time.Millisecond)
	if !o.done {
		r.cancel(o.id())
		r.wait(o)
	}
	r.expect(o, canceled, fail(syscall.EBADF))
	r.want(r.recv(b, 10, 0), 0)
}

// testPollMasks catches masks that are garbled on the way in or out, and polls that miss what they
// wait for.
func testPollMasks(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	in := r.pollFor(rd, pollIn, false)
	r.submit(in)
	r.quiet(time.Millisecond)
	if in.done {
		t.Fatalf("%v: %s, though the pipe is empty", in, result(in.res))
	}
	r.want(r.pollFor(wr, pollOut, false), pollOut)
	r.want(r.write(wr, []byte("x")), 1)
	r.wait(in)
	r.expect(in, pollIn)
	r.want(r.pollFor(rd, pollIn, false), pollIn) // still there
	r.readFull(rd, 1)
	hup := r.pollFor(rd, pollIn, false)
	r.submit(hup)
	r.poll(backends.NoWait)
	r.closeFD(wr)
	r.wait(hup)
	r.expect(hup, pollHup)

	rd, wr = r.pipe()
	r.closeFD(rd)
	if o := r.pollFor(wr, pollOut, false); r.do(o) < 0 || o.res&pollErr == 0 {
		t.Fatalf("%v: %s, want POLLERR in the mask", o, result(o.res))
	}
	l, addr := r.listener()
	in = r.pollFor(l, pollIn, false)
	r.submit(in)
	r.poll(backends.NoWait)
	r.want(r.connect(r.socket(), addr), 0)
	r.wait(in)
	r.expect(in, pollIn)
}
