package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	stdruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// TestSnapshotCostsNothing guards that a Completion has not grown for snapshots: the mark lies in
// what was padding.
func TestSnapshotCostsNothing(t *testing.T) {
	if size := reflect.TypeFor[Completion]().Size(); reflect.TypeFor[int]().Size() == 8 && size > 240 {
		t.Errorf("a Completion has %d bytes, want 240", size)
	}
}

// only returns the operation of a kind in a snapshot that has one of it.
func only(t *testing.T, s LoopSnapshot, kind string) Operation {
	t.Helper()
	var found []Operation
	for _, o := range s.Operations {
		if o.Kind == kind {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d operations of kind %s, want 1, in %+v", len(found), kind, s)
	}
	return found[0]
}

// TestSnapshot guards what a snapshot says of an operation, from its start to its end.
func TestSnapshot(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		buf := []byte("secret")
		c := &Completion{Op: read(rd, buf)}
		if r.name() != "sim" { // whose clock goes on to what is due next
			c.SetDeadline(r.l.Now() + int64(time.Hour))
		}
		over := make(chan error, 1)
		go func() { over <- r.l.Do(context.Background(), c) }()
		r.settled(1)
		first := only(t, r.l.Snapshot(SnapshotOptions{}), "read")
		time.Sleep(2 * time.Millisecond)
		s := r.rt.Snapshot(SnapshotOptions{Wait: patience})
		if len(s.Loops) != 1 || s.Info.Backend == "" || s.Time.IsZero() {
			t.Fatalf("snapshot: %+v", s)
		}
		l := s.Loops[0]
		o := only(t, l, "read")
		if l.State != LoopRunning || l.InFlight != 1 || l.Started != 1 || l.Omitted != 0 {
			t.Errorf("loop: %+v", l)
		}
		if (l.Drive == DriveThread) != (l.Thread != 0) {
			t.Errorf("a loop on drive %s with thread %d", l.Drive, l.Thread)
		}
		if o.FD != rd || o.Size != len(buf) || o.Waiter != "goroutine" || o.Offset != -1 || o.Stopping != "" {
			t.Errorf("operation: %+v", o)
		}
		if o.State != OpKernel && o.State != OpPolled {
			t.Errorf("a read of a pipe is in state %s", o.State)
		}
		if r.name() != "sim" && (l.Timers < 1 || o.Deadline == nil || *o.Deadline <= 0 || *o.Deadline > time.Hour) {
			t.Errorf("deadline in %v", o.Deadline)
		}
		if r.name() != "sim" {
			if !o.AtLeast || o.Age < first.Age+2*time.Millisecond {
				t.Errorf("age %v after %v", o.Age, first.Age)
			}
			if !strings.HasPrefix(o.File, "pipe:") && o.File != "" {
				t.Errorf("file %q", o.File)
			}
		}
		if bare := only(t, r.l.Snapshot(SnapshotOptions{Bare: true}), "read"); bare.File != "" {
			t.Errorf("file %q of a bare snapshot", bare.File)
		}
		text, err := json.Marshal(s)
		if err != nil || strings.Contains(string(text), "secret") {
			t.Errorf("JSON: %v, %s", err, text)
		}
		r.put(wr, 1)
		if err := <-over; err != nil {
			t.Fatal(err)
		}
		if l := r.l.Snapshot(SnapshotOptions{}); len(l.Operations) != 0 || l.InFlight != 0 {
			t.Errorf("after the end: %+v", l)
		}

		// The next activation of the same Completion is another operation.
		go func() { over <- r.l.Do(context.Background(), c) }()
		r.settled(1)
		if again := only(t, r.l.Snapshot(SnapshotOptions{Wait: patience}), "read"); r.name() != "sim" &&
			again.Age >= o.Age {
			t.Errorf("the age of the next operation is %v, and was %v", again.Age, o.Age)
		}
		r.put(wr, 1)
		if err := <-over; err != nil {
			t.Fatal(err)
		}
	})
}

