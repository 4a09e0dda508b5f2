package epoll

import (
	"errors"
	"io/fs"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"os"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// Steady state: no allocation, and as few system calls as there can be.
func TestAllocs(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.tcp()
	file := r.file(strings.Repeat("x", 100))
	recv, send := r.recv(a), r.op(backends.Op{Code: backends.OpSend, FD: b, Buf: []byte("message")})
	stored := r.op(backends.Op{Code: backends.OpFsync, FD: file})
	batch, one, dst := []*backends.Completion{recv}, []*backends.Completion{send}, make([]backends.Event, 8)
	round := func(want int) {
		for got := 0; got < want; {
			n, err := r.Poll(dst, r.Now()+int64(soon))
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range dst[:n] {
				if ev.Res < 0 {
					t.Fatalf("%+v", ev)
				}
			}
			got += n
		}
	}
	exchange := func() {
		r.Submit(batch)
		r.Poll(dst, backends.NoWait)
		r.Submit(one)
		round(2)
	}
	for range 100 {
		exchange()
	}
	before := r.Counters()
	const runs = 200
	if n := testing.AllocsPerRun(runs, exchange); n != 0 {
		t.Errorf("%v allocations for a message", n)
	}
	// For each: EPOLL_CTL_MOD, epoll_pwait, send, epoll_pwait, recv; and a try now and then.
	if n := r.Counters().Syscalls - before.Syscalls; n > 6*(runs+1) {
		t.Errorf("%d system calls for %d messages", n, runs+1)
	}
	pool := []*backends.Completion{stored}
	store := func() { r.Submit(pool); round(1) }
	for range 100 {
		store()
	}
	if n := testing.AllocsPerRun(100, store); n != 0 {
		t.Errorf("%v allocations for an operation of the pool", n)
	}
}

// More events than one call brings are not forgotten: an edge-triggered watcher has seen its edge.
func TestManyEvents(t *testing.T) {
	r := newRig(t, Config{})
	r.epoll.Events = r.epoll.Events[:4]
	var ops []*backends.Completion
	var writers []int
	for range 10 {
		rd, w := r.pipe(unix.O_NONBLOCK)
		ops, writers = append(ops, r.read(rd)), append(writers, w)
	}
	r.begin(ops...)
	r.waits(ops...)
	for _, w := range writers {
		r.write(w, "x")
	}
	for ended := 0; ended < len(ops); {
		n := r.poll(backends.NoWait)
		if ended += n; ended < len(ops) && !r.Pending() {
			t.Fatalf("%d of %d reads are over, and nothing is pending", ended, len(ops))
		}
	}
	for _, c := range ops {
		r.want(c, 1)
	}
}

// An alarm that is set is not put off by a later one, which costs nothing, and is moved by an
// earlier one.
func TestAlarm(t *testing.T) {
	r := newRig(t, Config{})
	expect := func(deadline int64) {
		t.Helper()
		p := []unix.PollFd{{Fd: int32(r.PollFD()), Events: unix.POLLIN}}
		for limit := time.Now().Add(soon); p[0].Revents == 0 && r.alarm.set != 0; {
			if _, err := unix.Poll(p, 100); err != nil && err != unix.EINTR {
				t.Fatal(err)
			}
			if time.Now().After(limit) {
				t.Fatal("no alarm")
			}
		}
		if r.Now() < deadline {
			t.Errorf("an alarm came %v early", time.Duration(deadline-r.Now()))
		}
		r.flush()
		if r.alarm.set != 0 {
			t.Errorf("an alarm that has gone off counts as set")
		}
	}
	for range 3 {
		near := r.Now() + 3e6
		r.Alarm(near)
		r.flush()
		before := r.Counters()
		for _, d := range []int64{0, 1, 3600e9} {
			r.Alarm(near + d)
			if r.alarm.next != 0 && r.Now() < near {
				t.Errorf("an alarm %v after the one that is set costs a system call", time.Duration(d))
			}
		}
		expect(near)
		if n := r.Counters().Syscalls - before.Syscalls; n > 8 {
			t.Errorf("%d system calls for an alarm", n)
		}
	}
	r.Alarm(r.Now() + 3600e9)
	r.flush()
	near := r.Now() + 3e6
	r.Alarm(near)
	r.flush()
	expect(near)

	// One that has gone off and was not seen does not stand in the way of the next.
	passed := r.Now() + 2e6
	r.Alarm(passed)
	r.poll(backends.NoWait)
	for r.Now() <= passed {
	}
	near = r.Now() + 3e6
	r.Alarm(near)
	if r.alarm.next != near {
		t.Error("the alarm that had gone off was taken for the one that is set")
	}
	r.flush()
	expect(near)
}

// No Wake makes a system call while no thread sleeps. While one sleeps, one call is enough for any
// number of Wakes.
func TestWakeWrites(t *testing.T) {
	r := newRig(t, Config{})
	before := r.wake.writes.Load()
	for range 100 {
		r.Wake()
	}
	if n := r.wake.writes.Load() - before; n != 0 {
		t.Errorf("%d writes, and nobody sleeps", n)
	}
	r.poll(backends.Forever)
	var wg sync.WaitGroup
	wg.Go(func() {
		for limit := time.Now().Add(soon); r.wake.state.Load() != asleep && time.Now().Before(limit); {
			runtime.Gosched()
		}
		for range 100 {
			r.Wake()
		}
	})
	for r.wake.writes.Load() == before {
		r.poll(r.Now() + int64(soon))
	}
	wg.Wait()
	if n := r.wake.writes.Load() - before; n != 1 {
		t.Errorf("%d writes for one sleeper", n)
	}
}

// Signals do not end anything, nor stretch a wait. Fault 57.
func TestFault57Signals(t *testing.T) {
	for _, coarse := range []bool{false, true} {
		r := newRig(t, Config{coarse: coarse})
		signals := make(chan os.Signal, 1000)
		signal.Notify(signals, unix.SIGUSR1)
		runtime.LockOSThread()
		tid, stop := unix.Gettid(), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					unix.Tgkill(unix.Getpid(), tid, unix.SIGUSR1)
					time.Sleep(50 * time.Microsecond)
				}
			}
		})
		a, b := r.pair(unix.SOCK_STREAM)
		for range 5 {
			c := r.recv(a)
			r.begin(c)
			deadline := r.Now() + 3e6
			for r.Now() < deadline {
				r.poll(deadline)
			}
			r.waits(c)
			r.write(b, "x")
			r.want(c, 1)
		}
		close(stop)
		wg.Wait()
		runtime.UnlockOSThread()
		signal.Stop(signals)
	}
}

