package runtime

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirgo/weir/backends"
)

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// onSystem is eachDrive without the simulated kernel, which does not let a backend be closed with
// operations in flight.
func onSystem(t *testing.T, o Options, f func(t *testing.T, r *rig)) {
	t.Helper()
	for _, d := range picked(systemDrives()) {
		t.Run(d.name, func(t *testing.T) { f(t, startRuntime(t, d, o)) })
	}
}

// TestFaultInTick: when something panics in a tick, on whatever goroutine that runs, the operations
// of that loop end with an error that says so, the goroutine goes on, and the loop can be closed.
// It used to keep its lock for ever.
func TestFaultInTick(t *testing.T) {
	for _, where := range []string{"submit", "poll", "cancel"} {
		t.Run(where, func(t *testing.T) {
			var armed atomic.Bool
			var taken atomic.Int32
			fault := func(at string) {
				if at == where && armed.Load() {
					panic("a fault of the backend")
				}
			}
			log := new(journal)
			o := withShim(Options{Logger: slog.New(slog.NewTextHandler(log, nil))}, func(s *shim) {
				be := s.Backend
				s.submit = func(batch []*backends.Completion) int {
					fault("submit")
					n := be.Submit(batch)
					taken.Add(int32(n))
					return n
				}
				s.poll = func(dst []backends.Event, d int64) (int, error) { fault("poll"); return be.Poll(dst, d) }
				s.cancel = func(id backends.ID) bool { fault("cancel"); return be.Cancel(id) }
			})
			ran := false // or else no backend can start here
			onSystem(t, o, func(t *testing.T, r *rig) {
				ran = true
				armed.Store(false)
				taken.Store(0)
				r.keep = true
				rd, _ := r.pipe()
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				errs := make(chan error)
				const waiting = 5
				for range waiting {
					go func() {
						_, err := r.do(ctx, read(rd, make([]byte, 1)))
						errs <- err
					}()
				}
				b, batch := NewBatch(), make(chan struct{}) // a member waits for another
				var members [3]Completion
				members[0].Op, members[0].Link, members[2].Op = read(rd, make([]byte, 1)), LinkSoft,
					read(rd, make([]byte, 1))
				for i := range members {
					b.Add(&members[i])
				}
				if err := r.l.SubmitBatch(b, func(*Batch) { close(batch) }); err != nil {
					t.Fatal(err)
				}
				r.eventually("all are with the backend", func() bool { return taken.Load() >= waiting+2 })
				armed.Store(true)
				if where == "cancel" {
					cancel()
				} else {
					r.l.Cancel(&Completion{})
					go r.do(context.Background(), nop())
				}
				for range waiting {
					if err := <-errs; err == nil || !strings.Contains(err.Error(), "a fault of the backend") {
						t.Errorf("in flight: %v", err)
					}
				}
				<-batch
				if err := members[0].Err(); err == nil || !strings.Contains(err.Error(), "a fault of the backend") {
					t.Errorf("in a batch: %v", err)
				}
				if _, err := r.do(context.Background(), nop()); err == nil || !strings.Contains(err.Error(),
					"a fault of the backend") {
					t.Errorf("later: %v", err)
				}
				armed.Store(false)
				if err := r.close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			if got := log.String(); ran && !strings.Contains(got, "guard_test.go") {
				t.Errorf("the log does not say what happened, or where: %q", got)
			}
		})
	}
}

// TestFaultOfOwnLoop: on a loop that NewLoop made a fault reaches the owner, which can close the
// loop.
func TestFaultOfOwnLoop(t *testing.T) {
	armed := false
	o := withShim(Options{}, func(s *shim) {
		be := s.Backend
		s.submit = func(batch []*backends.Completion) int {
			if armed {
				panic("a fault of the backend")
			}
			return be.Submit(batch)
		}
	})
	eachLoop(t, o, func(t *testing.T, r *rig) {
		armed, r.keep = true, true
		n := 0
		for range 3 {
			r.submit(nop(), count(&n))
		}
		if v := panicked(func() { r.l.Run(UntilDone) }); v != "a fault of the backend" {
			t.Errorf("panic %v", v)
		}
		armed = false
		if err := r.close(); err != nil || n != 3 {
			t.Errorf("Close: %v; %d of 3 callbacks ran", err, n)
		}
	})
}

// TestCallbackPanicsOfRuntime: a callback that panics on a loop of a Runtime, or ends its
// goroutine, is reported and costs the outcomes behind it nothing. On the scheduler drive the
// goroutine that happens to run it goes on.
func TestCallbackPanicsOfRuntime(t *testing.T) {
	log := new(journal)
	eachDrive(t, Options{Logger: slog.New(slog.NewTextHandler(log, nil))}, func(t *testing.T, r *rig) {
		before := strings.Count(log.String(), "panic=mine")
		const n = 50
		var ran atomic.Int32
		for i := range n {
			c := &Completion{Op: nop(), Callback: func(*Completion) Action {
				ran.Add(1)
				if i%2 == 0 {
					panic("mine")
				}
				return Disarm
			}}
			if err := r.l.Submit(c); err != nil {
				t.Fatal(err)
			}
			r.mustDo(nop())
		}
		r.eventually("all callbacks have run", func() bool { return ran.Load() == n && r.l.limit.InUse() == 0 })
		r.mustDo(nop())
		r.eventually("all panics are reported", func() bool {
			return strings.Count(log.String(),
				"panic=mine") == before+n/2
		})
	})
}

// TestCallbackGoexitOfRuntime: a callback that ends its goroutine with runtime.Goexit leaves no
// outcome undone either. The goroutine of a loop on the thread drive cannot be replaced, so that
// one is lost, and says so.
func TestCallbackGoexitOfRuntime(t *testing.T) {
	onSystem(t, Options{}, func(t *testing.T, r *rig) {
		r.keep = true
		rd, _ := r.pipe()
		waits := make(chan error, 1)
		go func() {
			_, err := r.do(context.Background(), read(rd, make([]byte, 1)))
			waits <- err
		}()
		r.settled(1)
		gone := make(chan struct{})
		go func() {
			c := &Completion{Op: nop(), Callback: func(*Completion) Action { close(gone); goexit(); return Disarm }}
			if err := r.l.Submit(c); err != nil {
				t.Error(err)
			}
			for range 10 { // with the callback's in one list, or not
				r.do(context.Background(), nop())
			}
		}()
		<-gone
		if r.l.drive == driveThread {
			if err := <-waits; !errors.Is(err, errGoexit) {
				t.Errorf("in flight: %v", err)
			}
			return
		}
		r.mustDo(nop()) // the goroutine that reads may be the one that has ended
	})
}
