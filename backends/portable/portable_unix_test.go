//go:build unix && !aix

package portable

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// rig is a backend with what the tests of this file need to talk to it.
type rig struct {
	*testing.T
	*Backend
	next   uint32
	events map[backends.ID][]backends.Event
}

func newRig(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.Thread = true // Bind has nothing to do, so that any goroutine may be the thread
	be, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, Backend: be.(*Backend), events: map[backends.ID][]backends.Event{}}
	t.Cleanup(func() {
		if err := be.Close(); err != nil {
			t.Error(err)
		}
		for i, rec := range r.engine.slots {
			if rec != nil {
				t.Errorf("slot %d is taken after Close: %v", i, rec.c.Code)
			}
		}
		if n := len(r.engine.poller.live) + len(r.engine.poller.descs); n != 0 {
			t.Errorf("the poller knows %d descriptors after Close", n)
		}
	})
	return r
}

func (r *rig) submit(op backends.Op) backends.ID {
	r.Helper()
	r.next++
	c := &backends.Completion{Op: op, ID: backends.MakeID(r.next, 1)}
	for r.Submit([]*backends.Completion{c}) == 0 {
		r.poll(backends.NoWait)
	}
	r.poll(backends.NoWait)
	return c.ID
}

func (r *rig) poll(deadline int64) {
	var dst [64]backends.Event
	n, err := r.Poll(dst[:], deadline)
	if err != nil {
		r.Fatal(err)
	}
	for _, ev := range dst[:n] {
		r.events[ev.ID] = append(r.events[ev.ID], ev)
	}
}

// over reports whether the operation has ended.
func (r *rig) over(id backends.ID) bool {
	return slices.ContainsFunc(r.events[id], func(ev backends.Event) bool { return !ev.More })
}

const patience = 30 * time.Second

// wait polls until the operation is over and returns its result.
func (r *rig) wait(id backends.ID) int32 {
	r.Helper()
	for end := time.Now().Add(patience); !r.over(id); {
		if time.Now().After(end) {
			r.Fatalf("operation %v is not over after %v", id, patience)
		}
		r.poll(r.Now() + int64(time.Second))
	}
	return r.events[id][len(r.events[id])-1].Res
}

func (r *rig) quiet(d time.Duration) {
	for end := r.Now() + int64(d); r.Now() < end; {
		r.poll(end)
	}
}

func (r *rig) stop(id backends.ID) {
	for !r.Cancel(id) {
		r.poll(backends.NoWait)
	}
}

func (r *rig) want(what string, id backends.ID, res ...int32) {
	r.Helper()
	if got := r.wait(id); !slices.Contains(res, got) {
		r.Errorf("%s: %d, want %v", what, got, res)
	}
}

// blockingPipe is a pipe whose ends are in blocking mode.
func blockingPipe(t *testing.T) (rd, wr int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(p[0])
		unix.Close(p[1])
	})
	return p[0], p[1]
}

func nonblocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

func readOp(fd, n int) backends.Op {
	return backends.Op{Code: backends.OpRead, FD: fd, Off: backends.Stream, Buf: make([]byte, n)}
}

func writeOp(fd int, p []byte) backends.Op {
	return backends.Op{Code: backends.OpWrite, FD: fd, Off: backends.Stream, Buf: p}
}

// TestBlockingDescriptor guards the promise to descriptors in blocking mode: they stay in it, reads
// that wait can be cancelled, take their turns, and hold no worker while they wait.
func TestBlockingDescriptor(t *testing.T) {
	r := newRig(t, Config{Workers: 1})
	rd, wr := blockingPipe(t)
	first, second, third := r.submit(readOp(rd, 1)), r.submit(readOp(rd, 1)), r.submit(readOp(rd, 1))
	r.quiet(5 * time.Millisecond)
	r.stop(second)
	r.want("a read that was cancelled", second, -int32(unix.ECANCELED))
	// The only worker is free for others.
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r.want("fsync beside reads that wait", r.submit(backends.Op{Code: backends.OpFsync, FD: int(f.Fd())}), 0)
	if r.over(first) || r.over(third) {
		t.Fatal("a read of an empty pipe is over")
	}
	for _, id := range []backends.ID{first, third} {
		r.want("write", r.submit(writeOp(wr, []byte("x"))), 1)
		r.want("read", id, 1)
	}
	if nonblocking(t, rd) || nonblocking(t, wr) {
		t.Error("a descriptor was switched to non-blocking mode")
	}
	r.want("read of the end that is written", r.submit(readOp(wr, 1)), -int32(unix.EBADF))
	r.want("write to the end that is read", r.submit(writeOp(rd, []byte("x"))), -int32(unix.EBADF))
	last := r.submit(readOp(rd, 1))
	unix.Close(wr)
	r.want("read at the end", last, 0)
}

