package uring

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/internal/sys/systest"
)

// io_uring_enter fails after the operations were made visible to the kernel. They are still to be
// done, once: tokio's issue 8185.
func TestEnterFails(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EAGAIN, syscall.ENOMEM, syscall.EBUSY} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			// It fails for 5 operations, and for 6: those and one more, or those and the wake
			// source's poll.
			for _, n := range []uint32{5, 6} {
				systest.Deny(t, systest.Rule{Call: unix.SYS_IO_URING_ENTER, Errno: errno,
					If: []systest.Arg{{N: 1, Value: n}}})
			}
			r := newRig(t, Config{})
			rd, wr := pipe(t)
			var ops []*backends.Completion
			for i := range 5 {
				ops = append(ops, r.op(backends.Op{Code: backends.OpWrite, FD: wr, Off: backends.Stream,
					Buf: []byte{byte('a' + i)}}))
			}
			r.submit(ops...)
			for _, deadline := range []int64{backends.NoWait, backends.Forever, r.after(time.Hour), backends.NoWait} {
				start := time.Now()
				events, err := r.tryPoll(deadline)
				if len(events) != 0 || err != nil {
					t.Fatalf("Poll(%d) = %+v, %v: the failure is to pass", deadline, events, err)
				}
				if d := time.Since(start); d > patience/2 {
					t.Errorf("Poll(%d) took %v", deadline, d)
				}
				if !r.Pending() || r.ring.Queued() < 5 || !r.lengthy {
					t.Fatalf("after Poll(%d): Pending %v, %d entries are queued, lengthy %v", deadline, r.Pending(),
						r.ring.Queued(), r.lengthy)
				}
			}
			sqes := r.Counters().SQEs
			ops = append(ops, r.submitted(r.nops(2)...)...)
			r.finish(ops...)
			var got [16]byte
			if n, err := unix.Read(rd, got[:]); string(got[:max(n, 0)]) != "abcde" || err != nil {
				t.Errorf("the operations wrote %q, %v, want each once, in order", got[:max(n, 0)], err)
			}
			if n := r.Counters().SQEs - sqes; n != 8 || r.lengthy {
				t.Errorf("%d entries were counted, want 7 operations and the wake source; lengthy %v", n, r.lengthy)
			}
			r.woken()
		})
	}
}

// What has no remedy is reported: the backend is lost.
func TestEnterLost(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EBADR, syscall.EBADF, syscall.EFAULT} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			systest.Deny(t, systest.Rule{Call: unix.SYS_IO_URING_ENTER, Errno: errno,
				If: []systest.Arg{{N: 1, Value: 5}}})
			r := newRig(t, Config{})
			nops := r.submitted(r.nops(5)...)
			events, err := r.tryPoll(backends.NoWait)
			if len(events) != 0 || !errors.Is(err, errno) || err.Error() != "io_uring_enter: "+errno.Error() {
				t.Errorf("Poll = %+v, %v, want %v", events, err, errno)
			}
			r.want(0, append(nops, r.submitted(r.nops(1)...)...)...) // they are still queued
		})
	}
}

// Without SUBMIT_ALL the kernel stops behind an entry it does not like. The rest of the batch is
// handed over later.
func TestPartialSubmit(t *testing.T) {
	r := newRig(t, Config{Rung: len(ladder) - 1})
	if r.ring.Flags()&sys.SetupSubmitAll != 0 {
		t.Fatal("the ring submits all")
	}
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(l)
	for _, deadline := range []int64{backends.NoWait, backends.Forever} {
		enters := r.Counters().Enters
		var ops []*backends.Completion
		for i := range 20 {
			op := backends.Op{Code: backends.OpNop}
			if i%5 == 1 {
				op = backends.Op{Code: backends.OpAccept, FD: l, Flags: 0xff} // no flags of accept4
			}
			ops = append(ops, r.op(op))
		}
		r.submit(ops...)
		for range 50 {
			if len(r.live) > 0 {
				r.poll(deadline)
			}
		}
		for i, c := range ops {
			want := int32(0)
			if i%5 == 1 {
				want = -int32(syscall.EINVAL)
			}
			if res, ok := r.over[c.ID]; !ok || res != want {
				t.Errorf("operation %d: %d (over %v), want %d", i, res, ok, want)
			}
		}
		if n := r.Counters().Enters - enters; n < 5 {
			t.Errorf("20 operations with 4 bad ones took %d calls: the kernel did not stop, this test sees nothing", n)
		}
	}
}