// TestSnapshotLimit guards that a snapshot lists what it was asked for and counts the rest.
func TestSnapshotLimit(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		const n = 3 * chunkLen
		cs := make([]Completion, n)
		for i := range cs {
			cs[i] = Completion{Op: timeout(), Callback: func(*Completion) Action { return Disarm }}
			cs[i].SetDeadline(backends.Forever)
			if err := r.l.Submit(&cs[i]); err != nil {
				t.Fatal(err)
			}
		}
		r.settled(n)
		for limit, want := range map[int]int{10: 10, 1: 1, -1: 0, 0: n, 2 * chunkLen: 2 * chunkLen} {
			l := r.l.Snapshot(SnapshotOptions{Limit: limit, Wait: patience})
			if len(l.Operations) != want || l.Omitted != n-want {
				t.Errorf("limit %d: %d operations, %d omitted, want %d of %d", limit, len(l.Operations), l.Omitted,
					want, n)
			}
		}
		r.l.viewer.mu.Lock()
		marks := len(r.l.viewer.marks)
		r.l.viewer.mu.Unlock()
		if marks != n {
			t.Errorf("%d marks for %d operations that were seen again and again", marks, n)
		}
	})
}

// TestSnapshotChain guards the place of an operation in a list.
func TestSnapshotChain(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		b := NewBatch()
		ops := []*Completion{{Op: nop(), Link: LinkSoft}, {Op: read(rd, make([]byte, 1)), Link: LinkHard}, {Op: nop()}}
		for _, c := range ops {
			b.Add(c)
		}
		over := make(chan error, 1)
		go func() { over <- r.l.DoBatch(context.Background(), b) }()
		var o Operation
		for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			l := r.l.Snapshot(SnapshotOptions{Wait: patience})
			if len(l.Operations) == 1 && l.Operations[0].Kind == "read" {
				o = l.Operations[0]
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the read has not begun: %+v", l)
			}
		}
		if o.Chain == nil || o.Chain.Place != 1 || o.Chain.Of != 3 || o.Chain.Link != "hard" || o.Waiter != "batch" {
			t.Errorf("chain %+v of %+v", o.Chain, o)
		}
		r.put(wr, 1)
		if err := <-over; err != nil {
			t.Fatal(err)
		}
		b.Reset()
	})
}

// TestSnapshotStuck guards that a snapshot does not wait for a loop that a callback keeps, or whose
// lock is held, says so, and is right again afterwards.
func TestSnapshotStuck(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		if r.l.drive == driveThread {
			held := make(chan struct{})
			if err := r.l.Post(func() { close(held); <-release }); err != nil {
				t.Fatal(err)
			}
			<-held
		} else {
			r.l.mu.Lock()
			go func() { <-release; r.l.mu.Unlock() }()
		}
		began := time.Now()
		for range 3 {
			l := r.rt.Snapshot(SnapshotOptions{Wait: 5 * time.Millisecond}).Loops[0]
			if l.State != LoopStuck || len(l.Operations) != 0 || l.Omitted != 0 {
				t.Errorf("a loop that does not answer: %+v", l)
			}
			if r.name() != "sim" && l.Stuck <= 0 {
				t.Errorf("stuck for %v", l.Stuck)
			}
		}
		if d := time.Since(began); d > patience/2 {
			t.Errorf("three snapshots took %v", d)
		}
		r.l.asks.Lock()
		asks := len(r.l.asks.list)
		r.l.asks.Unlock()
		if asks > 1 {
			t.Errorf("%d questions wait for a loop that is stuck, want one", asks)
		}
		close(release)
		if l := r.l.Snapshot(SnapshotOptions{Wait: patience}); l.State != LoopRunning || l.Stuck != 0 {
			t.Errorf("after that: %+v", l)
		}
		r.l.viewer.mu.Lock()
		since := r.l.viewer.unknown
		r.l.viewer.mu.Unlock()
		if since != 0 {
			t.Error("the loop has answered, and the time of its next silence would count from the first one")
		}
	})
}

