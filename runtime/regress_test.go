package runtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// Bugs that other runtimes had, named after their issues. What they have in common: one record is
// the user's handle, the link of a queue and the kernel's cookie at once, and something reaches it
// when it has become another's.

// TestLibxev169ResubmitWhileLinked: a completion that was still linked into one queue was put into
// another, which corrupted both. Here a caller that submits, starts or arms what is queued or in
// flight gets an error, and the first submission goes on undisturbed.
func TestLibxev169ResubmitWhileLinked(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		const n = 20
		rd, wr := r.pipe()
		calls := make([]int, n)
		cs := make([]Completion, n)
		for i := range cs {
			cs[i].Op = read(rd, make([]byte, 1))
			cs[i].Callback = func(*Completion) Action { calls[i]++; return Disarm }
		}
		submitAll := func(want error) {
			t.Helper()
			for i := range cs {
				if err := r.l.Submit(&cs[i]); err != want {
					t.Fatalf("Submit of %d: %v, want %v", i, err, want)
				}
			}
		}
		submitAll(nil)
		submitAll(ErrInFlight) // linked into the intake
		r.run(NoWait)
		submitAll(ErrInFlight) // in flight
		for i := range cs {    // linked into the intake once more, to be looked at
			cs[i].SetDeadline(backends.Forever - 1)
			r.l.Cancel(&cs[i])
			cs[i].SetDeadline(backends.Forever - 2)
		}
		submitAll(ErrInFlight)
		r.put(wr, make([]byte, n)...)
		r.run(UntilDone)
		for i, n := range calls {
			if n != 1 {
				t.Errorf("operation %d got %d callbacks", i, n)
			}
		}
		if r.l.inFlightCount() != 0 {
			t.Error("the Submits that were refused left something in flight")
		}

		var timer Timer
		fired := 0
		for range 5 { // an armed timer is moved, not linked twice
			timer.Start(r.l, time.Millisecond, func(*Timer) Action { fired++; return Disarm })
			timer.Reset(500 * time.Microsecond)
		}
		if r.run(UntilDone); fired != 1 {
			t.Errorf("a timer started 5 times fired %d times", fired)
		}
		other, err := NewLoop(Options{OpenBackend: func(bool) (backends.Backend, error) {
			return sim.New(sim.Config{}),
				nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		timer.Start(r.l, time.Hour, func(*Timer) Action { return Disarm })
		if v := panicked(func() { timer.Start(other, 0, nil) }); v == nil {
			t.Error("a timer armed on one loop may be started on another")
		}
		timer.Stop()
		var a Async
		if err := a.Start(r.l, func(*Async) Action { return Disarm }); err != nil {
			t.Fatal(err)
		}
		if err := a.Start(r.l, nil); err != ErrInFlight {
			t.Errorf("Async started twice: %v", err)
		}
		a.Notify()
		r.run(UntilDone)
		closed := make(chan error)
		go func() { closed <- other.Close() }()
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// TestLibxev227OverwrittenInFlight: a completion that was overwritten while it was queued or in
// flight took those behind it along, or was found out much later. Here the loop panics as soon as
// it can tell.
func TestLibxev227OverwrittenInFlight(t *testing.T) {
	for _, when := range []string{"queued", "started", "queued, submitted again", "started, submitted again",
		"deadline"} {
		t.Run(when, func(t *testing.T) {
			// A loop after that is beyond repair. It runs on a simulated kernel, which can be
			// forgotten, on a goroutine whose thread ends with it.
			got := make(chan any, 1)
			go func() {
				s := sim.New(sim.Config{})
				l, err := NewLoop(Options{OpenBackend: func(bool) (backends.Backend, error) { return s, nil }})
				if err != nil {
					got <- err
					return
				}
				rd, wr := s.Pipe()
				var cs [5]Completion
				again := func(*Completion) Action { return Disarm }
				submit := func(c *Completion, op backends.Op) {
					c.Op, c.Callback = op, again
					if err := l.Submit(c); err != nil {
						got <- err
					}
				}
				if when == "deadline" {
					cs[2].SetDeadline(s.Now() + 1e6)
				}
				for i := range cs {
					submit(&cs[i], read(rd, make([]byte, 1)))
				}
				if !strings.HasPrefix(when, "queued") {
					if err := l.Run(NoWait); err != nil {
						got <- err
						return
					}
				}
				overwrite(&cs[2])
				if strings.HasSuffix(when, "again") {
					submit(&cs[2], read(rd, make([]byte, 1)))
				}
				var w Completion
				submit(&w, write(wr, make([]byte, 10)))
				got <- panicked(func() { got <- l.Run(UntilDone) })
			}()
			v := <-got
			if v == nil {
				t.Fatal("nobody noticed")
			}
			if err, ok := v.(error); ok && !strings.Contains(err.Error(), "nil pointer") {
				t.Fatal(err)
			}
			t.Log(v)
		})
	}
}

// overwrite does what *c = Completion{} does, behind the back of go vet.
func overwrite(c *Completion) {
	reflect.ValueOf(c).Elem().SetZero()
}

// TestLibxev230CancelOfTheDead: a cancel of what was over, or was being cancelled already, hit
// whatever had come in its place. Here it hits nothing.
func TestLibxev230CancelOfTheDead(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		rd, wr := r.pipe()
		var old [10]*Completion
		n := 0
		r.l.Cancel(&Completion{}) // never submitted
		for i := range old {
			old[i] = r.submit(nop(), count(&n))
			r.l.Cancel(old[i])
		}
		r.run(UntilDone)
		for i := range old { // those after them have their slots, and their descriptors
			old[i].Op = read(rd, make([]byte, 1))
			r.l.Cancel(old[i])
		}
		reads := 0
		for range old {
			r.submit(read(rd, make([]byte, 1)), func(c *Completion) Action {
				if c.Err() != nil {
					t.Errorf("a read that nobody cancelled: %v", c.Err())
				}
				reads++
				return Disarm
			})
		}
		r.run(NoWait)
		for i := range old {
			r.l.Cancel(old[i])
			r.l.Cancel(old[i])
			old[i].SetDeadline(1)
		}
		r.run(NoWait)
		if reads != 0 {
			t.Fatal("reads have ended")
		}
		r.put(wr, make([]byte, len(old))...)
		r.run(UntilDone)
		if reads != len(old) {
			t.Errorf("%d of %d reads came back", reads, len(old))
		}
	})
}

// TestLibxev233CancelNamesActivation: a cancel that was on its way when its target ended hit the
// next operation that used the same completion. Here it names the activation: the next one is not
// concerned, whether the cancel is late in the loop or in the kernel.
func TestLibxev233CancelNamesActivation(t *testing.T) {
	var late []backends.ID // cancels that the backend gets later
	var delay bool
	var be *shim
	o := withShim(Options{}, func(s *shim) {
		be, late, delay = s, nil, true
		s.cancel = func(id backends.ID) bool {
			if delay {
				late = append(late, id)
				return true
			}
			return s.Backend.Cancel(id)
		}
	})
	eachLoop(t, o, func(t *testing.T, r *rig) {
		r.wantsBackend()
		rd, wr := r.pipe()
		var errs []error
		c := r.submit(read(rd, make([]byte, 1)), func(c *Completion) Action {
			errs = append(errs, c.Err())
			return Disarm
		})
		for range 20 {
			r.run(NoWait)
			r.l.Cancel(c) // this activation
			r.run(NoWait)
			r.put(wr, 1) // which is done anyway
			r.runUntil("the read is over", func() bool { return !c.InFlight() })
			if err := r.l.Submit(c); err != nil {
				t.Fatal(err)
			}
			r.run(NoWait)
			if len(late) == 0 {
				t.Fatal("the cancel did not get to the backend")
			}
			for _, id := range late { // the cancel arrives, the slot has its next tenant
				if !be.Backend.Cancel(id) {
					t.Fatal("queue full")
				}
			}
			late = late[:0]
			for range 3 {
				r.run(NoWait)
			}
			if !c.InFlight() {
				t.Fatalf("the cancel of one activation ended the next one: %v", errs)
			}
		}
		delay = false
		r.l.Cancel(c)
		r.run(UntilDone)
		for i, err := range errs {
			if last := i == len(errs)-1; !last && err != nil || last && err != ErrCanceled {
				t.Errorf("activation %d: %v", i, err)
			}
		}
	})
	// The same with the cancel late in the loop: it was asked for while the callback ran, before
	// the next Submit.
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		n := 0
		c := &Completion{Op: nop()}
		c.Callback = func(*Completion) Action {
			if c.Err() != nil {
				t.Errorf("activation %d: %v", n, c.Err())
			}
			if n++; n < 50 {
				r.l.Cancel(c)
				if err := r.l.Submit(c); err != nil {
					t.Error(err)
				}
			}
			return Disarm
		}
		if err := r.l.Submit(c); err != nil {
			t.Fatal(err)
		}
		r.run(UntilDone)
	})
}

