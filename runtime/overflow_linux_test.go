package runtime

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// TestTokio8277CompletionQueueOverflow guards that a completion queue that overflows loses nothing
// and hangs no operation: far more operations become ready at once than it has entries.
func TestTokio8277CompletionQueueOverflow(t *testing.T) {
	eachDrive(t, tiny, func(t *testing.T, r *rig) {
		const n = 64
		rd, wr := r.pipe()
		rounds := scale(100)
		for range rounds {
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { r.mustDo(read(rd, make([]byte, 1))) })
			}
			r.settled(n)
			r.put(wr, make([]byte, n)...)
			wg.Wait()
		}
		if r.name() != "io_uring" {
			return // only a ring has a completion queue that overflows
		}
		if s := r.l.Stats(); s.Overflows == 0 {
			t.Errorf("the completion queue never overflowed in %d rounds: this test has tested nothing", rounds)
		} else {
			t.Logf("%d overflows", s.Overflows)
		}
	})
}

// TestWakeAfterOverflow guards the wake source of a thread loop: it is a multishot, which an
// overflow ends. It must be armed again, or a loop that sleeps is never woken again.
func TestWakeAfterOverflow(t *testing.T) {
	for _, d := range picked(uringLanes(systemDrives())) {
		if d.drive != DriveThread {
			continue
		}
		r := startRuntime(t, d, tiny)
		const n = 64
		rd, wr := r.pipe()
		ones := make([]byte, n)
		asleep := func() { time.Sleep(50 * time.Microsecond) } // most likely
		done := &Completion{Op: nop(), Callback: func(*Completion) Action { return Disarm }}
		var waker atomic.Int64
		for round := 0; r.l.Stats().Rearmed == 0; round++ {
			if round == 20_000 {
				t.Fatal("the wake source was never lost to an overflow: this test has tested nothing")
			}
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() { r.mustDo(read(rd, make([]byte, 1))) })
			}
			r.settled(n)
			asleep()
			// The data comes first and fills the completion queue, the wake-up finds it full: both
			// before the loop's thread gets going.
			unix.Write(wr, ones)
			if r.l.Submit(done) == nil {
				waker.Add(1)
			}
			wg.Wait()
			r.settled(0)
		}
		for range 100 {
			asleep()
			r.mustDo(nop()) // hangs if nothing wakes the loop
		}
		t.Logf("%d wake-ups, %+v", waker.Load(), r.l.Stats())
	}
}

// TestMultiAfterOverflow guards that a multishot operation which an overflow has ended goes on by
// itself.
func TestMultiAfterOverflow(t *testing.T) {
	for _, d := range picked(uringLanes(systemLoops())) {
		r := startLoop(t, d, tiny)
		events, over := 0, false
		rd, wr := r.pipe()
		multi := r.submit(poll(rd, pollIn|1<<31, true), func(c *Completion) Action { // EPOLLET: each write is news
			if !c.More() {
				over = true
				if c.Err() != ErrCanceled {
					t.Errorf("the poll ended with %d, %v", c.Res(), c.Err())
				}
				return Disarm
			}
			events++
			return Rearm
		})
		r.run(NoWait)
		reads, wrs := 0, []int(nil)
		for range 64 {
			rd, wr := r.pipe()
			wrs = append(wrs, wr)
			r.submit(read(rd, make([]byte, 1)), func(*Completion) Action { reads++; return Rearm })
		}
		r.run(NoWait)
		for round := 0; r.l.Stats().Rearmed == 0; round++ {
			if round == 2000 {
				t.Fatal("no multishot was lost to an overflow: this test has tested nothing")
			}
			want := reads + len(wrs)
			if err := r.l.Post(func() {
				for _, wr := range wrs {
					r.put(wr, 1)
				}
				r.put(wr, 1)
			}); err != nil {
				t.Fatal(err)
			}
			seen := events
			r.runUntil("all have been read and the poll has reported",
				func() bool { return reads == want && events > seen })
			r.mustTake(rd)
		}
		for range 10 { // armed again: it reports what comes now
			seen := events
			r.put(wr, 1)
			r.runUntil("the poll reports", func() bool { return events > seen })
			r.mustTake(rd)
		}
		r.l.Cancel(multi)
		r.runUntil("the poll is over", func() bool { return over })
		t.Logf("%d events, %+v", events, r.l.Stats())
	}
}

// mustTake empties a pipe behind the loop's back.
func (r *rig) mustTake(fd int) {
	buf := make([]byte, 1000)
	if _, err := unix.Read(fd, buf); err != nil {
		r.Errorf("read(2): %v", err)
	}
}

// TestAlarm guards that on the scheduler drive each sleeper is woken, with nothing else going on:
// the backend's alarm is set again for the next one when it has gone off, and moved when an earlier
// one comes.
func TestAlarm(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		for round := range scale(20) {
			var wg sync.WaitGroup
			for i := range 8 {
				d := time.Duration(1+(i*5+round)%8) * 300 * time.Microsecond
				wg.Go(func() {
					c := &Completion{Op: backends.Op{Code: backends.OpTimeout}}
					begin := r.l.Now()
					c.SetDeadline(begin + int64(d))
					if err := r.l.Do(context.Background(), c); err != nil {
						t.Errorf("sleep: %v", err)
					}
					if took := r.l.Now() - begin; took < int64(d) {
						t.Errorf("a sleep of %v took %v", d, time.Duration(took))
					}
				})
			}
			wg.Wait()
		}
	})
}
