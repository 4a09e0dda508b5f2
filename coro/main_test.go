package coro

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what should happen at once, before it calls it a hang. It
// is far longer than a slow machine needs.
const patience = 100 * time.Second

// rig is a scheduler, with checks at the end that nothing is left.
type rig struct {
	testing.TB
	*Scheduler
	sim *sim.Sim // nil: on the system's kernel
}

// each runs f with a scheduler on the system's kernel and one on a simulated one.
func each(t *testing.T, o Options, f func(t *testing.T, r *rig)) {
	t.Helper()
	t.Run("system", func(t *testing.T) { f(t, onSystem(t, o)) })
	t.Run("sim", func(t *testing.T) { f(t, onSim(t, sim.Config{Seed: 1, Trace: -1}, aiort.Options{}, o)) })
}

// onSystem starts a scheduler on the system's kernel. WEIR_BACKEND and WEIR_DRIVE pick backend and
// drive.
func onSystem(t testing.TB, o Options) *rig {
	t.Helper()
	if o.IO == nil {
		o.IO = open(t, aio.Options{})
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, s, nil)
}

// open starts an IO that ends with the test.
func open(t testing.TB, o aio.Options) *aio.IO {
	t.Helper()
	if o.Backend == "" {
		o.Backend = os.Getenv("WEIR_BACKEND")
	}
	if o.Drive == "" {
		o.Drive = os.Getenv("WEIR_DRIVE")
	}
	io, err := aio.New(o)
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	t.Cleanup(func() {
		if n := io.Stats().InFlight; n != 0 {
			t.Errorf("%d operations still in flight at the end", n)
		}
		if err := io.Close(); err != nil {
			t.Errorf("IO.Close: %v", err)
		}
	})
	return io
}

// onSim starts a scheduler on a simulated kernel.
func onSim(t testing.TB, cfg sim.Config, ro aiort.Options, o Options) *rig {
	t.Helper()
	var k *sim.Sim
	ro.OpenBackend = func(bool) (backends.Backend, error) { k = sim.New(cfg); return k, nil }
	loop, err := aiort.NewLoop(ro)
	if err == nil {
		err = o.complete()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(loop, o)
	if err != nil {
		t.Fatal(err)
	}
	return newRig(t, s, k)
}

func newRig(t testing.TB, s *Scheduler, k *sim.Sim) *rig {
	r := &rig{TB: t, Scheduler: s, sim: k}
	watch := time.AfterFunc(patience, func() {
		pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
		panic(fmt.Sprintf("%s hangs: not over after %v", t.Name(), patience))
	})
	t.Cleanup(func() {
		defer watch.Stop()
		if err := s.Close(); err != nil && err != ErrClosed {
			t.Errorf("Close: %v", err)
		}
		st := s.Stats()
		if st.Tasks != 0 {
			t.Errorf("%d tasks are left after Close", st.Tasks)
		}
		if n := st.Loop.InFlight; n != 0 {
			t.Errorf("%d operations are in flight after Close", n)
		}
		if s.youngest != nil || s.children != 0 || !s.ready.empty() || !s.fresh.empty() {
			t.Error("tasks are left in lists after Close")
		}
		callers.Range(func(id, of any) bool {
			if of == s {
				t.Errorf("goroutine %v is taken for the scheduler's after Close", id)
			}
			return true
		})
	})
	return r
}

// do runs f as a task and waits for it.
func (r *rig) do(f func(t *Task)) {
	r.Helper()
	r.wait(r.spawn(f))
}

// spawn starts f as a task.
func (r *rig) spawn(f func(t *Task)) *Handle[int] {
	return Spawn(r.Scheduler, func(t *Task) (int, error) { f(t); return 0, nil })
}

// child starts f as a child.
func child(t *Task, f func(t *Task)) *Handle[int] {
	return Spawn(t, func(t *Task) (int, error) { f(t); return 0, nil })
}

// failing starts a child whose result is an error.
func failing(t *Task, f func(t *Task) error) *Handle[int] {
	return Spawn(t, func(t *Task) (int, error) { return 0, f(t) })
}

// wait waits for a task that must not fail.
func (r *rig) wait(h *Handle[int]) {
	r.Helper()
	if _, err := h.Wait(context.Background()); err != nil {
		r.Errorf("task: %v", err)
	}
}

// waiting yields until the task of h waits: what comes then finds it there.
func waiting(t *Task, hs ...*Handle[int]) {
	for _, h := range hs {
		for h.task.state != stateWaiting {
			if h.Over() {
				panic("a task that should wait is over")
			}
			t.Yield()
		}
	}
}

// forever waits until the task is cancelled, and returns the cause.
func forever(t *Task) error { return new(Event).Wait(t) }

// scale is how many rounds a test makes: fewer where each costs more or time is short.
func scale(rounds int) int {
	if testing.Short() {
		return max(rounds/10, 1)
	}
	if sys.RaceEnabled {
		return max(rounds/3, 1)
	}
	return rounds
}

//go:noinline
func goexit() { runtime.Goexit() }
