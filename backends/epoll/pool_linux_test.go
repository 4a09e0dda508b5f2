package epoll

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

func (r *rig) workers() int {
	r.pool.mu.Lock()
	defer r.pool.mu.Unlock()
	return r.pool.running
}

// The pool has as many goroutines as it may and no more, does the rest in order, and is gone when
// it is idle. A pool that is full of what blocks keeps nothing else from going on. Fault 50.
func TestFault50PoolBound(t *testing.T) {
	const workers = 3
	r := newRig(t, Config{Workers: workers})
	if n := r.workers(); n != 0 {
		t.Errorf("%d goroutines before there is work", n)
	}
	var blocks, syncs []*backends.Completion
	var release []func()
	for range workers {
		c, f := r.blocker()
		blocks, release = append(blocks, c), append(release, f)
	}
	file := r.file("content")
	for range 20 {
		syncs = append(syncs, r.op(backends.Op{Code: backends.OpFsync, FD: file}))
	}
	r.begin(append(blocks, syncs...)...)
	r.waits(append(blocks, syncs...)...)
	if n := r.workers(); n != workers {
		t.Errorf("%d goroutines, want %d", n, workers)
	}
	a, b := r.pair(unix.SOCK_STREAM)
	c := r.recv(a)
	r.begin(c)
	r.write(b, "x")
	r.want(c, 1)
	release[0]()
	for _, c := range syncs {
		r.want(c, 0)
	}
	r.waits(blocks[1:]...)
	release[1]()
	release[2]()
	for limit := time.Now().Add(soon); r.workers() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines stay where there is no work", r.workers())
		}
	}
}

// Reads and writes at a file's position are done one after the other, as they were submitted.
func TestFilePositionOrder(t *testing.T) {
	r := newRig(t, Config{})
	file := r.file("")
	var ops []*backends.Completion
	want := ""
	for i := range 50 {
		s := string(rune('A' + i))
		want += s
		ops = append(ops, r.op(backends.Op{Code: backends.OpWrite, FD: file, Off: backends.Stream, Buf: []byte(s)}))
	}
	r.Submit(ops)
	r.handOver()
	given := 0
	for _, c := range ops {
		if r.find(c.ID).state == working {
			given++
		}
	}
	if given != 1 {
		t.Errorf("the pool has %d of them at a time", given)
	}
	for _, c := range ops {
		r.want(c, 1)
	}
	got := make([]byte, 100)
	if n, _ := unix.Pread(file, got, 0); string(got[:n]) != want {
		t.Errorf("the file has %q, want %q", got[:n], want)
	}
	unix.Seek(file, 0, 0)
	ops = ops[:0]
	for range 50 {
		c := r.read(file)
		c.Buf = c.Buf[:1]
		ops = append(ops, c)
	}
	r.begin(ops...)
	for i, c := range ops {
		if r.want(c, 1); c.Buf[0] != want[i] {
			t.Fatalf("read %d got %q, want %q", i, c.Buf, want[i])
		}
	}
}

