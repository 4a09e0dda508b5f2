package uring

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Every step from every state, and which of them writes.
func TestWakeStates(t *testing.T) {
	names := map[uint32]string{idle: "idle", asleep: "asleep", called: "called"}
	for _, tt := range []struct {
		from   uint32
		step   string
		to     uint32
		sleeps bool
		writes uint64
	}{
		{idle, "sleep", asleep, true, 0},
		{idle, "call", called, false, 0}, // Poll does not sleep: no system call
		{idle, "awake", idle, false, 0},
		{asleep, "sleep", asleep, false, 0},
		{asleep, "call", called, false, 1},
		{asleep, "awake", idle, false, 0},
		{called, "sleep", called, false, 0}, // the call must not be slept over
		{called, "call", called, false, 0},  // once is enough
		{called, "awake", idle, false, 0},
	} {
		var w wake
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		w.state.Store(tt.from)
		sleeps := false
		switch tt.step {
		case "sleep":
			sleeps = w.sleep()
		case "call":
			w.call()
		case "awake":
			w.awake()
		}
		if to := w.state.Load(); to != tt.to || sleeps != tt.sleeps || w.writes.Load() != tt.writes {
			t.Errorf("%s, %s: %s, sleep %v, %d writes, want %s, %v, %d", names[tt.from], tt.step,
				names[to], sleeps, w.writes.Load(), names[tt.to], tt.sleeps, tt.writes)
		}
		var count [8]byte
		if n, err := unix.Read(w.fd, count[:]); (n == 8) != (tt.writes == 1) || err != nil && err != unix.EAGAIN {
			t.Errorf("%s, %s: the eventfd gives %d bytes, %v", names[tt.from], tt.step, n, err)
		}
		if err := w.close(); err != nil {
			t.Error(err)
		}
		w.state.Store(asleep)
		w.call() // after close: no write to what has that descriptor by now
		if w.writes.Load() != tt.writes {
			t.Error("call after close wrote")
		}
	}
}

// A Wake that comes while no Poll waits is kept for the next Poll that would wait, however many
// Polls with NoWait come between.
func TestWakeDuringNoWait(t *testing.T) {
	r := newRig(t, Config{})
	for range 10 {
		r.Wake()
		for range 3 {
			r.poll(backends.NoWait)
		}
		r.submit(r.nops(3)...)
		for i := 0; i < 3; i += len(r.poll(backends.NoWait)) {
		}
		r.poll(backends.Forever) // must come back
	}
	// and while Polls with NoWait are under way
	for range 200 {
		var begun, done atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !begun.Load() {
				runtime.Gosched()
			}
			r.Wake()
			done.Store(true)
		})
		for i := 0; !done.Load(); i++ {
			r.poll(backends.NoWait)
			begun.Store(true)
			if i%10 == 9 {
				runtime.Gosched()
			}
		}
		wg.Wait()
		r.poll(backends.Forever)
	}
	// It is used up.
	if end := r.after(5 * time.Millisecond); len(r.poll(end)) == 0 && r.Now() < end {
		r.poll(end)
		if r.Now() < end {
			t.Error("a Wake ended more than one wait")
		}
	}
}

// A Wake while Poll does not sleep costs no system call. One that finds Poll asleep costs one, and
// a storm of them no more.
func TestWakeCost(t *testing.T) {
	r := newRig(t, Config{})
	r.Wake()
	r.poll(backends.Forever)
	before := r.Counters().Syscalls
	for range 100 {
		r.Wake()
	}
	if n := r.Counters().Syscalls - before; n != 0 {
		t.Errorf("100 Wakes made %d system calls, though nobody slept", n)
	}
	r.poll(backends.Forever)
	for range 20 {
		writes := r.wake.writes.Load()
		var wg sync.WaitGroup
		wg.Go(func() {
			for r.wake.state.Load() != asleep {
				time.Sleep(10 * time.Microsecond)
			}
			for range 100 {
				r.wake.call()
			}
		})
		r.poll(backends.Forever)
		wg.Wait()
		// Poll may have come back before the last of them: then one more found it idle, and none
		// wrote.
		if n := r.wake.writes.Load() - writes; n != 1 {
			t.Errorf("100 Wakes wrote %d times", n)
		}
		r.wake.awake()
	}
}