// A DEFER_TASKRUN ring runs 20 pieces of work per call. Polls that do not wait find the rest as
// well.
func TestManyReady(t *testing.T) {
	r := newRig(t, Config{})
	const n = 70
	var reads []*backends.Completion
	var wrs []int
	for range n {
		rd, wr := pipe(t)
		wrs = append(wrs, wr)
		reads = append(reads, r.read(rd, 4))
	}
	for round := range 3 {
		r.submit(reads...)
		r.flush()
		r.woken()
		for i, wr := range wrs {
			write(t, wr, string(rune('0'+i)))
		}
		polls := 0
		for ; r.Pending(); polls++ {
			r.poll(backends.NoWait)
		}
		if len(r.live) != 0 {
			t.Fatalf("nothing is pending after %d Polls, but %d reads have not ended", polls, len(r.live))
		}
		if r.ring.Flags()&sys.SetupDeferTaskrun != 0 && polls < n/20 {
			t.Errorf("all came in %d Polls: this test sees nothing", polls)
		}
		r.finish(reads...)
		for i, c := range reads {
			if want := string(rune('0' + i)); string(c.Buf[:r.over[c.ID]]) != want {
				t.Errorf("round %d: pipe %d gave %q, want %q", round, i, c.Buf[:r.over[c.ID]], want)
			}
			reads[i] = r.read(c.FD, 4)
		}
	}
	for _, c := range reads { // these were never submitted
		delete(r.live, c.ID)
	}
}

// TestStaleTaskrun guards that a flag TASKRUN which the kernel left set, with nothing behind it,
// does not have a loop poll for ever, and that work which comes later is pending all the same.
func TestStaleTaskrun(t *testing.T) {
	r := newRig(t, Config{})
	rd, wr := pipe(t)
	read := r.read(rd, 4)
	r.submit(read)
	r.flush()
	r.ring.LeaveTaskrun()
	polls := 0
	for ; r.Pending(); polls++ {
		if polls > 2*staleAfter {
			t.Fatalf("pending after %d Polls that brought nothing", polls)
		}
		r.poll(backends.NoWait)
	}
	if r.ring.SQFlags()&sys.SQTaskrun != 0 && polls < staleAfter {
		t.Errorf("the flag is set and was believed for %d Polls only", polls)
	}
	write(t, wr, "data")
	r.finish(read)
	if r.ring.Flags()&sys.SetupDeferTaskrun != 0 && r.fruitless != 0 {
		t.Errorf("%d Polls count as fruitless after one that brought a completion", r.fruitless)
	}
}

// Completions for which the queue had no room are pending too, when the queue itself is empty.
func TestOverflowIsPending(t *testing.T) {
	r := newRig(t, Config{Entries: 8, CQEntries: 8})
	var nops []*backends.Completion
	for range 8 {
		for _, c := range r.nops(7) {
			r.submit(c)
			nops = append(nops, c)
		}
		if _, errno := r.enter(false, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	r.poll(backends.NoWait) // takes what there was in the queue
	if len(r.over) == len(nops) || r.ring.SQFlags()&sys.SQCQOverflow == 0 {
		t.Fatalf("one Poll brought %d of %d events: this test sees nothing", len(r.over), len(nops))
	}
	if !r.Pending() {
		t.Fatal("there are more events, but the backend is not Pending")
	}
	r.flush()
	if len(r.over) != len(nops) {
		t.Errorf("%d of %d events came while the backend was Pending", len(r.over), len(nops))
	}
}

// A poll that has reported what was not asked for, and is yet to be submitted again, is pending.
func TestPollIsPending(t *testing.T) {
	r := newRig(t, Config{})
	a, b := socketPair(t)
	for err := error(nil); err == nil; { // until it has no room
		_, err = unix.Write(a, make([]byte, 4096))
	}
	if err := unix.Shutdown(b, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	c := r.op(backends.Op{Code: backends.OpPoll, FD: a, Flags: unix.POLLOUT})
	r.submit(c)
	r.poll(backends.NoWait)
	if len(r.polls.chores) == 0 || r.ring.Queued() != 0 || r.ring.CQReady() != 0 {
		t.Fatal("the poll has not reported the peer: this test sees nothing")
	}
	if !r.Pending() {
		t.Error("a poll is to be submitted again, but the backend is not Pending")
	}
	r.flush()
	if !r.Cancel(c.ID) {
		t.Fatal("no room for a cancel")
	}
	r.want(-int32(unix.ECANCELED), c)
}

// Signals rain on the thread that polls: no operation is lost or ends early, no deadline comes
// early, and they are no error.
func TestSignals(t *testing.T) {
	r := newRig(t, Config{})
	tid := unix.Gettid()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(1, 2))
		for !stop.Load() {
			unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
			time.Sleep(time.Duration(rng.IntN(50)) * time.Microsecond)
		}
	})
	defer wg.Wait()
	defer stop.Store(true)

	cut := 0
	for range 20 {
		deadline := r.after(2 * time.Millisecond)
		for {
			r.poll(deadline)
			if r.Now() >= deadline {
				break
			}
			cut++
		}
	}
	if cut == 0 {
		t.Error("no signal ended a wait: this test sees nothing")
	}
	a, b := socketPair(t)
	for i := range 500 {
		rd := r.submitted(r.op(backends.Op{Code: backends.OpRecv, FD: a, Buf: make([]byte, 8),
			Flags: unix.MSG_WAITALL}))
		if i%2 == 0 {
			r.poll(backends.NoWait)
		}
		wr := r.submitted(r.op(backends.Op{Code: backends.OpSend, FD: b, Buf: fmt.Appendf(nil, "%08d", i)}))
		r.want(8, append(wr, rd...)...)
		if got := string(rd[0].Buf); got != fmt.Sprintf("%08d", i) {
			t.Fatalf("round %d: received %q", i, got)
		}
	}
	for range 5 {
		r.woken()
	}
	t.Logf("%d waits were cut short", cut)
}

