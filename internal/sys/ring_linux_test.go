package sys

import (
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys/systest"
)

const (
	forever = math.MaxInt64
	single  = SetupSingleIssuer
	deferTW = SetupSingleIssuer | SetupDeferTaskrun | SetupTaskrunFlag
)

// setupFlags are those that weir uses.
var setupFlags = []struct {
	bit  uint32
	name string
	with uint32 // what it needs
}{
	{SetupCQSize, "CQSIZE", 0}, {SetupClamp, "CLAMP", 0}, {SetupRDisabled, "R_DISABLED", 0},
	{SetupSubmitAll, "SUBMIT_ALL", 0}, {SetupCoopTaskrun, "COOP_TASKRUN", 0},
	{SetupTaskrunFlag, "TASKRUN_FLAG", SetupCoopTaskrun}, {SetupSingleIssuer, "SINGLE_ISSUER", 0},
	{SetupDeferTaskrun, "DEFER_TASKRUN", SetupSingleIssuer}, {SetupNoSQArray, "NO_SQARRAY", 0},
}

func flagNames(flags uint32) string {
	var names []string
	for _, f := range setupFlags {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, "|")
}

// open makes a ring for the duration of the test, on the test's own thread, or skips the test.
func open(t testing.TB, entries, cqEntries, flags uint32) *Ring {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r, err := NewRing(entries, cqEntries, flags)
	switch {
	case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		t.Skipf("io_uring is not to be had here: %v", err)
	case errors.Is(err, syscall.EINVAL):
		t.Skipf("this kernel has no rings with %s: %v", flagNames(flags), err)
	case err != nil:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if MovedClock() {
		r.Hide(FeatMinTimeout) // with it go absolute deadlines, as in the backend
	}
	return r
}

func (r *Ring) nop(t testing.TB, userData uint64) {
	t.Helper()
	e := r.SQE()
	if e == nil {
		t.Fatal("the submission queue is full")
	}
	e.Opcode, e.Fd, e.UserData = OpNop, -1, userData
}

func (r *Ring) read(t testing.TB, fd int, p []byte, userData uint64) {
	t.Helper()
	e := r.SQE()
	if e == nil {
		t.Fatal("the submission queue is full")
	}
	e.Opcode, e.Fd, e.Off, e.UserData = OpRead, int32(fd), math.MaxUint64, userData
	e.Addr, e.Len = uint64(uintptr(unsafe.Pointer(&p[0]))), uint32(len(p))
}

// enter is an Enter, or in turn an EnterBriefly, that must submit n entries.
func (r *Ring) enter(t testing.TB, wait bool, n int) {
	t.Helper()
	if brief = !brief; brief && !wait {
		if got, errno := r.EnterBriefly(); got != n || errno != 0 {
			t.Fatalf("EnterBriefly() = %d, %v, want %d entries to be submitted", got, errno, n)
		}
		return
	}
	if got, errno := r.Enter(wait, forever); got != n || errno != 0 {
		t.Fatalf("Enter(%v) = %d, %v, want %d entries to be submitted", wait, got, errno, n)
	}
}

var brief bool

// take takes what is ready.
func (r *Ring) take() (all []CQE) {
	n := r.CQReady()
	for i := range n {
		all = append(all, *r.CQE(i))
	}
	r.CQAdvance(n)
	return all
}

func pipe(t testing.TB) (rd, wr int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func TestSetup(t *testing.T) {
	open(t, 1, 0, 0) // or skip
	var known uint32 // to this kernel
	for _, f := range setupFlags {
		r, err := NewRing(8, 8, f.bit|f.with)
		if err == nil {
			known |= f.bit
			r.Close()
		} else {
			t.Logf("%s: %v", f.name, err)
		}
	}
	rings := 0
	for i := range 1 << len(setupFlags) {
		var flags uint32
		valid := true
		for j, f := range setupFlags {
			if i>>j&1 != 0 {
				flags |= f.bit
			}
		}
		if flags&^known != 0 {
			continue
		}
		if flags&SetupDeferTaskrun != 0 && flags&SetupSingleIssuer == 0 {
			valid = false
		}
		if flags&SetupTaskrunFlag != 0 && flags&(SetupCoopTaskrun|SetupDeferTaskrun) == 0 {
			valid = false
		}
		r, err := NewRing(5, 33, flags)
		if !valid {
			if !errors.Is(err, syscall.EINVAL) {
				t.Errorf("%s: %v, want EINVAL", flagNames(flags), err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", flagNames(flags), err)
			continue
		}
		rings++
		wantCQ := uint32(16)
		if flags&SetupCQSize != 0 {
			wantCQ = 64
		}
		if r.SQEntries() != 8 || r.CQEntries() != wantCQ {
			t.Errorf("%s: queues of %d and %d entries, want 8 and %d", flagNames(flags), r.SQEntries(), r.CQEntries(),
				wantCQ)
		}
		if r.Flags() != flags || r.Features()&FeatSingleMmap == 0 {
			t.Errorf("%s: Flags = %#x, Features = %#x", flagNames(flags), r.Flags(), r.Features())
		}
		if flags&SetupRDisabled != 0 {
			if err := Enable(r.FD()); err != nil {
				t.Errorf("%s: Enable: %v", flagNames(flags), err)
			}
		}
		for n := range uint64(20) { // twice around
			r.nop(t, n<<32|7)
			if r.Queued() != 1 {
				t.Errorf("%s: Queued = %d after one SQE", flagNames(flags), r.Queued())
			}
			r.enter(t, true, 1)
			if got := r.take(); len(got) != 1 || got[0] != (CQE{UserData: n<<32 | 7}) || r.Queued() != 0 {
				t.Fatalf("%s: a NOP gave %+v", flagNames(flags), got)
			}
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: Close: %v", flagNames(flags), err)
		}
	}
	t.Logf("%d kinds of rings", rings)
}

func TestSetupSizes(t *testing.T) {
	r := open(t, 70000, 200000, SetupClamp|SetupCQSize)
	if r.SQEntries() != 32768 || r.CQEntries() != 65536 {
		t.Errorf("the largest ring has %d and %d entries, want 32768 and 65536", r.SQEntries(), r.CQEntries())
	}
	for _, tt := range []struct{ entries, cqEntries, flags uint32 }{
		{0, 0, 0}, {70000, 0, 0}, {8, 4, SetupCQSize}, {8, 0, SetupCQSize}, {8, 0, 1 << 31},
	} {
		r, err := NewRing(tt.entries, tt.cqEntries, tt.flags)
		if !errors.Is(err, syscall.EINVAL) || r != nil || !strings.Contains(err.Error(), "io_uring_setup") {
			t.Errorf("%+v: %v, want an EINVAL that names io_uring_setup", tt, err)
		}
	}
}

// The entries that SQE hands out are zero, whatever was in them before: a field that an operation
// does not use fails it if it is not zero, or changes what it does.
func TestSQEIsZero(t *testing.T) {
	r := open(t, 4, 0, SetupSubmitAll)
	for round := range 3 {
		for i := range 4 {
			e := r.SQE()
			if e == nil {
				t.Fatalf("round %d: entry %d is nil", round, i)
			}
			if *e != (SQE{}) {
				t.Fatalf("round %d: entry %d is %+v", round, i, *e)
			}
			b := unsafe.Slice((*byte)(unsafe.Pointer(e)), unsafe.Sizeof(*e))
			for i := range b {
				b[i] = 0xff // no such operation
			}
		}
		r.enter(t, true, 4)
		for _, cqe := range r.take() {
			if cqe.Res != -int32(syscall.EINVAL) {
				t.Fatalf("an entry of ones: %+v, want EINVAL", cqe)
			}
		}
	}
}

func TestSQFull(t *testing.T) {
	r := open(t, 4, 0, 0)
	next := uint64(0)
	for range 10 {
		for i := range uint32(4) {
			if r.Queued() != i {
				t.Fatalf("Queued = %d, want %d", r.Queued(), i)
			}
			r.nop(t, next)
			next++
		}
		if e := r.SQE(); e != nil || r.Queued() != 4 {
			t.Fatalf("the fifth entry of a queue of 4 is %p, Queued = %d", e, r.Queued())
		}
		r.enter(t, false, 4)
		if got := r.take(); len(got) != 4 || got[0].UserData != next-4 || got[3].UserData != next-1 {
			t.Fatalf("4 NOPs up to %d gave %+v", next-1, got)
		}
	}
}

// Completions come in order, wherever in the queues they are and however few are taken at a time.
func TestQueueOrder(t *testing.T) {
	r := open(t, 8, 16, SetupCQSize)
	sent, got := uint64(0), uint64(0)
	for round := range 200 {
		for range 1 + round%8 {
			r.nop(t, sent)
			sent++
		}
		r.enter(t, false, 1+round%8)
		ready := r.CQReady()
		if uint64(ready) != sent-got {
			t.Fatalf("CQReady = %d, with %d entries sent and %d taken", ready, sent, got)
		}
		take := ready
		if round%3 != 0 && ready < 8 {
			take = ready / 2 // the rest later: the queue goes round at every place
		}
		for i := range take {
			if cqe := r.CQE(i); cqe.UserData != got {
				t.Fatalf("completion %d is of NOP %d, want them in order", got, cqe.UserData)
			}
			got++
		}
		r.CQAdvance(take)
		if r.CQReady() != ready-take {
			t.Fatalf("CQReady = %d after CQAdvance(%d) of %d", r.CQReady(), take, ready)
		}
	}
}

// A wait that ends at its deadline never ends before it, on the clock that Monotonic reads.
func TestEnterDeadline(t *testing.T) {
	for _, absolute := range []bool{true, false} {
		name := "Relative"
		if absolute {
			name = "Absolute"
		}
		t.Run(name, func(t *testing.T) {
			r := open(t, 8, 0, SetupSubmitAll)
			if absolute && MovedClock() {
				t.Skip("io_uring compares absolute deadlines with the host's clock, which is not that of this time " +
					"namespace")
			}
			if absolute && r.Features()&FeatMinTimeout == 0 {
				t.Skip("this kernel has no absolute deadlines")
			}
			if !absolute {
				r.features &^= FeatMinTimeout
			}
			early, rounds := 0, 0
			for _, d := range []time.Duration{0, 1, time.Microsecond, 50 * time.Microsecond, time.Millisecond,
				7 * time.Millisecond} {
				for range 15 {
					rounds++
					deadline := Monotonic() + int64(d)
					if n, errno := r.Enter(true, deadline); n != 0 || errno != 0 {
						t.Fatalf("Enter(true, now+%v) = %d, %v, want 0, 0: the deadline is no error", d, n, errno)
					}
					if now := Monotonic(); now < deadline {
						early++
						t.Logf("%v early", time.Duration(deadline-now))
					} else if late := time.Duration(now - deadline); late > 5*time.Second {
						t.Fatalf("%v late", late)
					}
				}
			}
			if early > 3 { // a signal may end a wait
				t.Errorf("%d of %d waits ended before their deadline", early, rounds)
			}
			// Long ago. Some lie before the clock's zero, as an hour ago does on a machine that has
			// just been started.
			for _, deadline := range []int64{1, 0, -1, -int64(time.Hour), math.MinInt64} {
				if n, errno := r.Enter(true, deadline); n != 0 || errno != 0 {
					t.Errorf("Enter(true, %d) = %d, %v", deadline, n, errno)
				}
			}
			// A completion ends the wait long before a deadline that is far away.
			for _, deadline := range []int64{Monotonic() + int64(time.Hour), forever - 1} {
				start := time.Now()
				r.nop(t, 1)
				if n, errno := r.Enter(true, deadline); n != 1 || errno != 0 {
					t.Errorf("Enter(true, %d) with an entry = %d, %v", deadline, n, errno)
				}
				if got := r.take(); len(got) != 1 || time.Since(start) > 5*time.Second {
					t.Errorf("%d completions after %v", len(got), time.Since(start))
				}
			}
		})
	}
}

// A signal ends a wait, and is not an error.
func TestEnterSignal(t *testing.T) {
	r := open(t, 8, 0, deferTW)
	tid := unix.Gettid()
	for range 10 {
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !stop.Load() {
				time.Sleep(100 * time.Microsecond)
				unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
			}
		})
		deadline := Monotonic() + int64(20*time.Second)
		n, errno := r.Enter(true, deadline)
		now := Monotonic()
		stop.Store(true)
		wg.Wait()
		if n != 0 || errno != 0 || now >= deadline {
			t.Fatalf("a wait into which signals came: %d, %v, %v before its deadline", n, errno,
				time.Duration(deadline-now))
		}
	}
}

// A ring with DEFER_TASKRUN delivers nothing without GETEVENTS, and 20 pieces of work per call.
// Enter asks for events also where no flag tells that there are some.
func TestDeferTaskrun(t *testing.T) {
	for _, flags := range []uint32{deferTW, deferTW &^ SetupTaskrunFlag} {
		t.Run(flagNames(flags), func(t *testing.T) { deferred(t, flags) })
	}
}

func deferred(t *testing.T, flags uint32) {
	r := open(t, 64, 0, flags)
	const n = 50
	bufs := make([][1]byte, n)
	var wrs []int
	for i := range n {
		rd, wr := pipe(t)
		r.read(t, rd, bufs[i][:], uint64(i))
		wrs = append(wrs, wr)
	}
	r.enter(t, false, n)
	if got := r.take(); len(got) != 0 {
		t.Fatalf("%d reads of empty pipes completed", len(got))
	}
	for i, wr := range wrs {
		if _, err := unix.Write(wr, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	tells := flags&SetupTaskrunFlag != 0
	if r.CQReady() != 0 || r.SQFlags()&SQTaskrun != 0 != tells {
		t.Fatalf("CQReady = %d, SQFlags = %#x before Enter, want 0, and TASKRUN: %v", r.CQReady(), r.SQFlags(), tells)
	}
	var got []CQE
	for calls := 0; r.SQFlags()&SQTaskrun != 0 || !tells && len(got) < n; calls++ {
		if calls == n {
			t.Fatalf("%d calls brought %d of %d completions", calls, len(got), n)
		}
		r.enter(t, false, 0)
		got = append(got, r.take()...)
	}
	if len(got) != n {
		t.Fatalf("%d completions, want %d", len(got), n)
	}
	for _, cqe := range got {
		if cqe.Res != 1 || bufs[cqe.UserData][0] != byte(cqe.UserData) {
			t.Errorf("pipe %d: %+v, read %d", cqe.UserData, cqe, bufs[cqe.UserData][0])
		}
	}
}

// What the completion queue has no room for comes later, in order.
func TestOverflow(t *testing.T) {
	for _, flags := range []uint32{0, single, deferTW, SetupCoopTaskrun | SetupTaskrunFlag} {
		t.Run(flagNames(flags), func(t *testing.T) {
			r := open(t, 8, 8, flags|SetupCQSize)
			const n = 48
			for i := range uint64(n) {
				r.nop(t, i)
				if i%8 == 7 {
					r.enter(t, false, 8)
				}
			}
			if r.CQReady() != 8 || r.SQFlags()&SQCQOverflow == 0 {
				t.Fatalf("CQReady = %d, SQFlags = %#x, want a full queue and CQ_OVERFLOW", r.CQReady(), r.SQFlags())
			}
			var got []CQE
			for calls := 0; len(got) < n; calls++ {
				if calls > n {
					t.Fatalf("%d calls brought %d of %d completions", calls, len(got), n)
				}
				got = append(got, r.take()...)
				r.enter(t, false, 0)
			}
			for i, cqe := range got {
				if cqe.UserData != uint64(i) || cqe.Res != 0 {
					t.Fatalf("completion %d is %+v", i, cqe)
				}
			}
			if r.Overflow() != 0 || r.SQFlags()&SQCQOverflow != 0 || r.CQReady() != 0 {
				t.Errorf("Overflow = %d, SQFlags = %#x, CQReady = %d at the end", r.Overflow(), r.SQFlags(),
					r.CQReady())
			}
		})
	}
}

// Without SUBMIT_ALL the kernel stops behind an entry that is wrong. What it left stays queued, and
// it does not wait.
func TestPartialSubmit(t *testing.T) {
	batch := func(r *Ring) {
		for i := range uint64(5) {
			r.nop(t, i)
		}
		r.sqes[(r.tail-4)&r.sqMask].Opcode = 255
	}
	check := func(got []CQE) {
		t.Helper()
		for i, cqe := range got {
			want := CQE{UserData: uint64(i)}
			if i == 1 {
				want.Res = -int32(syscall.EINVAL)
			}
			if cqe != want {
				t.Errorf("completion %d is %+v, want %+v", i, cqe, want)
			}
		}
		if len(got) != 5 {
			t.Errorf("%d completions, want 5", len(got))
		}
	}
	t.Run("Stops", func(t *testing.T) {
		r := open(t, 8, 0, 0)
		for range 5 {
			batch(r)
			r.enter(t, true, 2)
			if r.Queued() != 3 {
				t.Fatalf("Queued = %d, want 3", r.Queued())
			}
			got := r.take()
			r.enter(t, true, 3)
			check(append(got, r.take()...))
		}
	})
	t.Run("SUBMIT_ALL", func(t *testing.T) {
		r := open(t, 8, 0, SetupSubmitAll)
		batch(r)
		r.enter(t, true, 5)
		check(r.take())
	})
}

// An Enter that fails after the entries were made visible to the kernel loses and repeats none of
// them.
func TestErrorAfterPush(t *testing.T) {
	once := func(r *Ring, n int) {
		t.Helper()
		r.enter(t, true, n)
		got := r.take()
		if len(got) != n {
			t.Fatalf("%d completions, want %d", len(got), n)
		}
		for i, cqe := range got {
			if cqe.UserData != uint64(i) {
				t.Errorf("completion %d is of NOP %d", i, cqe.UserData)
			}
		}
	}
	t.Run("Disabled", func(t *testing.T) {
		r := open(t, 8, 0, SetupRDisabled)
		for i := range 3 {
			r.nop(t, uint64(i))
			if n, errno := r.Enter(i == 2, forever); n != 0 || errno != syscall.EBADFD {
				t.Fatalf("Enter of a ring that is not enabled = %d, %v, want EBADFD", n, errno)
			}
			if r.Queued() != uint32(i)+1 {
				t.Fatalf("Queued = %d, want %d", r.Queued(), i+1)
			}
		}
		if err := r.enable(); err != nil {
			t.Fatal(err)
		}
		once(r, 3)
		if err := r.enable(); !errors.Is(err, syscall.EBADFD) {
			t.Errorf("Enable, again: %v, want EBADFD", err)
		}
	})
	t.Run("ForeignThread", func(t *testing.T) {
		r := open(t, 8, 0, single)
		r.nop(t, 0)
		done := make(chan syscall.Errno)
		go func() {
			_, errno := r.Enter(false, 0)
			done <- errno
		}()
		if errno := <-done; errno != syscall.EEXIST || r.Queued() != 1 {
			t.Fatalf("Enter from another thread: %v, Queued = %d, want EEXIST and 1", errno, r.Queued())
		}
		once(r, 1)
	})
	for _, errno := range []syscall.Errno{syscall.EAGAIN, syscall.EBUSY, syscall.ENOMEM} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			r := open(t, 8, 0, 0)
			systest.Deny(t, systest.Rule{Call: unix.SYS_IO_URING_ENTER, Errno: errno,
				If: []systest.Arg{{N: 1, Value: 3}}})
			for i := range uint64(3) {
				r.nop(t, i)
			}
			for _, enter := range []func() (int, syscall.Errno){
				r.EnterBriefly,
				func() (int, syscall.Errno) { return r.Enter(false, forever) },
				func() (int, syscall.Errno) { return r.Enter(true, forever) },
			} {
				if n, got := enter(); n != 0 || got != errno || r.Queued() != 3 {
					t.Fatalf("Enter = %d, %v, Queued = %d, want %v and 3", n, got, r.Queued(), errno)
				}
			}
			r.nop(t, 3) // 4 are let through
			once(r, 4)
		})
	}
}

func (r *Ring) enable() error { return Enable(r.FD()) }

func TestRegisterErrors(t *testing.T) {
	r := open(t, 8, 0, 0)
	_, err := r.Register(0x7fff, nil, 0)
	if !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), "io_uring_register 32767") {
		t.Errorf("an unknown opcode: %v", err)
	}
	if err := LimitWorkers(1<<30, 1, 1); !errors.Is(err, syscall.EBADF) {
		t.Errorf("LimitWorkers without a ring: %v, want EBADF", err)
	}
	if err := LimitWorkers(r.FD(), 3, 5); err != nil {
		t.Fatalf("LimitWorkers: %v", err)
	}
	var was [2]uint32 // 0: leave it alone, and say what it is
	if _, err := r.Register(RegisterIOWQMaxWorkers, unsafe.Pointer(&was), 2); err != nil || was != [2]uint32{3, 5} {
		t.Errorf("the limits are %d (%v), want 3 and 5", was, err)
	}
}