// What cannot be polled, or not for that: the same result as from the plain call, and no stuck
// worker. Fault 80.
func TestFault80StrangeDescriptors(t *testing.T) {
	r := newRig(t, Config{})
	dir := r.own(unix.Open(r.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0))
	r.do(r.read(dir), -int32(unix.EISDIR))
	r.do(r.op(backends.Op{Code: backends.OpFsync, FD: dir}), 0)

	path := r.own(unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0))
	r.do(r.read(path), badFD)
	r.do(r.op(backends.Op{Code: backends.OpPoll, FD: path, Flags: unix.POLLIN}), badFD)

	file := r.file("content")
	for _, mask := range []uint32{unix.POLLIN, unix.POLLOUT, unix.POLLIN | unix.POLLOUT} { // always ready, says poll(2)
		r.do(r.op(backends.Op{Code: backends.OpPoll, FD: file, Flags: mask}), int32(mask))
	}
	never := r.op(backends.Op{Code: backends.OpPoll, FD: file, Flags: unix.POLLPRI})
	r.begin(never)
	r.waits(never)
	r.stop(never)

	zero := r.own(unix.Open("/dev/zero", unix.O_RDWR|unix.O_CLOEXEC, 0))
	r.do(r.read(zero), 8)
	full := r.own(unix.Open("/dev/full", unix.O_WRONLY|unix.O_CLOEXEC, 0))
	r.do(r.op(backends.Op{Code: backends.OpWrite, FD: full, Off: backends.Stream, Buf: []byte("x")}),
		-int32(unix.ENOSPC))
	proc := r.own(unix.Open("/proc/self/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0))
	r.do(r.read(proc), 8)

	event := r.own(unix.Eventfd(0, unix.EFD_CLOEXEC))
	c := r.read(event)
	r.begin(c)
	r.waits(c)
	r.do(r.op(backends.Op{Code: backends.OpWrite, FD: event, Off: backends.Stream, Buf: []byte{7, 0, 0, 0, 0, 0, 0,
		0}}), 8)
	if r.want(c, 8); c.Buf[0] != 7 {
		t.Errorf("read %v", c.Buf)
	}
	short := r.read(event)
	short.Buf = short.Buf[:4]
	r.do(short, -int32(unix.EINVAL)) // and does not wait for an event first

	timer := r.own(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC))
	c = r.read(timer)
	r.begin(c)
	r.waits(c)
	unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(1)}, nil)
	r.want(c, 8)

	other := r.own(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
	poll := r.op(backends.Op{Code: backends.OpPoll, FD: other, Flags: unix.POLLIN})
	r.begin(poll)
	r.waits(poll)
	if err := unix.EpollCtl(other, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLOUT}); err != nil {
		t.Fatal(err)
	}
	r.want(poll, unix.POLLIN)
	// epoll_ctl(2): itself
	r.do(r.op(backends.Op{Code: backends.OpPoll, FD: r.PollFD(), Flags: unix.POLLIN}), -int32(unix.EINVAL))

	if tty, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err != nil {
		t.Logf("/dev/ptmx: %v", err)
	} else {
		r.own(tty, nil)
		unix.IoctlSetPointerInt(tty, unix.TIOCSPTLCK, 0)
		n, err := unix.IoctlGetInt(tty, unix.TIOCGPTN)
		if err != nil {
			t.Fatal(err)
		}
		slave := r.own(unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0))
		c := r.read(slave)
		r.begin(c)
		r.waits(c)
		r.write(tty, "line\n")
		r.want(c, 5)
	}
	for limit := time.Now().Add(soon); r.workers() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("a worker is stuck")
		}
	}
}

// Descriptors in blocking mode wait like others, keep their mode, and never block Poll.
func TestBlockingMode(t *testing.T) {
	r := newRig(t, Config{})
	rd, wr := r.pipe(0)
	c := r.read(rd)
	r.begin(c)
	r.waits(c)
	r.write(wr, "x")
	r.want(c, 1)
	var full *backends.Completion
	for full == nil {
		w := r.op(backends.Op{Code: backends.OpWrite, FD: wr, Off: backends.Stream, Buf: make([]byte, 100_000)})
		if r.begin(w); len(r.events[w.ID]) == 0 {
			full = w
		}
	}
	r.waits(full)
	r.stop(full)

	l, addr := r.listener(0)
	for range 3 {
		a, other := r.op(backends.Op{Code: backends.OpAccept, FD: l, Flags: unix.SOCK_CLOEXEC}),
			r.op(backends.Op{Code: backends.OpAccept, FD: l})
		r.begin(a, other)
		r.waits(a, other)
		s := r.socket(0)
		r.do(r.op(backends.Op{Code: backends.OpConnect, FD: s, Addr: addr}), 0) // on the pool
		r.own(int(r.wait(a)), nil)
		r.waits(other)
		r.stop(other)
	}
	m := r.op(backends.Op{Code: backends.OpAccept, FD: l, Multi: true})
	r.begin(m)
	for i := range 3 {
		r.do(r.op(backends.Op{Code: backends.OpConnect, FD: r.socket(0), Addr: addr}), 0)
		for limit := r.Now() + int64(soon); len(r.events[m.ID]) <= i && r.Now() < limit; {
			r.poll(limit)
		}
		if n := len(r.events[m.ID]); n != i+1 {
			t.Fatalf("%d events after %d connections", n, i+1)
		}
		r.own(int(r.events[m.ID][i].Res), nil)
	}
	r.stop(m)

	// Another process is faster, and makes the listener non-blocking besides: the pool finds
	// nothing, so the wait goes on.
	one := newRig(t, Config{Workers: 1})
	block, release := one.blocker()
	a := one.op(backends.Op{Code: backends.OpAccept, FD: l, Flags: unix.SOCK_CLOEXEC})
	one.begin(block, a)
	connect := func() {
		t.Helper()
		if res := backends.Perform(&backends.Op{Code: backends.OpConnect, FD: r.socket(0), Addr: addr}); res != 0 {
			t.Fatal(res)
		}
	}
	connect()
	for limit := one.Now() + int64(soon); one.find(a.ID).state != working && one.Now() < limit; {
		one.poll(limit)
	}
	theirs, _, err := unix.Accept(l)
	r.own(theirs, err)
	if err := unix.SetNonblock(l, true); err != nil {
		t.Fatal(err)
	}
	release()
	for limit := one.Now() + int64(soon); one.find(a.ID).state == working && one.Now() < limit; {
		one.poll(one.Now() + 1e6)
	}
	one.waits(a)
	connect()
	r.own(int(one.wait(a)), nil)

	unix.Close(l)
	r.do(r.op(backends.Op{Code: backends.OpConnect, FD: r.socket(0), Addr: addr}), -int32(unix.ECONNREFUSED))
	for _, fd := range []int{rd, wr} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("the mode of %d was changed: %#x, %v", fd, flags, err)
		}
	}
}