// woken lets a blocked Poll be ended by Wake.
func (r *rig) woken() {
	r.t.Helper()
	var called atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for limit := time.Now().Add(patience); r.wake.state.Load() != asleep && time.Now().Before(limit); {
			time.Sleep(50 * time.Microsecond)
		}
		time.Sleep(time.Millisecond) // now it is in the kernel
		called.Store(true)
		r.Wake()
	})
	for !called.Load() {
		r.poll(backends.Forever)
	}
	wg.Wait()
}

// The completion queue overflows and takes the multishot poll behind Wake with it: it is armed
// again.
func TestWakeAfterOverflow(t *testing.T) {
	r := newRig(t, Config{Entries: 8, CQEntries: 8})
	for round := range uint64(5) {
		r.woken()
		before := r.Counters()
		for r.ring.CQReady() < r.ring.CQEntries() || r.ring.SQFlags()&sys.SQCQOverflow == 0 {
			r.submit(r.nops(6)...)
			r.enter(false, 0)
		}
		sys.RingEventfd(r.wake.fd) // news for the poll, for which there is no room
		for range 3 {
			r.enter(false, 0)
		}
		for len(r.live) > 0 {
			r.poll(backends.NoWait)
		}
		r.flush()
		if r.wake.armed {
			t.Fatal("the poll has not ended: this test sees nothing")
		}
		r.woken()
		after := r.Counters()
		if after.Rearms != round+1 || after.Overflows == before.Overflows {
			t.Errorf("%d re-arms, want %d; %d overflows", after.Rearms, round+1, after.Overflows-before.Overflows)
		}
	}
}

// A queue that was filled before the wake source was ever armed goes to the kernel together with
// it.
func TestWakeEntryIsKept(t *testing.T) {
	r := newRig(t, Config{Entries: 8})
	nops := r.nops(8)
	if n := r.Submit(nops); n != 7 {
		t.Errorf("Submit took %d of 8 operations into 8 entries, want 7", n)
	}
	if r.Cancel(nops[0].ID) {
		t.Error("a cancel took the entry")
	}
	before := r.Counters()
	r.poll(backends.Forever)
	after := r.Counters()
	if enters, sqes := after.Enters-before.Enters, after.SQEs-before.SQEs; enters != 1 || sqes != 8 {
		t.Errorf("%d entries went to the kernel in %d calls, want 8 in one", sqes, enters)
	}
	r.want(0, append(nops[:7], r.submitted(nops[7])...)...)
}

// Poll must not go to sleep while Wake cannot reach it: the entry for the multishot poll may be
// missing, when the queue was full, the kernel took nothing of it, and the poll ended at the same
// time.
func TestWakeWithoutEntry(t *testing.T) {
	r := newRig(t, Config{Entries: 8})
	r.woken() // armed
	r.flush()
	rd, wr := pipe(t)
	var reads []*backends.Completion
	for range 8 {
		reads = append(reads, r.read(rd, 1))
	}
	r.submit(reads...)
	if r.ring.SQE() != nil {
		t.Fatal("the queue is not full")
	}
	r.internal(slotWake, false) // as after an overflow
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		time.Sleep(20 * time.Millisecond)
		r.Wake()
		select {
		case <-stop:
		case <-time.After(2 * time.Second):
		}
		unix.Write(wr, []byte("12345678"))
	})
	start := time.Now()
	for range 2 {
		r.poll(r.after(patience))
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("a Wake after 20ms ended the wait after %v", d)
	}
	close(stop)
	r.want(1, reads...)
	wg.Wait()
}
