package uring

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// patience is how long a test waits for what should happen at once.
const patience = 15 * time.Second

// rig is a bound backend, and what a Loop would keep for it.
type rig struct {
	*Backend
	t    testing.TB
	next uint32
	live map[backends.ID]*backends.Completion // in flight
	over map[backends.ID]int32                // results
	dst  []backends.Event
}

// newRig opens and binds a backend for a test, or skips the test. It locks the test to its thread.
func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	b := openOrSkip(t, cfg)
	r := &rig{
		Backend: b, t: t, live: map[backends.ID]*backends.Completion{}, over: map[backends.ID]int32{},
		dst: make([]backends.Event, 64),
	}
	t.Cleanup(func() {
		if len(r.live) > 0 && !t.Failed() {
			t.Errorf("%d operations are still in flight", len(r.live))
		}
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	skipOrFail(t, b.Bind(true))
	return r
}

// op gives an operation an ID.
func (r *rig) op(op backends.Op) *backends.Completion {
	r.next++
	c := &backends.Completion{Op: op, ID: backends.MakeID(r.next%1000, r.next)}
	r.live[c.ID] = c
	return c
}

func (r *rig) nops(n int) (all []*backends.Completion) {
	for range n {
		all = append(all, r.op(backends.Op{Code: backends.OpNop}))
	}
	return all
}

func (r *rig) read(fd, n int) *backends.Completion {
	return r.op(backends.Op{Code: backends.OpRead, FD: fd, Off: backends.Stream, Buf: make([]byte, n)})
}

// submit queues operations for which there must be room.
func (r *rig) submit(batch ...*backends.Completion) {
	r.t.Helper()
	if n := r.Submit(batch); n != len(batch) {
		r.t.Fatalf("Submit took %d of %d operations", n, len(batch))
	}
}

func (r *rig) submitted(batch ...*backends.Completion) []*backends.Completion {
	r.t.Helper()
	r.submit(batch...)
	return batch
}

// tryPoll is a Poll that must come back.
func (r *rig) tryPoll(deadline int64) ([]backends.Event, error) {
	r.t.Helper()
	watchdog := time.AfterFunc(patience, func() {
		panic(fmt.Sprintf("%s: Poll has not come back for %v", r.t.Name(), patience))
	})
	n, err := r.Poll(r.dst, deadline)
	watchdog.Stop()
	for _, ev := range r.dst[:n] {
		if r.live[ev.ID] == nil {
			r.t.Fatalf("%+v is for nothing in flight", ev)
		}
		if !ev.More {
			delete(r.live, ev.ID)
			r.over[ev.ID] = ev.Res
		}
	}
	return r.dst[:n], err
}

func (r *rig) poll(deadline int64) []backends.Event {
	r.t.Helper()
	events, err := r.tryPoll(deadline)
	if err != nil {
		r.t.Fatalf("Poll: %v", err)
	}
	return events
}

// flush polls until nothing is pending.
func (r *rig) flush() (all []backends.Event) {
	r.t.Helper()
	for r.Pending() {
		all = append(all, r.poll(backends.NoWait)...)
	}
	return all
}

// finish polls until the operations are over and returns their results.
func (r *rig) finish(batch ...*backends.Completion) (results []int32) {
	r.t.Helper()
	for end := r.Now() + int64(patience); ; r.poll(end) {
		results = results[:0]
		for _, c := range batch {
			if res, ok := r.over[c.ID]; ok {
				results = append(results, res)
			}
		}
		if len(results) == len(batch) {
			return results
		}
		if r.Now() >= end {
			r.t.Fatalf("%d of %d operations ended within %v", len(results), len(batch), patience)
		}
	}
}

// want is finish for operations that all have the same result.
func (r *rig) want(res int32, batch ...*backends.Completion) {
	r.t.Helper()
	for i, got := range r.finish(batch...) {
		if got != res {
			r.t.Errorf("%v: %d, want %d", batch[i].Code, got, res)
		}
	}
}

func (r *rig) after(d time.Duration) int64 { return r.Now() + int64(d) }

func pipe(t testing.TB) (rd, wr int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func socketPair(t testing.TB) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func write(t testing.TB, fd int, data string) {
	t.Helper()
	if n, err := unix.Write(fd, []byte(data)); n != len(data) || err != nil {
		t.Fatalf("write = %d, %v", n, err)
	}
}

// end runs f on a thread that ends.
func end(t *testing.T, f func()) {
	t.Helper()
	tid := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocks: the thread ends with the goroutine
		if tid = unix.Gettid(); tid == unix.Getpid() {
			end(t, f) // the process's first thread only goes to sleep; while it is held here, this is another
			return
		}
		f()
	}()
	<-done
	if t.Failed() {
		t.FailNow()
	}
	pid, limit := unix.Getpid(), time.Now().Add(patience)
	for ; tid != pid && unix.Tgkill(pid, tid, 0) == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the thread does not end")
		}
	}
}
