package epoll

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// libxev's issues 230 and 234: a registration for each operation fails on the second one of a
// descriptor, or hits operations that are over. 231: a duplicate for each makes descriptors run
// out. One is enough for any number.
func TestLibxev230OneRegistration(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_STREAM)
	before, _ := os.ReadDir("/proc/self/fd")
	var ops []*backends.Completion
	for range 10 {
		ops = append(ops, r.recv(a), r.op(backends.Op{Code: backends.OpPoll, FD: a, Flags: unix.POLLIN}), r.recv(b))
	}
	r.begin(ops...)
	if list := r.registrations(); len(list) != 2 || list[a] != 1 || list[b] != 1 {
		t.Errorf("registrations: %v, want one of each of %d and %d", list, a, b)
	}
	if after, _ := os.ReadDir("/proc/self/fd"); len(after) != len(before) {
		t.Errorf("%d descriptors are open, %d were before", len(after), len(before))
	}
	r.write(b, "0123456789")
	for _, c := range ops {
		if c.Code == backends.OpPoll {
			r.want(c, unix.POLLIN)
		}
	}
	r.want(ops[0], 8)
	r.want(ops[3], 2)
	for _, c := range ops {
		if _, ended := r.over(c); !ended {
			r.stop(c)
		}
	}
	if list := r.registrations(); len(list) != 2 {
		t.Errorf("registrations: %v, want the same: they outlive operations", list)
	}
}

// A descriptor that others have closed, and whose number is another file's: what is new waits on
// that file, what is old ends. Fault 25.
func TestFault25Reopened(t *testing.T) {
	r := newRig(t, Config{})
	for _, skip := range []bool{false, true} {
		fd, w := r.pipe(unix.O_NONBLOCK)
		r.write(w, "old")
		r.do(r.read(fd), 3)
		for range 3 { // so that the next one waits without a try
			c := r.read(fd)
			if r.begin(c); skip {
				r.write(w, "x")
				r.want(c, 1)
			} else {
				r.stop(c)
			}
		}
		old := r.read(fd)
		r.begin(old)
		r.waits(old)

		fd2, w2 := r.pipe(unix.O_NONBLOCK)
		r.become(fd, fd2)
		c, next := r.read(fd), r.read(fd)
		r.begin(c, next)
		r.want(old, badFD)
		r.waits(c, next)
		r.write(w2, "new!")
		r.want(c, 4)
		if string(c.Buf[:4]) != "new!" {
			t.Errorf("read %q", c.Buf)
		}
		r.stop(next)
	}
}

// The same when no operation waited meanwhile, and nothing tells that the file is another one.
func TestFault25ReopenedIdle(t *testing.T) {
	r := newRig(t, Config{})
	fd, w := r.pipe(unix.O_NONBLOCK)
	c := r.read(fd)
	r.begin(c)
	r.waits(c)
	r.write(w, "x")
	r.want(c, 1)
	for range 5 {
		fd2, w2 := r.pipe(unix.O_NONBLOCK)
		r.become(fd, fd2)
		c := r.read(fd)
		r.begin(c)
		r.waits(c)
		r.write(w2, "y")
		r.want(c, 1)
	}
	a, b := r.pair(unix.SOCK_STREAM) // and now it is a socket
	r.become(fd, a)
	c = r.recv(fd)
	r.begin(c)
	r.waits(c)
	r.write(b, "z")
	r.want(c, 1)
	file := r.file("content") // and now a file, which cannot be polled
	r.become(fd, file)
	r.do(r.read(fd), 7)
	r.do(r.read(fd), 0)
	fd2, w2 := r.pipe(unix.O_NONBLOCK) // and back
	r.become(fd, fd2)
	c = r.read(fd)
	r.begin(c)
	r.waits(c)
	r.write(w2, "x")
	r.want(c, 1)
}

