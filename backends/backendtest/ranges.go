package backendtest

import (
	"fmt"
	"math/bits"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// testResize catches sizes that are ignored.
func testResize(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	fd := r.file(seq(0, 100))
	truncate := func(fd int, size int64) *op {
		return r.op(backends.Op{Code: backends.OpFtruncate, FD: fd, Off: size})
	}
	allocate := func(fd int, off, n int64) *op {
		return r.args(backends.Op{Code: backends.OpFallocate, FD: fd, Off: off}, backends.Args{Len: n})
	}
	is := func(n int) {
		t.Helper()
		if all := r.content(fd); len(all) != n {
			t.Errorf("the file has %d bytes, want %d", len(all), n)
		} else {
			checkSeq(t, "what was there before", all[:min(n, 50)], 0)
		}
	}
	rd, _ := r.pipe()
	r.tries(truncate(fd, 50), 0)
	is(50)
	r.want(truncate(fd, 5000), 0)
	is(5000)
	r.want(truncate(fd, -1), fail(syscall.EINVAL))
	r.want(truncate(rd, 1), fail(syscall.EINVAL))
	r.tries(allocate(fd, 4000, 2000), 0)
	is(6000)
	r.want(allocate(fd, 10, 20), 0)
	is(6000)
	r.want(allocate(fd, 0, 0), fail(syscall.EINVAL))
	r.want(allocate(fd, -1, 1), fail(syscall.EINVAL))
	r.want(allocate(rd, 0, 1), fail(syscall.ESPIPE), fail(syscall.ENODEV), fail(syscall.EBADF))
}

// testAdvise catches parameters of the two calls about ranges of files that get mixed up: both say
// so of a pipe, and of what makes no sense.
func testAdvise(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	fd := r.file(seq(0, 10000))
	rd, _ := r.pipe()
	advise := func(fd int, n int64, advice uint32) *op {
		return r.args(backends.Op{Code: backends.OpFadvise, FD: fd, Off: 1, Flags: advice}, backends.Args{Len: n})
	}
	r.tries(advise(fd, 100, 1), 0)
	if bits.UintSize == 64 {
		r.want(advise(fd, 5<<32, 4), 0)
	}
	r.want(advise(fd, 100, 99), fail(syscall.EINVAL))
	r.want(advise(rd, 100, 1), fail(syscall.ESPIPE))
	flush := func(fd int, off int64, flags uint32) *op {
		return r.args(backends.Op{Code: backends.OpSyncFileRange, FD: fd, Off: off, Flags: flags},
			backends.Args{Len: 5000})
	}
	r.tries(flush(fd, 0, 7), 0)
	r.want(flush(fd, -1, 7), fail(syscall.EINVAL))
	r.want(flush(fd, 0, 1<<20), fail(syscall.EINVAL))
	r.want(flush(rd, 0, 7), fail(syscall.ESPIPE))
	checkSeq(t, "the file", r.content(fd), 0)
}

// testXattr catches attributes that are set on something else, under another name, or cut.
func testXattr(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	fd := r.file(nil)
	byName := pathOf(fmt.Sprintf("/proc/self/fd/%d", fd))
	set := func(path backends.Path, name string, value []byte, flags uint32) *op {
		o := r.from(backends.OpSetxattr, fd, value, 0, flags)
		o.c.Args = &backends.Args{Path: path, Name: pathOf(name)}
		return o
	}
	get := func(path backends.Path, name string, n int) *op {
		o := r.into(backends.OpGetxattr, fd, n, 0, 0)
		o.c.Args = &backends.Args{Path: path, Name: pathOf(name)}
		return o
	}
	first := set(nil, "user.weir", seq(0, 9), xattrCreate)
	r.tries(first, 0, fail(syscall.EOPNOTSUPP))
	if first.res < 0 {
		t.Skip("the file system has no attributes of users")
	}
	for _, path := range []backends.Path{nil, byName} {
		o := get(path, "user.weir", 20)
		r.want(o, 9)
		checkSeq(t, o, o.got(), 0)
		r.want(get(path, "user.weir", 0), 9)
		r.want(get(path, "user.weir", 5), fail(syscall.ERANGE))
		r.want(set(path, "user.weir", seq(0, 1), xattrCreate), fail(syscall.EEXIST))
		r.want(set(path, "weir", seq(0, 1), 0), fail(syscall.EOPNOTSUPP))
	}
	r.want(set(byName, "user.weir", seq(0, 15), xattrReplace), 0)
	o := get(nil, "user.weir", 20)
	r.want(o, 15)
	checkSeq(t, o, o.got(), 0)
	r.want(get(pathOf("/proc/self/none"), "user.weir", 20), fail(syscall.ENOENT))
	r.want(set(pathOf("/proc/self/none"), "user.weir", nil, 0), fail(syscall.ENOENT))
}

func (r *rig) splice(from int, fromOff int64, to int, toOff int64, n int64) *op {
	return r.args(backends.Op{Code: backends.OpSplice, FD: to, Off: toOff}, backends.Args{FD: from, Off: fromOff,
		Len: n})
}

func (r *rig) tee(from, to int, n int64) *op {
	return r.args(backends.Op{Code: backends.OpTee, FD: to}, backends.Args{FD: from, Len: n})
}

// now makes a splice or tee one that does not wait.
func (o *op) now() *op {
	o.c.Flags |= spliceNonblock
	return o
}

// testSplice catches splices whose ends or offsets are mixed up, and data that is lost when one is
// cancelled.
func testSplice(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	const stream = backends.Stream
	from, to := r.file(seq(0, 100)), r.file(nil)
	rd, wr := r.pipe()
	rd2, wr2 := r.pipe()
	r.tries(r.splice(from, 20, wr, stream, 30), 30)
	r.tries(r.tee(rd, wr2, 10), 10)
	checkSeq(t, "tee", r.readFull(rd2, 10), 20)
	r.want(r.splice(rd, stream, to, 5, 100), 30)
	all := r.content(to)
	if len(all) != 35 {
		t.Fatalf("the file has %d bytes, want 35", len(all))
	}
	checkSeq(t, "splice", all[5:], 20)
	r.want(r.splice(rd, stream, to, 0, 5).now(), fail(syscall.EAGAIN))
	r.want(r.tee(rd, wr2, 5).now(), fail(syscall.EAGAIN))
	r.want(r.splice(from, 0, to, 0, 5), fail(syscall.EINVAL))
	r.want(r.tee(from, wr, 5), fail(syscall.EINVAL))
	r.want(r.splice(from, 0, wr, 1, 5), fail(syscall.ESPIPE))
	r.want(r.splice(from, 100, wr, stream, 5), 0) // the end

	mode, ok := env.(modeEnv)
	if !ok {
		t.Skip("the environment has no blocking mode")
	}
	// Not every backend can end one that waits. Data ends it in any case, and is here or there.
	mode.SetBlocking(t, rd)
	o := r.splice(rd, stream, to, 100, 5)
	r.submit(o)
	r.quiet(5 * time.Millisecond)
	if o.done {
		t.Fatalf("%v: %s, though the pipe is empty", o, result(o.res))
	}
	r.cancel(o.id())
	r.quiet(5 * time.Millisecond)
	r.writeAll(wr, seq(0, 5))
	if r.wait(o); o.res == 5 {
		r.want(r.splice(rd, stream, to, 0, 5).now(), fail(syscall.EAGAIN))
	} else {
		r.expect(o, canceled, fail(syscall.EINTR))
		checkSeq(t, "what was left", r.readFull(rd, 5), 0)
	}
}

// testWaitid catches children that are not reaped, or are reaped unasked, and a wait that cannot be
// cancelled.
func testWaitid(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	wait := func(fd int, options uint32) *op {
		return r.args(backends.Op{Code: backends.OpWaitid, FD: fd, Flags: options}, backends.Args{Off: idPidfd})
	}
	rd, _ := r.pipe()
	r.tries(wait(rd, 0), fail(syscall.EINVAL)) // no options, which makes no sense
	r.want(wait(rd, waitExited), fail(syscall.EBADF))
	r.want(wait(-1, waitExited), fail(syscall.EBADF), fail(syscall.EINVAL))
	e, ok := env.(childEnv)
	if !ok {
		t.Skip("the environment has no processes")
	}
	fd, end := e.Child(t)
	r.fds[fd] = true
	none := wait(fd, waitExited|waitNoHang)
	r.want(none, 0)
	if none.c.Args.Info.Signo() != 0 {
		t.Error("a process has ended that has not")
	}
	for range 2 {
		o := wait(fd, waitExited)
		r.submit(o)
		r.quiet(2 * time.Millisecond)
		if o.done {
			t.Fatalf("%v: %s, though the process runs", o, result(o.res))
		}
		r.cancel(o.id())
		r.wait(o)
		r.expect(o, canceled)
	}
	o := wait(fd, waitExited)
	r.submit(o)
	end()
	r.wait(o)
	r.expect(o, 0)
	if info := &o.c.Args.Info; info.Signo() == 0 || info.Pid() == 0 {
		t.Errorf("signal %d of process %d", info.Signo(), info.Pid())
	}
	r.want(wait(fd, waitExited), fail(syscall.ECHILD))
}

// testFutex catches waits that miss a wake-up, and that cannot be cancelled. Where a wait would
// hold a thread that nothing but a wake-up could free, it is refused.
func testFutex(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	const flags = 2 | 128 // FUTEX2_SIZE_U32, FUTEX2_PRIVATE
	word := new(atomic.Uint32)
	word.Store(5)
	wait := func(val uint64) *op {
		return r.args(backends.Op{Code: backends.OpFutexWait, Flags: flags}, backends.Args{Word: word, Val: val})
	}
	wake := func(n uint64) *op {
		return r.args(backends.Op{Code: backends.OpFutexWake, Flags: flags}, backends.Args{Word: word, Val: n})
	}
	w, k := wait(6), wake(10)
	r.submit(w, k)
	r.wait(w, k)
	if w.res == fail(syscall.ENOSYS) && k.res == w.res {
		t.Skip("the backend lacks both")
	}
	r.expect(w, fail(syscall.EAGAIN))
	r.expect(k, 0)
	ops := []*op{wait(5), wait(5), wait(5)}
	r.submit(ops...)
	r.quiet(2 * time.Millisecond)
	if ops[0].done {
		for _, o := range ops {
			r.wait(o)
			r.expect(o, fail(syscall.EOPNOTSUPP))
		}
		return
	}
	r.cancel(ops[0].id())
	r.wait(ops[0])
	r.expect(ops[0], canceled)
	r.want(wake(1), 1)
	r.until("one is woken", func() bool { return ops[1].done || ops[2].done })
	r.want(wake(10), 1)
	r.wait(ops...)
	r.expect(ops[1], 0)
	r.expect(ops[2], 0)
}