// TestBlockingWriteFillsPipe guards writes to a pipe in blocking mode: one that finds less room
// than it has data does what there is room for, instead of holding a worker until the pipe is read.
func TestBlockingWriteFillsPipe(t *testing.T) {
	r := newRig(t, Config{Workers: 1})
	rd, wr := blockingPipe(t)
	sent := 0
	for {
		id := r.submit(writeOp(wr, make([]byte, 50_000)))
		r.quiet(2 * time.Millisecond)
		if !r.over(id) {
			r.stop(id)
		}
		n := r.wait(id)
		if n == -int32(unix.ECANCELED) {
			break // no room
		}
		if n <= 0 {
			t.Fatalf("write: %d", n)
		}
		sent += int(n)
	}
	for got := 0; got < sent; {
		n := r.wait(r.submit(readOp(rd, 100_000)))
		if n <= 0 {
			t.Fatalf("read: %d after %d of %d bytes", n, got, sent)
		}
		got += int(n)
	}
	id := r.submit(readOp(rd, 1))
	r.quiet(2 * time.Millisecond)
	r.stop(id)
	r.want("a read of more than was written", id, -int32(unix.ECANCELED))
}

// TestCloseAfterCancel guards that by the time an operation is over nothing keeps its descriptor
// alive: a listener that is closed then gives its address free at once, and a peer sees the end.
func TestCloseAfterCancel(t *testing.T) {
	r := newRig(t, Config{})
	var name unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	for i := range 200 {
		l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Bind(l, name); err != nil {
			t.Fatalf("round %d: bind: %v", i, err)
		}
		if err := unix.Listen(l, 1); err != nil {
			t.Fatal(err)
		}
		if name, err = unix.Getsockname(l); err != nil {
			t.Fatal(err)
		}
		id := r.submit(backends.Op{Code: backends.OpAccept, FD: l, Multi: i%2 == 0})
		if i%3 > 0 {
			r.quiet(time.Duration(i) * time.Microsecond)
		}
		r.stop(id)
		r.want("accept", id, -int32(unix.ECANCELED))
		if err := unix.Close(l); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClosedBehind guards that operations on a descriptor that others close end all the same.
func TestClosedBehind(t *testing.T) {
	r := newRig(t, Config{})
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[1])
	var ids []backends.ID
	for range 3 {
		ids = append(ids, r.submit(readOp(p[0], 1)))
	}
	ids = append(ids, r.submit(backends.Op{Code: backends.OpPoll, FD: p[0], Flags: unix.POLLIN, Multi: true}))
	r.quiet(time.Millisecond)
	unix.Close(p[0])
	r.want("nop", r.submit(backends.Op{Code: backends.OpNop}), 0)
	r.want("read of no descriptor", r.submit(readOp(-1, 1)), -int32(unix.EBADF)) // has poll(2) begin anew
	for _, id := range ids {
		r.want("an operation on a descriptor that is closed", id, -int32(unix.EBADF))
	}
}

// TestWorkersAreBounded guards the bound on goroutines that block, and that a queued operation can
// be cancelled.
func TestWorkersAreBounded(t *testing.T) {
	r := newRig(t, Config{Workers: 2})
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	most, cancelled := 0, 0
	for range 20 {
		var ids []backends.ID
		for range 100 {
			op := readOp(int(f.Fd()), 1<<20)
			op.Off = 0
			ids = append(ids, r.submit(op))
			r.mu.Lock()
			most = max(most, r.engine.workers.running)
			r.mu.Unlock()
		}
		r.stop(ids[len(ids)-1])
		for i, id := range ids {
			switch n := r.wait(id); {
			case n == -int32(unix.ECANCELED) && i == len(ids)-1:
				cancelled++
			case n != 1<<20:
				t.Errorf("read: %d", n)
			}
		}
	}
	if most != 2 {
		t.Errorf("%d workers ran at a time, want 2", most)
	}
	if cancelled == 0 {
		t.Error("no queued operation was cancelled in 20 rounds: this test has tested nothing")
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		running := r.engine.workers.running
		r.mu.Unlock()
		if running == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d workers still run with nothing to do", running)
		}
	}
}

// TestMultiPollIsPatient guards that a multishot poll for what stays ready neither keeps the
// processor busy nor fails to report what comes after it was not.
func TestMultiPollIsPatient(t *testing.T) {
	r := newRig(t, Config{})
	rd, wr := blockingPipe(t)
	m := r.submit(backends.Op{Code: backends.OpPoll, FD: rd, Flags: unix.POLLIN, Multi: true})
	r.want("write", r.submit(writeOp(wr, []byte("x"))), 1)
	r.quiet(100 * time.Millisecond)
	if n := len(r.events[m]); n == 0 || n > 40 {
		t.Errorf("%d events in 100 ms for one byte", n)
	}
	before := r.Counters().Syscalls
	r.quiet(50 * time.Millisecond)
	if n := r.Counters().Syscalls - before; n > 200 {
		t.Errorf("%d system calls in 50 ms for nothing", n)
	}
	for range 20 {
		r.want("read", r.submit(readOp(rd, 1)), 1)
		r.quiet(100 * time.Microsecond)
		seen := len(r.events[m])
		r.want("write", r.submit(writeOp(wr, []byte("x"))), 1)
		for end := time.Now().Add(patience); len(r.events[m]) == seen; {
			if r.poll(r.Now() + int64(time.Millisecond)); time.Now().After(end) {
				t.Fatal("no event for a byte that came after the last was read")
			}
		}
	}
	r.stop(m)
	r.want("the poll", m, -int32(unix.ECANCELED))
}