// EMFILE from accept is a result, and the next one goes on when there are descriptors again. Fault
// 47.
func TestFault47AcceptEMFILE(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, Config{})
	l, addr := r.listener(unix.SOCK_NONBLOCK)
	r.do(r.op(backends.Op{Code: backends.OpConnect, FD: r.socket(unix.SOCK_NONBLOCK), Addr: addr}), 0)
	// the limit is the lowest number that is not given out
	lowest := r.own(unix.FcntlInt(uintptr(l), unix.F_DUPFD_CLOEXEC, 0))
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest), Max: old.Max}); err != nil {
		t.Skip("the limit cannot be changed:", err)
	}
	a := r.op(backends.Op{Code: backends.OpAccept, FD: l, Multi: true, Flags: unix.SOCK_CLOEXEC})
	r.begin(a)
	got := r.wait(a)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if got != -int32(unix.EMFILE) {
		t.Errorf("accept: %d, want -EMFILE", got)
	}
	a = r.op(backends.Op{Code: backends.OpAccept, FD: l, Flags: unix.SOCK_CLOEXEC})
	r.begin(a)
	r.own(int(r.wait(a)), nil)
}

// Reads of what is in the page cache are done at once; all others by the pool, whole.
func TestCachedRead(t *testing.T) {
	r := newRig(t, Config{})
	file := r.file("0123456789")
	c := r.op(backends.Op{Code: backends.OpRead, FD: file, Buf: make([]byte, 10)})
	r.begin(c) // it may not be cached: then this does it
	r.want(c, 10)
	c = r.op(backends.Op{Code: backends.OpReadv, FD: file, Bufs: [][]byte{make([]byte, 4), make([]byte, 4)}, Off: 1})
	r.begin(c)
	if r.want(c, 8); string(c.Bufs[1]) != "5678" {
		t.Errorf("read %q", c.Bufs)
	}
	c = r.op(backends.Op{Code: backends.OpRead, FD: file, Buf: make([]byte, 20)})
	r.Submit([]*backends.Completion{c})
	r.handOver()
	if e := r.find(c.ID); e == nil || e.state != working {
		t.Error("a short read was taken for a whole one")
	}
	r.want(c, 10)
	if held := r.Backend.op; held.Buf != nil || held.Bufs != nil {
		t.Error("the backend holds on to a buffer")
	}
}

// What cannot be opened leaves nothing open.
func TestOpenFails(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	dup, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(dup)
	before, _ := os.ReadDir("/proc/self/fd")
	for room := range 3 {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(dup + room), Max: old.Max}); err != nil {
			t.Skip("the limit cannot be changed:", err)
		}
		b, err := Open(Config{})
		unix.Setrlimit(unix.RLIMIT_NOFILE, &old)
		if err == nil {
			b.Close()
			t.Errorf("Open with room for %d descriptors succeeded", room)
		}
		if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(before) {
			t.Errorf("with room for %d: %d descriptors are open, %d were before", room, len(after), len(before))
		}
	}
}