// What an operation needs beside its own memory is its slot's until its last event, and the slot's
// next operation's after that: events of an earlier tenant do not touch it.
func TestScratchGenerations(t *testing.T) {
	r := newRig(t, Config{})
	a, b := socketPair(t)
	recvmsg := func(gen uint32) *backends.Completion {
		c := &backends.Completion{ID: backends.MakeID(5, gen), Op: backends.Op{
			Code: backends.OpRecvMsg, FD: a, Msg: &backends.Msg{
				Bufs: [][]byte{make([]byte, 2), {}, make([]byte, 10)}, Control: make([]byte, 64), Flags: 77,
			},
		}}
		r.live[c.ID] = c
		return c
	}
	var last *scratch
	for gen := uint32(10); gen < 100; gen += 10 {
		c := recvmsg(gen)
		r.submit(c)
		r.flush()
		s := r.scratch[5]
		if last != nil && s != last {
			t.Error("the slot's memory was not used again")
		}
		last = s
		if s.id != c.ID || s.msg.Iov == nil || len(s.iov) != 2 {
			t.Fatalf("the scratch of %v is %+v", c.ID, *s)
		}
		// News of the slot's last tenant and its next, and of another slot.
		for _, id := range []backends.ID{backends.MakeID(5, gen-1), backends.MakeID(5, gen+1),
			backends.MakeID(6, gen)} {
			e := r.ring.SQE()
			e.Opcode, e.Fd, e.UserData = sys.OpNop, -1, uint64(id)
			r.live[id] = &backends.Completion{ID: id}
		}
		r.flush()
		if s.id != c.ID || s.msg.Iov == nil || len(s.iov) != 2 || s.op != &c.Op {
			t.Fatalf("an event of another took the scratch of %v: %+v", c.ID, *s)
		}
		if err := unix.Sendmsg(b, []byte("hello"), unix.UnixRights(b), nil, 0); err != nil {
			t.Fatal(err)
		}
		r.want(5, c)
		m := c.Msg
		if string(m.Bufs[0])+string(m.Bufs[2][:3]) != "hello" || m.Flags != 0 {
			t.Errorf("received %q, flags %#x", m.Bufs, m.Flags)
		}
		messages, err := unix.ParseSocketControlMessage(m.Control)
		if err != nil || len(messages) != 1 {
			t.Fatalf("the control data %v has %d messages, %v", m.Control, len(messages), err)
		}
		fds, _ := unix.ParseUnixRights(&messages[0])
		for _, fd := range fds {
			unix.Close(fd)
		}
		if len(fds) != 1 {
			t.Errorf("%d descriptors came", len(fds))
		}
		if s.id != 0 || s.op != nil || s.msg != (unix.Msghdr{}) || len(s.iov) > 0 && s.iov[0] != (unix.Iovec{}) {
			t.Errorf("after the end the scratch still refers to memory: %+v", *s)
		}
	}
}