// TestBacklog guards that multishots pause while their events are not reaped, instead of filling
// the memory, and then go on.
func TestBacklog(t *testing.T) {
	r := newRig(t, Config{Entries: 3 * backlog})
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(l, 100); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(l)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(l, true)
	m := r.submit(backends.Op{Code: backends.OpAccept, FD: l, Multi: true})
	r.quiet(time.Millisecond)

	var nops []*backends.Completion
	for i := range 2 * backlog {
		nops = append(nops, &backends.Completion{ID: backends.MakeID(uint32(10_000+i), 1)})
	}
	if n := r.Submit(nops); n != len(nops) {
		t.Fatalf("the queue took %d nops", n)
	}
	r.poll(backends.NoWait) // reaps a few of them
	const conns = 5
	for range conns {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(c)
		if err := unix.Connect(c, name); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(5 * time.Millisecond)
	r.mu.Lock()
	if n := r.waiting(); n > 2*backlog-64+1 { // it may have looked just before the nops came
		t.Errorf("%d events wait to be reaped, and more came", n)
	}
	r.mu.Unlock()
	for end := time.Now().Add(patience); len(r.events[m]) < conns; {
		if r.poll(r.Now() + int64(time.Millisecond)); time.Now().After(end) {
			t.Fatalf("%d of %d connections were accepted", len(r.events[m]), conns)
		}
	}
	for _, ev := range r.events[m] {
		unix.Close(int(ev.Res))
	}
	r.stop(m)
	r.want("the accept", m, -int32(unix.ECANCELED))
}

// TestNoPollerWithoutDescriptors guards that a loop that only keeps time has no goroutines beside
// it.
func TestNoPollerWithoutDescriptors(t *testing.T) {
	r := newRig(t, Config{})
	r.want("nop", r.submit(backends.Op{Code: backends.OpNop}), 0)
	r.quiet(time.Millisecond)
	if r.engine.running {
		t.Error("the poller runs for a nop")
	}
	r.want("a code that there is none of", r.submit(backends.Op{Code: backends.Code(backends.NumCodes)}),
		-int32(unix.EINVAL), -int32(unix.ENOSYS))
	if s := fmt.Sprint(r.Detail()); s == "" {
		t.Error("the backend has nothing to say about itself")
	}
}

// TestCloseEndsWaiting guards that OpClose ends what waits for its descriptor: the number may be
// another file's soon.
func TestCloseEndsWaiting(t *testing.T) {
	r := newRig(t, Config{})
	var p [2]int
	if err := unix.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[1])
	ids := []backends.ID{
		r.submit(readOp(p[0], 1)), r.submit(readOp(p[0], 1)),
		r.submit(backends.Op{Code: backends.OpPoll, FD: p[0], Flags: unix.POLLIN}),
	}
	r.quiet(time.Millisecond)
	r.want("close", r.submit(backends.Op{Code: backends.OpClose, FD: p[0]}), 0)
	for _, id := range ids {
		r.want("an operation on the descriptor", id, -int32(unix.EBADF))
	}
}

// TestTurns guards that operations on one direction of a descriptor take their turns, and do not
// hold up the other.
func TestTurns(t *testing.T) {
	r := newRig(t, Config{})
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	const n = 20
	var ids []backends.ID
	bufs := make([][]byte, n)
	for i := range n {
		op := readOp(p[0], 1)
		bufs[i] = op.Buf
		ids = append(ids, r.submit(op))
	}
	r.quiet(time.Millisecond)
	for i := range n {
		r.want("write", r.submit(writeOp(p[1], []byte{byte(i)})), 1)
		r.want("a write the other way", r.submit(writeOp(p[0], []byte("x"))), 1)
	}
	for i, id := range ids {
		r.want("read", id, 1)
		if bufs[i][0] != byte(i) {
			t.Errorf("read %d has byte %d", i, bufs[i][0])
		}
	}
	for range 200 { // one that comes when there is data does not overtake one that waits for it
		early, late := readOp(p[0], 1), readOp(p[0], 1)
		first := r.submit(early)
		r.quiet(100 * time.Microsecond)
		if _, err := unix.Write(p[1], []byte("12")); err != nil {
			t.Fatal(err)
		}
		second := r.submit(late)
		r.want("read", first, 1)
		r.want("read", second, 1)
		if got := string(early.Buf) + string(late.Buf); got != "12" {
			t.Fatalf("the reads brought %q, in the order in which they were submitted", got)
		}
	}
}