// What is not tried, because on this number it would have been in vain, is tried when the number is
// another file's.
func TestReopenedUntried(t *testing.T) {
	r := newRig(t, Config{})
	fd, w := r.pair(unix.SOCK_STREAM)
	for range 5 {
		c := r.recv(fd)
		r.begin(c)
		r.waits(c)
		r.write(w, "x")
		r.want(c, 1)
	}
	if next := r.lookup(fd).try[wayIn]; next.Allow() {
		t.Fatal("the next one would be tried")
	}
	rd, _ := r.pipe(unix.O_NONBLOCK)
	r.become(fd, rd)
	r.do(r.recv(fd), -int32(unix.ENOTSOCK))
}

// What waited for a file that is closed can be cancelled, and hears of the close when the kernel is
// asked. Fault 26.
func TestFault26ClosedBehindOurBack(t *testing.T) {
	r := newRig(t, Config{})
	fd, _ := r.pipe(unix.O_NONBLOCK)
	c, p := r.read(fd), r.op(backends.Op{Code: backends.OpPoll, FD: fd, Flags: unix.POLLIN, Multi: true})
	r.begin(c, p)
	unix.Close(fd)
	r.waits(c, p)
	r.stop(c)
	r.do(r.read(fd), badFD)
	r.begin(r.op(backends.Op{Code: backends.OpPoll, FD: fd, Flags: unix.POLLIN}))
	r.want(p, badFD)
}

// Events of a registration that a duplicate keeps alive belong to no operation. Fault 40.
func TestFault40StaleEvent(t *testing.T) {
	r := newRig(t, Config{})
	fd, w := r.pipe(unix.O_NONBLOCK)
	kept := r.own(unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0))
	old := r.op(backends.Op{Code: backends.OpPoll, FD: fd, Flags: unix.POLLIN})
	r.begin(old)
	fd2, w2 := r.pipe(unix.O_NONBLOCK)
	r.become(fd, fd2)
	c := r.op(backends.Op{Code: backends.OpPoll, FD: fd, Flags: unix.POLLIN})
	r.begin(c)
	r.want(old, badFD)
	r.write(w, "x") // for the file that the number meant before
	r.waits(c)
	r.write(w2, "y")
	r.want(c, unix.POLLIN)
	r.do(r.read(kept), 1) // through its own number it works as ever

	// Back to the first file, whose registration is still there.
	r.become(fd, r.own(unix.FcntlInt(uintptr(kept), unix.F_DUPFD_CLOEXEC, 0)))
	c = r.read(fd)
	r.begin(c)
	r.waits(c)
	r.write(w, "z")
	r.want(c, 1)

	// The same, when the backend has learned meanwhile that the number is closed.
	unix.Close(fd)
	r.do(r.op(backends.Op{Code: backends.OpPoll, FD: fd, Flags: unix.POLLIN}), badFD)
	if err := unix.Dup3(kept, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	c = r.read(fd)
	r.begin(c)
	r.waits(c)
	r.write(w, "!")
	r.want(c, 1)
}

// Duplicates are descriptors like others.
func TestDuplicates(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_DGRAM)
	dup := r.own(unix.FcntlInt(uintptr(a), unix.F_DUPFD_CLOEXEC, 0))
	c, d := r.recv(a), r.recv(dup)
	r.begin(c, d)
	r.waits(c, d)
	r.write(b, "one")
	r.write(b, "two")
	r.want(c, 3)
	r.want(d, 3)
	d = r.recv(dup)
	r.begin(d)
	unix.Close(a)
	r.write(b, "three")
	r.want(d, 5)
}

// OpClose ends what waits, before the number can become another's, and what is submitted after it
// comes after it.
func TestClosePending(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_STREAM)
	waits := []*backends.Completion{r.recv(a), r.recv(a),
		r.op(backends.Op{Code: backends.OpPoll, FD: a, Flags: unix.POLLPRI, Multi: true})}
	r.begin(waits...)
	r.waits(waits...)
	closing, after := r.op(backends.Op{Code: backends.OpClose, FD: a}), r.recv(a)
	r.begin(closing, after)
	for _, c := range waits {
		r.want(c, badFD)
	}
	r.want(closing, 0)
	r.want(after, badFD)
	r.do(r.recv(b), 0)

	c, d := r.pair(unix.SOCK_STREAM) // when no descriptor comes after it as well
	last := r.recv(c)
	r.begin(last)
	r.begin(r.op(backends.Op{Code: backends.OpClose, FD: c}))
	r.want(last, badFD)
	r.do(r.recv(d), 0)
	if list := r.registrations(); list[a] != 0 {
		t.Errorf("the registration of a closed descriptor is left: %v", list)
	}
	if d := r.lookup(a); d.multi != 0 {
		t.Errorf("%d multishot polls are counted on a closed descriptor", d.multi)
	}
}