// TestLibxev234StaleEvent: an event that came in the same batch as the end of its completion called
// the callback of what was retired. Here events that are stale, doubled or of another slot are
// counted and nothing more.
func TestLibxev234StaleEvent(t *testing.T) {
	staleEvents(t, sim.Faults{Stale: 1, Duplicate: 1, Reorder: 0.5})
}

// TestTokio8112LateEvent: an event of an operation that was over was taken for one of the operation
// that had its slot by then. The slots here are reused as fast as can be.
func TestTokio8112LateEvent(t *testing.T) {
	staleEvents(t, sim.Faults{Stale: 1, Duplicate: 1, Delay: 0.7, Trickle: 1})
}

func staleEvents(t *testing.T, f sim.Faults) {
	for seed := range uint64(scale(20)) {
		d := lane{kernel: func(testing.TB) kernel { return &simKernel{cfg: sim.Config{Seed: seed, Faults: f}} }}
		r := startLoop(t, d, Options{MaxInFlight: 6})
		rd, wr := r.pipe()
		idle, _ := r.pipe()
		var retired Completion
		retired.Op = read(idle, make([]byte, 1))
		ended := 0
		retired.Callback = func(c *Completion) Action {
			if ended++; ended > 1 || c.Err() != ErrClosed {
				t.Errorf("seed %d: callback %d of what was retired: %v", seed, ended, c.Err())
			}
			return Disarm
		}
		if err := r.l.Submit(&retired); err != nil {
			t.Fatal(err)
		}
		r.run(NoWait)
		retired.Retire()
		sent, received, out := byte(0), byte(0), 0
		var reader, writer, other Completion
		buf, outBuf := make([]byte, 1), make([]byte, 1)
		reader.Op, writer.Op, other.Op = read(rd, buf), write(wr, outBuf), nop()
		reader.Callback = func(c *Completion) Action {
			if received++; c.Err() != nil || c.N() != 1 || buf[0] != received {
				t.Fatalf("seed %d: read %d is %d: %d bytes, %v", seed, received, buf[0], c.N(), c.Err())
			}
			if received == 200 {
				return Disarm
			}
			return Rearm
		}
		writer.Callback = func(c *Completion) Action {
			if c.Err() != nil || c.N() != 1 {
				t.Fatalf("seed %d: write %d: %d bytes, %v", seed, sent, c.N(), c.Err())
			}
			if sent++; sent == 200 {
				return Disarm
			}
			outBuf[0] = sent + 1
			return Rearm
		}
		outBuf[0] = 1
		other.Callback = func(c *Completion) Action {
			if out++; c.Err() != nil || c.Res() != 0 {
				t.Fatalf("seed %d: nop: %d, %v", seed, c.Res(), c.Err())
			}
			if received == 200 {
				return Disarm
			}
			return Rearm
		}
		for _, c := range []*Completion{&reader, &writer, &other} {
			if err := r.l.Submit(c); err != nil {
				t.Fatal(err)
			}
		}
		r.run(UntilDone)
		if ended != 1 || sent != 200 || received != 200 {
			t.Errorf("seed %d: %d sent, %d received, %d ends", seed, sent, received, ended)
		}
		if s := r.l.Stats(); s.Stale == 0 {
			t.Errorf("seed %d: no event was stale: this test has tested nothing", seed)
		}
	}
}