// TestSnapshotLost guards a snapshot of a loop whose backend has failed, and of one that has ended.
func TestSnapshotLost(t *testing.T) {
	broken := errors.New("broken")
	var fail sync.Map
	o := withShim(Options{}, func(s *shim) {
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			if _, ok := fail.Load("now"); ok {
				return 0, broken
			}
			return s.Backend.Poll(dst, deadline)
		}
	})
	eachDrive(t, o, func(t *testing.T, r *rig) {
		if r.name() == "sim" {
			t.Skip("the simulated kernel takes it for a fault that a backend is closed with an operation in flight")
		}
		r.keep = true
		fail.Clear()
		defer fail.Clear()
		fail.Store("now", true)
		if _, err := r.do(context.Background(), nop()); !errors.Is(err, broken) {
			t.Fatalf("an operation on a broken backend: %v", err)
		}
		l := r.l.Snapshot(SnapshotOptions{Wait: patience})
		if l.State != LoopLost || !strings.Contains(l.Error, "broken") {
			t.Errorf("a lost loop: %+v", l)
		}
		fail.Clear()
		r.rt.Close()
		if l := r.rt.Snapshot(SnapshotOptions{}).Loops[0]; l.State != LoopEnded || l.InFlight != 0 {
			t.Errorf("a loop that has ended: %+v", l)
		}
	})
}

// TestSnapshotHere guards the snapshot that a callback takes of its own loop.
func TestSnapshotHere(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		rd, _ := r.pipe()
		r.submit(read(rd, make([]byte, 7)), func(*Completion) Action { return Disarm })
		seen := 0
		r.submit(nop(), func(*Completion) Action {
			o := only(t, r.l.SnapshotHere(SnapshotOptions{}), "read")
			if o.FD != rd || o.Size != 7 || o.Waiter != "callback" {
				t.Errorf("operation: %+v", o)
			}
			seen++
			return Disarm
		})
		for seen == 0 {
			r.run(NoWait)
		}
	})
}

// TestSnapshotStorm guards, above all under the race detector, that snapshots may be taken while
// operations start, end, are cancelled, and the runtime closes.
func TestSnapshotStorm(t *testing.T) {
	for _, d := range drives() {
		t.Run(d.name, func(t *testing.T) {
			for range scale(20) {
				r := startRuntime(t, d, Options{MaxInFlight: 8, QueueEntries: 4})
				rd, _ := r.pipe()
				var wg sync.WaitGroup
				done := make(chan struct{})
				for g := range 8 {
					wg.Go(func() {
						for i := 0; ; i++ {
							var err error
							if (i+g)%2 == 0 {
								_, err = r.do(context.Background(), nop())
							} else {
								ctx, cancel := context.WithTimeout(context.Background(), 50*time.Microsecond)
								_, err = r.do(ctx, read(rd, make([]byte, 1)))
								cancel()
							}
							if err == ErrClosed {
								return
							}
						}
					})
				}
				var snaps sync.WaitGroup
				for g := range 4 {
					snaps.Go(func() {
						for {
							s := r.rt.Snapshot(SnapshotOptions{Limit: 1 + g*5, Bare: g%2 == 0})
							for _, l := range s.Loops {
								if len(l.Operations) > 1+g*5 || l.InFlight < 0 {
									t.Errorf("%+v", l)
								}
							}
							select {
							case <-done:
								return
							default:
								stdruntime.Gosched() // a system with one thread does not preempt this loop
							}
						}
					})
				}
				time.Sleep(2 * time.Millisecond)
				if err := r.rt.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				wg.Wait()
				close(done)
				snaps.Wait()
				if t.Failed() {
					return
				}
			}
		})
	}
}