// held is what the process's rings hold: descriptors, those of others included, and mappings.
func held(t testing.TB) (fds, maps int) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return systest.Descriptors(t), strings.Count(string(b), "[io_uring]")
}

func checkHeld(t testing.TB, fds, maps int) {
	t.Helper()
	if f, m := held(t); f != fds || m != maps {
		t.Errorf("%d descriptors and %d mappings of rings are left, there were %d and %d", f, m, fds, maps)
	}
}

// Close leaves neither a descriptor nor a mapping behind.
func TestClose(t *testing.T) {
	open(t, 8, 0, 0)
	fds, maps := held(t)
	r, err := NewRing(8, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if f, m := held(t); f == fds || m == maps {
		t.Fatal("a ring has no descriptor or is not mapped: this test sees nothing")
	}
	fd := r.FD()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("the descriptor of a closed ring: %v, want EBADF", err)
	}
	other, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, fd) // now this is fd
	if err != nil || other != fd {
		t.Fatalf("dup gave %d, %v, want %d", other, err, fd)
	}
	if err := r.Close(); err == nil {
		t.Error("Close, again, succeeded")
	}
	if err := unix.Close(other); err != nil {
		t.Errorf("Close, again, closed what had its descriptor by then: %v", err)
	}
	for i := range 100 {
		r, err := NewRing(8, 0, []uint32{0, SetupNoSQArray, single}[i%3])
		if errors.Is(err, syscall.EINVAL) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		r.nop(t, 1)
		if i%2 == 0 {
			r.enter(t, true, 1)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	checkHeld(t, fds, maps)
}