// TestTokio7979LateAccept: an accept that succeeded although it was cancelled lost its descriptor.
// Here the cancelled caller gets it, with a nil error.
func TestTokio7979LateAccept(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		fd, addr := r.listener()
		rng := rand.New(rand.NewPCG(1, 1))
		won, lost := 0, 0
		for range scale(2000) {
			ctx, cancel := context.WithCancel(context.Background())
			got := make(chan error, 1)
			conn := -1
			go func() {
				n, err := r.do(ctx, backends.Op{Code: backends.OpAccept, FD: fd, Flags: cloexec})
				if err == nil {
					conn = n
				}
				got <- err
			}()
			client := r.socket()
			connected := make(chan struct{})
			go func() {
				defer close(connected)
				for range rng.IntN(10) {
					yield()
				}
				r.mustDo(backends.Op{Code: backends.OpConnect, FD: client, Addr: addr})
			}()
			for range rand.IntN(10) {
				yield()
			}
			cancel()
			err := <-got
			<-connected
			if err == nil {
				won++
			} else if err != context.Canceled {
				t.Fatalf("accept: %v", err)
			} else { // the connection waits for the next accept
				lost++
				conn = r.mustDo(backends.Op{Code: backends.OpAccept, FD: fd, Flags: cloexec})
			}
			if err := r.kernel.closeFD(conn); err != nil {
				t.Fatalf("close %d: %v", conn, err)
			}
			r.closeFD(client)
		}
		t.Logf("%d accepts were done anyway, %d cancelled", won, lost)
	})
	// A kernel where every cancel comes too late, more often than not.
	for seed := range uint64(scale(50)) {
		f := sim.Faults{LateSuccess: 1, Delay: 0.5}
		d := lane{kernel: func(testing.TB) kernel { return &simKernel{cfg: sim.Config{Seed: seed, Faults: f}} }}
		r := startLoop(t, d, Options{})
		fd, addr := r.listener()
		accepted, canceled := 0, 0
		for i := range 20 {
			c := r.submit(backends.Op{Code: backends.OpAccept, FD: fd}, func(c *Completion) Action {
				switch c.Err() {
				case nil:
					accepted++
					r.own(c.N())
				case ErrCanceled:
					canceled++
				default:
					t.Errorf("seed %d: accept: %v", seed, c.Err())
				}
				return Disarm
			})
			r.run(NoWait)
			r.l.Cancel(c)
			if i%2 == 0 {
				r.submit(backends.Op{Code: backends.OpConnect, FD: r.socket(), Addr: addr},
					func(*Completion) Action { return Disarm })
			}
			r.run(Once)
		}
		r.run(UntilDone)
		if accepted+canceled != 20 {
			t.Errorf("seed %d: %d accepted, %d cancelled", seed, accepted, canceled)
		}
		if accepted == 0 && seed == 0 {
			t.Error("no accept was late: this test has tested nothing")
		}
	}
}

