package backendtest

import (
	"encoding/binary"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// The subtests of the operations from OpSocket on. Not every backend has them all: one that lacks
// one says ENOSYS, or says so by Supports, and the subtest is skipped from there on.

// tries runs an operation that should succeed, or end with one of results, and ends the subtest if
// the backend lacks it.
func (r *rig) tries(o *op, results ...int32) {
	r.t.Helper()
	if b, ok := r.b.(interface{ Supports(backends.Code) bool }); ok && !b.Supports(o.c.Code) {
		r.t.Skipf("%v: the backend says that it lacks it", o.c.Code)
	}
	if r.do(o) == fail(syscall.ENOSYS) {
		r.t.Skipf("%v: the backend lacks it", o.c.Code)
	}
	if len(results) == 0 && o.res >= 0 {
		return
	}
	r.expect(o, results...)
}

// makes is tries for an operation that makes a descriptor.
func (r *rig) makes(o *op) int {
	r.t.Helper()
	r.tries(o)
	return r.own(o.res)
}

// args makes an operation with parameters beyond the usual ones.
func (r *rig) args(desc backends.Op, a backends.Args) *op {
	desc.Args = &a
	return r.op(desc)
}

// newerWithFD lists one operation of each of these codes that takes a descriptor.
func (r *rig) newerWithFD(fd int) []*op {
	rd, wr := r.pipe()
	_, addr := r.listener()
	xattr := backends.Args{Name: pathOf("user.weir")}
	return []*op{
		r.op(backends.Op{Code: backends.OpBind, FD: fd, Addr: addr}),
		r.op(backends.Op{Code: backends.OpListen, FD: fd, Flags: 1}),
		r.from(backends.OpSendZC, fd, seq(0, 8), 0, 0), r.message(backends.OpSendMsgZC, fd, 0, 8),
		r.args(backends.Op{Code: backends.OpFallocate, FD: fd}, backends.Args{Len: 1}),
		r.args(backends.Op{Code: backends.OpFadvise, FD: fd}, backends.Args{Len: 1}),
		r.op(backends.Op{Code: backends.OpFtruncate, FD: fd}),
		r.args(backends.Op{Code: backends.OpSyncFileRange, FD: fd}, backends.Args{Len: 1}),
		r.splice(fd, backends.Stream, wr, backends.Stream, 5), r.splice(rd, backends.Stream, fd, backends.Stream, 5),
		r.tee(fd, wr, 5), r.tee(rd, fd, 5),
		r.args(backends.Op{Code: backends.OpGetxattr, FD: fd}, xattr),
		r.args(backends.Op{Code: backends.OpSetxattr, FD: fd}, xattr),
	}
}

func pathOf(name string) backends.Path {
	p, err := backends.PathOf(name)
	if err != nil {
		panic(err)
	}
	return p
}

// family is the domain of an address.
func family(a *backends.Sockaddr) int { return int(binary.NativeEndian.Uint16(a.Data[:])) }

// makeSocket makes a socket that can connect to a.
func (r *rig) makeSocket(a *backends.Sockaddr, flags uint32) *op {
	return r.op(backends.Op{Code: backends.OpSocket, FD: family(a), Flags: sockStream | flags})
}

// testMakeSocket catches sockets of another kind, or with other flags, than was asked for.
func testMakeSocket(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	l, addr := r.listener()
	for _, flags := range []uint32{sockCloexec | sockNonblock, 0} {
		fd := r.makes(r.makeSocket(addr, flags))
		if e, ok := env.(flagsEnv); ok {
			if cloexec, nonblock := e.FDFlags(t, fd); cloexec != (flags != 0) || nonblock != (flags != 0) {
				t.Errorf("flags %#x: close-on-exec %v, non-blocking %v", flags, cloexec, nonblock)
			}
		}
		c, a := r.connect(fd, addr), r.accept(l, false)
		r.submit(c, a)
		r.wait(c, a)
		r.expect(c, 0)
		r.closeFD(r.own(a.res))
	}
	o := r.makeSocket(addr, 0)
	o.c.FD = 4711
	r.want(o, fail(syscall.EAFNOSUPPORT))
}

// testBindListen catches servers that are bound to something else, or do not listen.
func testBindListen(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	_, addr := r.listener()
	free := *addr // the same port of an address that is not in use otherwise
	free.Data[5], free.Data[6], free.Data[7] = 77, 1, 2
	bind := func(fd int) *op { return r.op(backends.Op{Code: backends.OpBind, FD: fd, Addr: &free}) }
	listen := func(fd int) *op { return r.op(backends.Op{Code: backends.OpListen, FD: fd, Flags: 4}) }
	s, other := r.socket(), r.socket()
	r.tries(bind(s), 0)
	r.want(bind(s), fail(syscall.EINVAL))
	r.want(bind(other), fail(syscall.EADDRINUSE))
	r.want(r.accept(s, false), fail(syscall.EINVAL))
	r.tries(listen(s), 0)
	c, a := r.connect(other, &free), r.accept(s, false)
	r.submit(c, a)
	r.wait(c, a)
	r.expect(c, 0)
	r.own(a.res)
	rd, _ := r.pipe()
	r.want(bind(rd), fail(syscall.ENOTSOCK))
	r.want(listen(rd), fail(syscall.ENOTSOCK))
}

// connection makes a connection between two sockets by way of a listener.
func (r *rig) connection() (a, b int) {
	r.t.Helper()
	l, addr := r.listener()
	a = r.socket()
	c, s := r.connect(a, addr), r.accept(l, false)
	s.c.Flags = sockNonblock | sockCloexec
	r.submit(c, s)
	r.wait(c, s)
	r.expect(c, 0)
	return a, r.own(s.res)
}

// testSendZC catches sends without a copy that end more than once, or before their memory is free,
// or lose data when they are cancelled.
func testSendZC(t *testing.T, env Env) {
	for _, code := range []backends.Code{backends.OpSendZC, backends.OpSendMsgZC} {
		t.Run(code.String(), func(t *testing.T) {
			r := newRig(t, env, 0, 0)
			send := func(fd, off, n int) *op {
				if code == backends.OpSendZC {
					return r.from(code, fd, seq(off, n), backends.Stream, 0)
				}
				o := r.message(code, fd, 0, n/2, n-n/2)
				o.c.Off = backends.Stream
				fill(o.c.Msg.Bufs, off)
				return o
			}
			a, b := r.connection()
			o := send(a, 0, 1000)
			r.tries(o)
			got := r.readFull(b, int(o.res))
			checkSeq(t, o, got, 0)
			// The kinds of sockets that have no such send say so, or do it all the same.
			p, _ := r.socketPair()
			if o := send(p, 0, 10); r.do(o) != fail(syscall.EOPNOTSUPP) && o.res <= 0 {
				t.Errorf("between unix sockets: %s", result(o.res))
			}
			rd, _ := r.pipe()
			r.want(send(rd, 0, 10), fail(syscall.ENOTSOCK))

			// One that finds no room, and is cancelled. Its memory may be in use until the peer has
			// taken the data.
			sent, taken := 0, []byte(nil)
			for full := false; !full; {
				o := r.send(a, seq(sent, 100_000), msgDontWait)
				if full = r.do(o) == fail(syscall.EAGAIN); !full && o.res <= 0 {
					t.Fatalf("%v: %s", o, result(o.res))
				}
				sent += int(max(o.res, 0))
			}
			o = send(a, sent, 200_000)
			r.submit(o)
			r.quiet(5 * time.Millisecond)
			r.cancel(o.id())
			r.quiet(time.Millisecond)
			for l := r.limit(); !o.done; {
				in := r.recv(b, 100_000, msgDontWait)
				if r.do(in); in.res <= 0 && in.res != fail(syscall.EAGAIN) || l.over(r) {
					t.Fatalf("%v: %s while %v is not over", in, result(in.res), o)
				}
				taken = append(taken, in.got()...)
			}
			if o.res <= 0 && o.res != canceled {
				t.Fatalf("%v: %s", o, result(o.res))
			}
			sent += int(max(o.res, 0))
			r.want(r.op(backends.Op{Code: backends.OpShutdown, FD: a, Flags: shutWr}), 0)
			all := append(taken, r.readToEnd(b)...)
			checkSeq(t, code, all, 0)
			if len(all) != sent {
				t.Errorf("%d bytes were sent by their results, %d came", sent, len(all))
			}
			r.want(send(a, 0, 10), fail(syscall.EPIPE))
		})
	}
}

// testMakePipe catches pipes whose ends are the wrong way round, or have other flags than was asked
// for.
func testMakePipe(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	for _, flags := range []uint32{oCloexec | oNonblock, 0} {
		o := r.args(backends.Op{Code: backends.OpPipe, Flags: flags}, backends.Args{})
		r.tries(o, 0)
		rd, wr := r.own(o.c.Args.Pipe[0]), r.own(o.c.Args.Pipe[1])
		if e, ok := env.(flagsEnv); ok {
			for _, fd := range []int{rd, wr} {
				if cloexec, nonblock := e.FDFlags(t, fd); cloexec != (flags != 0) || nonblock != (flags != 0) {
					t.Errorf("flags %#x: close-on-exec %v, non-blocking %v", flags, cloexec, nonblock)
				}
			}
		}
		r.writeAll(wr, seq(0, 10))
		checkSeq(t, o, r.readFull(rd, 10), 0)
		r.want(r.write(rd, []byte("x")), fail(syscall.EBADF))
	}
	r.want(r.args(backends.Op{Code: backends.OpPipe, Flags: 1}, backends.Args{}), fail(syscall.EINVAL))
}