// Each feature that Linux 4.19 lacks can be missing. Fault 64. (The suite runs without
// epoll_pwait2, too.)
func TestFault64Coarse(t *testing.T) {
	r := newRig(t, Config{coarse: true})
	if r.Detail() != "epoll_pwait" {
		t.Errorf("Detail: %q", r.Detail())
	}
	for _, d := range []time.Duration{1, time.Microsecond, 1500 * time.Microsecond} {
		for deadline, polls := r.Now()+int64(d), 0; r.Now() < deadline; polls++ {
			if r.poll(deadline); polls == 100 { // signals are no excuse for so many
				t.Fatalf("%d Polls for one deadline", polls)
			}
		}
	}
	if b := open(t, Config{}); b.Detail() == "epoll_pwait" {
		t.Log("this kernel has no epoll_pwait2")
		b.Close()
	} else {
		b.Close()
	}
}

// An epoll instance that was closed behind the backend's back is an error, not a hang.
func TestLost(t *testing.T) {
	b := open(t, Config{})
	if err := b.Bind(false); err != nil {
		t.Fatal(err)
	}
	unix.Close(b.PollFD())
	_, err := b.Poll(make([]backends.Event, 1), backends.NoWait)
	if !errors.Is(err, syscall.EBADF) {
		t.Errorf("Poll: %v, want EBADF", err)
	}
	if err := b.Close(); !errors.Is(err, syscall.EBADF) || errors.Is(err, fs.ErrClosed) {
		t.Errorf("Close: %v, want EBADF", err)
	}
}

// A descriptor is a number of 32 bits: a longer one is not its lower half.
func TestLongNumbers(t *testing.T) {
	r := newRig(t, Config{})
	rd, w := r.pipe(unix.O_NONBLOCK)
	r.write(w, "x")
	wide := int64(rd) | 1<<32
	if int64(int(wide)) != wide {
		t.Skip("an int has 32 bits here")
	}
	c := r.read(int(wide))
	r.do(c, badFD)
	for _, fd := range []int{maxPaged, 1<<31 - 1} {
		for _, code := range []backends.Code{backends.OpPoll, backends.OpClose, backends.OpFsync, backends.OpRecv} {
			r.do(r.op(backends.Op{Code: code, FD: fd, Flags: unix.POLLIN, Buf: make([]byte, 1)}), badFD)
		}
	}
	if n := len(r.descs); n > maxPaged>>pageBits {
		t.Errorf("%d pages of descriptors", n)
	}
	r.do(r.read(rd), 1)
}

// High numbers work like others.
func TestHighNumbers(t *testing.T) {
	r := newRig(t, Config{})
	rd, w := r.pipe(unix.O_NONBLOCK)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur <= maxPaged {
		t.Logf("numbers end at %d here: the first pages only", limit.Cur)
	}
	for _, at := range []int{300, 70_000, maxPaged + 5} {
		if uint64(at) >= limit.Cur {
			continue
		}
		fd := r.own(unix.FcntlInt(uintptr(rd), unix.F_DUPFD_CLOEXEC, at))
		c := r.read(fd)
		r.begin(c)
		r.waits(c)
		r.write(w, "x")
		r.want(c, 1)
	}
}