// Memory that was the kernel's is the collector's again after the last event.
func TestScratchLetsGo(t *testing.T) {
	r := newRig(t, Config{})
	_, wr := pipe(t)
	var collected atomic.Int32
	for slot := range uint32(10) {
		buf := new([4096]byte)
		runtime.AddCleanup(buf, func(int) { collected.Add(1) }, 0)
		c := &backends.Completion{ID: backends.MakeID(slot, 1), Op: backends.Op{
			Code: backends.OpWritev, FD: wr, Off: backends.Stream, Bufs: [][]byte{buf[:]},
		}}
		r.live[c.ID] = c
		r.submit(c)
		r.want(4096, c)
	}
	for limit := time.Now().Add(patience); collected.Load() < 9; runtime.GC() { // one may still be on the stack
		if time.Now().After(limit) {
			t.Fatalf("%d of 10 buffers were collected", collected.Load())
		}
		time.Sleep(time.Millisecond)
	}
}

// The kernel starts no more threads than Workers for operations that it can only do by blocking,
// and they end with the thread they work for.
func TestWorkers(t *testing.T) {
	if !systest.InChild(t) { // threads that have made another ring keep what that one's limit was
		openOrSkip(t, Config{}).Close()
	}
	systest.Child(t, func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		end(t, func() { blockWorkers(newRig(t, Config{Workers: 3})) })
		for limit := time.Now().Add(patience); systest.Workers(t) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d worker threads are left", systest.Workers(t))
			}
		}
	})
}

func blockWorkers(r *rig) {
	t := r.t
	const n = 30
	stop, counted := make(chan bool), make(chan int)
	go func() {
		most := 0
		for {
			select {
			case <-stop:
				counted <- most
				return
			case <-time.After(100 * time.Microsecond):
				most = max(most, systest.Workers(t))
			}
		}
	}()
	// Splices from empty pipes block a thread each.
	var splices []*backends.Completion
	var wrs []int
	for range n {
		rd, wr := pipe(t)
		_, to := pipe(t)
		unix.SetNonblock(rd, false)
		unix.SetNonblock(to, false)
		wrs = append(wrs, wr)
		c := r.op(backends.Op{})
		e := r.ring.SQE()
		e.Opcode, e.Fd, e.Off, e.SpliceFdIn, e.Addr, e.Len = sys.OpSplice, int32(to), 1<<64-1, int32(rd), 1<<64-1, 1
		e.UserData = uint64(c.ID)
		splices = append(splices, c)
	}
	// An fsync is of the other kind.
	fd, err := unix.Open(filepath.Join(t.TempDir(), "file"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(fd)
	var writes, syncs []*backends.Completion
	for i := range n {
		writes = append(writes, r.op(backends.Op{Code: backends.OpWrite, FD: fd, Off: int64(i) * 100,
			Buf: bytes.Repeat([]byte{'x'}, 100)}))
		syncs = append(syncs, r.op(backends.Op{Code: backends.OpFsync, FD: fd}))
		r.submit(writes[i], syncs[i])
	}
	r.want(100, writes...)
	r.want(0, syncs...)
	for limit := time.Now().Add(patience); systest.Workers(t) < 3 && time.Now().Before(limit); {
		r.poll(r.after(time.Millisecond))
	}
	for range 10 {
		r.poll(r.after(2 * time.Millisecond)) // none ends, and no more are started
	}
	for _, wr := range wrs {
		write(t, wr, "x")
	}
	r.want(1, splices...)
	stop <- true
	if most := <-counted; most < 3 || most > 6 {
		t.Errorf("%d worker threads at a time, want 3 of one kind and up to 3 of the other", most)
	}
}

// Sending to a peer that is gone is an error, not a signal.
func TestNoSigpipe(t *testing.T) {
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	defer signal.Stop(pipes)
	r := newRig(t, Config{})
	a, b := socketPair(t)
	unix.Shutdown(a, unix.SHUT_RD)
	for _, op := range []backends.Op{
		{Code: backends.OpSend, FD: b, Buf: []byte("x")},
		{Code: backends.OpSendMsg, FD: b, Msg: &backends.Msg{Bufs: [][]byte{[]byte("x")}}},
	} {
		r.want(-int32(syscall.EPIPE), r.submitted(r.op(op))...)
		select {
		case <-pipes:
			t.Errorf("%v raised SIGPIPE", op.Code)
		case <-time.After(20 * time.Millisecond):
		}
	}
	unix.Sendto(b, []byte("x"), 0, nil)
	select {
	case <-pipes:
	case <-time.After(patience):
		t.Error("no SIGPIPE without MSG_NOSIGNAL: this test sees nothing")
	}
}
