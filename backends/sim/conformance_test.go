package sim_test

import (
	"fmt"
	"testing"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/backendtest"
	"github.com/weirgo/weir/backends/sim"
)

// env is a backendtest.Env of simulated kernels.
type env struct {
	cfg sim.Config
	sim *sim.Sim // the one that was opened last
}

func (e *env) Thread() bool { return e.cfg.Seed%2 == 0 }

func (e *env) Open(t testing.TB, entries, cqEntries int) backends.Backend {
	cfg := e.cfg
	cfg.Entries, cfg.CQEntries = entries, cqEntries
	s := sim.New(cfg)
	e.sim = s
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v", s)
			for _, line := range s.Trace() {
				t.Log(line)
			}
		}
		e.sim = nil
	})
	return s
}

func (e *env) Pipe(testing.TB) (r, w int)                            { return e.sim.Pipe() }
func (e *env) SocketPair(testing.TB) (a, b int)                      { return e.sim.SocketPair() }
func (e *env) PacketPair(testing.TB) (a, b int)                      { return e.sim.PacketPair() }
func (e *env) File(_ testing.TB, content []byte) int                 { return e.sim.File(content) }
func (e *env) Listener(testing.TB) (fd int, addr *backends.Sockaddr) { return e.sim.Listen() }
func (e *env) Socket(testing.TB) int                                 { return e.sim.Socket() }

// Dir is the only directory, which has no descriptor.
func (e *env) Dir(testing.TB) int { return backends.AtCWD }

func (e *env) CloseFD(t testing.TB, fd int) {
	t.Helper()
	if err := e.sim.CloseFD(fd); err != nil {
		t.Fatalf("close %d: %v", fd, err)
	}
}

func (e *env) Descriptors() []string {
	if e.sim == nil {
		return nil
	}
	return e.sim.Descriptors()
}

// allowed are the faults that a user of the contract has to expect, so that the suite has to pass
// with them. EINTR, EAGAIN and errors out of nowhere would only make it say so.
func allowed(seed uint64) sim.Faults {
	f := sim.Swarm(seed)
	f.EINTR, f.EAGAIN, f.Error, f.UnaskedCancel, f.Stale, f.Duplicate, f.LostCancel = 0, 0, 0, 0, 0, 0, 0
	return f
}

func TestConformance(t *testing.T) {
	seed := sim.SeedFromEnv(1)
	t.Run("NoFaults", func(t *testing.T) { backendtest.Run(t, &env{cfg: sim.Config{Seed: seed}}) })
	t.Run("AllFaults", func(t *testing.T) {
		backendtest.Run(t, &env{cfg: sim.Config{Seed: seed, Faults: sim.Faults{
			Short: 0.3, Delay: 0.3, Reorder: 0.3, EndMulti: 0.3, LateSuccess: 0.3, PartialSubmit: 0.3,
			SpuriousWake: 0.3,
			Trickle:      0.3, EatWake: 0.3,
		}}})
	})
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for s := seed; s < seed+seeds; s++ {
		t.Run(fmt.Sprintf("Seed%d", s), func(t *testing.T) {
			backendtest.Run(t, &env{cfg: sim.Config{Seed: s, Faults: allowed(s)}})
		})
	}
}