// OpClose waits for the pool to let go of the descriptor: what has not begun would find another
// file there.
func TestCloseAfterPool(t *testing.T) {
	r := newRig(t, Config{Workers: 1})
	block, release := r.blocker()
	file := r.file("content")
	read := r.op(backends.Op{Code: backends.OpFsync, FD: file})
	closing, late := r.op(backends.Op{Code: backends.OpClose, FD: file}),
		r.op(backends.Op{Code: backends.OpFsync, FD: file})
	r.begin(block, read, closing, late)
	r.waits(block, read, closing, late)
	if _, err := unix.FcntlInt(uintptr(file), unix.F_GETFD, 0); err != nil {
		t.Error("the file was closed before its turn")
	}
	release()
	r.want(read, 0)
	r.want(closing, 0)
	r.want(late, badFD)
	r.wait(block)

	// A close that is cancelled in the line lets the others go on.
	block, release = r.blocker()
	file = r.file("content")
	read = r.op(backends.Op{Code: backends.OpFsync, FD: file})
	closing, late = r.op(backends.Op{Code: backends.OpClose, FD: file}),
		r.op(backends.Op{Code: backends.OpFsync, FD: file})
	r.begin(block, read, closing, late)
	r.stop(closing)
	release()
	r.want(read, 0)
	r.want(late, 0)
	r.wait(block)
}

// untilBegun waits until the pool has begun c.
func (r *rig) untilBegun(c *backends.Completion) {
	r.Helper()
	for limit := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		r.pool.mu.Lock()
		begun := r.find(c.ID).work.begun
		r.pool.mu.Unlock()
		if begun {
			return
		}
		if time.Now().After(limit) {
			r.Fatalf("the pool has not begun %v after %v", c.Code, soon)
		}
	}
}

// The same with room in the pool: the descriptor stays open for as long as an operation uses it.
func TestCloseWhileWorking(t *testing.T) {
	r := newRig(t, Config{})
	for _, end := range []string{"to", "from"} {
		from, w := r.pipe(0)
		_, to := r.pipe(0)
		splice := r.op(backends.Op{Code: backends.OpSplice, FD: to, Off: backends.Stream, Args: &backends.Args{FD: from,
			Off: backends.Stream, Len: 10}})
		closing := r.op(backends.Op{Code: backends.OpClose, FD: to})
		if end == "from" {
			closing.FD = from
		}
		r.begin(splice)
		r.untilBegun(splice)
		r.begin(closing)
		for limit := r.Now() + 5e6; r.Now() < limit; {
			r.poll(limit)
		}
		r.waits(splice, closing)
		r.write(w, "x")
		r.want(splice, 1)
		r.want(closing, 0)
	}
}

// blocker is an operation that keeps a goroutine of the pool until it is released: opening a FIFO
// that has no writer.
func (r *rig) blocker() (c *backends.Completion, release func()) {
	r.Helper()
	name := r.TempDir() + "/fifo"
	if err := unix.Mkfifo(name, 0o600); err != nil {
		r.Fatal(err)
	}
	path, _ := backends.PathOf(name)
	c = r.op(backends.Op{Code: backends.OpOpen, FD: backends.AtCWD, Flags: unix.O_RDONLY | unix.O_CLOEXEC,
		Args: &backends.Args{Path: path}})
	return c, func() {
		r.Helper()
		r.own(unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)) // both ends: does not wait
		r.own(int(r.wait(c)), nil)
	}
}