// TestTokio8185SubmitFails: an operation was pushed, the submit that was to follow failed, and the
// buffer was freed while the kernel owned it. Here the waiter is told that the backend is lost, and
// the buffer stays referenced as long as the kernel may write to it.
func TestTokio8185SubmitFails(t *testing.T) {
	eio := errors.New("enter failed")
	var fail bool
	o := withShim(Options{}, func(s *shim) {
		fail = false
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			if !fail {
				return s.Backend.Poll(dst, deadline)
			}
			if _, err := s.Backend.Poll(dst[:0], backends.NoWait); err != nil { // what was pushed is in the kernel now
				return 0, err
			}
			if k, ok := s.Backend.(*sim.Sim); ok {
				k.Fail(eio)
			}
			return 0, fmt.Errorf("poll: %w", eio)
		}
	})
	eachLoop(t, o, func(t *testing.T, r *rig) {
		r.wantsBackend()
		r.keep = true
		rd, wr := r.pipe()
		r.run(NoWait)
		fail = true
		var got error
		w := func() weak.Pointer[bigBuf] {
			buf := new(bigBuf)
			r.submit(read(rd, buf[:]), func(c *Completion) Action {
				got = c.Err()
				c.Op.Buf = nil // the caller lets go of it
				return Disarm
			})
			return weak.Make(buf)
		}()
		if err := r.l.Run(UntilDone); !errors.Is(err, eio) || !errors.Is(got, eio) {
			t.Fatalf("Run: %v, the operation: %v", err, got)
		}
		for range 3 {
			collect()
		}
		if w.Value() == nil {
			t.Fatal("the buffer was collected while the kernel might write to it")
		}
		if r.name() == "io_uring" {
			r.put(wr, 1) // and now it does
		}
		keepAlive(r.l)
	})
}

// TestStandInPoll guards what stands in for an operation that answered EAGAIN, a poll: whatever
// becomes of it is never taken for the operation's own result, not even when a cancel comes in
// between.
func TestStandInPoll(t *testing.T) {
	for seed := range uint64(scale(300)) {
		f := sim.Faults{EAGAIN: 0.8, Delay: 0.5, LateSuccess: 0.8, UnaskedCancel: 0.2, EINTR: 0.1}
		d := lane{kernel: func(testing.TB) kernel { return &simKernel{cfg: sim.Config{Seed: seed, Faults: f}} }}
		r := startLoop(t, d, Options{})
		a, b := r.socketPair()
		sent, received := 0, 0
		for i := range 20 {
			buf := make([]byte, 8)
			rc := r.submit(backends.Op{Code: backends.OpRecv, FD: b, Buf: buf}, func(c *Completion) Action {
				if c.Err() != nil && c.Err() != ErrCanceled {
					t.Errorf("seed %d: recv: %v", seed, c.Err())
				}
				for _, x := range buf[:c.N()] {
					if received++; x != byte(received) {
						t.Fatalf("seed %d: byte %d is %d", seed, received, x)
					}
				}
				return Disarm
			})
			r.run(NoWait)
			if i%3 != 0 {
				p := []byte{byte(sent + 1)}
				r.submit(backends.Op{Code: backends.OpSend, FD: a, Buf: p}, func(c *Completion) Action {
					if c.Err() != nil {
						t.Errorf("seed %d: send: %v", seed, c.Err())
					}
					sent += c.N()
					return Disarm
				})
			}
			for range i % 4 {
				r.run(NoWait)
			}
			r.l.Cancel(rc)
			r.run(UntilDone)
		}
		if left := len(r.kernel.(*simKernel).Data(b)); sent != received+left {
			t.Fatalf("seed %d: %d bytes sent, %d received, %d left", seed, sent, received, left)
		}
	}
}

// TestCloseInterrupted guards that a close(2) that was interrupted is not repeated: the descriptor
// is gone, and its number may be another's.
func TestCloseInterrupted(t *testing.T) {
	closes := 0
	o := withShim(Options{}, func(s *shim) {
		closes = 0
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			n, err := s.Backend.Poll(dst, deadline)
			for i := range dst[:n] {
				closes++
				dst[i].Res = -int32(syscall.EINTR)
			}
			return n, err
		}
	})
	eachLoop(t, o, func(t *testing.T, r *rig) {
		r.wantsBackend()
		rd, _ := r.pipe()
		delete(r.fds, rd)
		c := r.submit(backends.Op{Code: backends.OpClose, FD: rd}, func(*Completion) Action { return Disarm })
		r.run(UntilDone)
		if c.Err() != nil || closes != 1 {
			t.Errorf("%v after %d closes", c.Err(), closes)
		}
	})
}

// TestResubmitBound guards that an operation that the kernel refuses again and again ends with the
// kernel's errno some time, and that one that it refuses a few times does not.
func TestResubmitBound(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECANCELED, syscall.EINTR} {
		events, refuse := 0, 0
		o := withShim(Options{}, func(s *shim) {
			events = 0
			s.poll = func(dst []backends.Event, deadline int64) (int, error) {
				n, err := s.Backend.Poll(dst, deadline)
				for i := range dst[:n] {
					if events++; events <= refuse {
						dst[i].Res = -int32(errno)
					}
				}
				return n, err
			}
		})
		eachLoop(t, o, func(t *testing.T, r *rig) {
			for refuse = range 10 {
				events = 0
				c := r.submit(nop(), func(*Completion) Action { return Disarm })
				if r.run(UntilDone); c.Err() != nil || events != refuse+1 {
					t.Errorf("refused %d times: %v after %d tries", refuse, c.Err(), events)
				}
			}
			events, refuse = 0, 1<<30
			c := r.submit(nop(), func(*Completion) Action { return Disarm })
			if r.run(UntilDone); c.Err() != errno || events != maxTries+1 {
				t.Errorf("refused for ever: %v after %d tries", c.Err(), events)
			}
			if s := r.l.Stats(); s.Resubmitted != 45+maxTries {
				t.Errorf("%d submitted again", s.Resubmitted)
			}
		})
	}
}
