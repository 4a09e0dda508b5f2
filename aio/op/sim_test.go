package op_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
	aiort "github.com/weirgo/weir/runtime"
)

// TestSimulation runs random lists of chains over a simulated kernel with random faults, several
// lists at a time, some of them cancelled, and checks that what became of each operation is what
// the table in the package comment allows. A failure names its seed: WEIR_SIM_SEED runs that one
// alone.
func TestSimulation(t *testing.T) {
	if os.Getenv("WEIR_SIM_SEED") != "" {
		simulate(t, sim.SeedFromEnv(0), map[string]int{})
		return
	}
	seeds := uint64(1500)
	if testing.Short() {
		seeds = 150
	}
	tally := map[string]int{}
	for seed := uint64(1); seed <= seeds && !t.Failed(); seed++ {
		simulate(t, seed, tally)
	}
	t.Log(tally)
	for _, what := range []string{"ok", "cancelled", "skipped", "short", "deadline", "closed", "errno"} {
		if tally[what] == 0 {
			t.Errorf("nothing ever was %q: these lists test too little", what)
		}
	}
}

// flight is a list that has been submitted.
type flight struct {
	ops       []*op.Op
	b         *op.Batch
	cancelled bool
	closed    bool // the loop was
}

func simulate(t *testing.T, seed uint64, tally map[string]int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0x6c_69_6e))
	k := sim.New(sim.Config{Seed: seed, Faults: sim.Swarm(seed), Entries: 1 << (seed % 5), MaxDelay: time.Millisecond,
		Trace: -1})
	l, err := aiort.NewLoop(aiort.Options{OpenBackend: func(bool) (backends.Backend, error) { return k, nil }})
	if err != nil {
		t.Fatal(err)
	}
	fail := func(format string, args ...any) {
		t.Helper()
		t.Errorf("WEIR_SIM_SEED=%d: %v: "+format, append([]any{seed, k}, args...)...)
	}
	file := k.File(make([]byte, 1000))
	rd, wr := k.Pipe()
	a, b := k.SocketPair()
	e := new(op.Event)
	var clock aiort.Timer
	pass := func() { // some virtual time
		clock.Start(l, time.Duration(rng.IntN(2000))*time.Microsecond,
			func(*aiort.Timer) aiort.Action { return aiort.Disarm })
		if err := l.Run(aiort.Once); err != nil {
			fail("Run: %v", err)
		}
		clock.Stop()
	}
	var flights []*flight
	for range 1 + rng.IntN(6) {
		f := &flight{ops: randomList(rng, flights, file, rd, wr, a, b, e)}
		f.b = op.Start(l, f.ops...)
		flights = append(flights, f)
		for range rng.IntN(4) {
			if err := l.Run(aiort.NoWait); err != nil {
				fail("Run: %v", err)
			}
		}
		if rng.IntN(4) == 0 {
			f := flights[rng.IntN(len(flights))]
			f.cancelled = true
			f.b.Cancel()
		}
		pass()
	}
	e.Notify()
	for range rng.IntN(50) {
		pass()
	}
	for _, f := range flights {
		select {
		case <-f.b.Done():
		default:
			f.closed = true
		}
	}
	if err := l.Close(); err != nil {
		fail("Close: %v", err)
	}
	for _, f := range flights {
		select {
		case <-f.b.Done():
		default:
			fail("a list is not over after Close")
			return
		}
		if err := f.b.Wait(context.Background()); errors.Is(err, op.ErrInFlight) {
			continue
		}
		if why := f.wrong(tally); why != "" {
			fail("%s in %s", why, describe(f))
		}
	}
}

// randomList makes a list of chains.
func randomList(rng *rand.Rand, before []*flight, file, rd, wr, a, b int, e *op.Event) []*op.Op {
	buf := func() []byte { return make([]byte, rng.IntN(20)) }
	var ops []*op.Op
	for n := 1 + rng.IntN(8); n > 0; n-- {
		var o *op.Op
		switch rng.IntN(16) {
		case 0:
			o = op.Read(file, buf(), int64(rng.IntN(1010)))
		case 1:
			o = op.Write(file, buf(), int64(rng.IntN(1010)))
		case 2:
			o = op.Read(rd, buf(), op.Stream)
		case 3:
			o = op.Write(wr, buf(), op.Stream)
		case 4:
			o = op.Send(a, buf(), 0)
		case 5:
			o = op.Recv(b, buf(), 0)
		case 6:
			o = op.Fsync(file)
		case 7:
			o = op.Fsync(-1)
		case 8:
			o = op.Timeout(time.Duration(rng.IntN(2000)) * time.Microsecond)
		case 9:
			o = op.EventWait(e)
		case 10:
			o = op.EventNotify(e)
		case 11:
			if len(before) > 0 {
				ops := before[rng.IntN(len(before))].ops
				o = op.Cancel(ops[rng.IntN(len(ops))])
			}
		case 12:
			o = op.Open(op.CWD, fmt.Sprint(rng.IntN(3)), sim.OpenCreate, 0o600)
		case 13:
			o = op.Rename(op.CWD, fmt.Sprint(rng.IntN(3)), op.CWD, fmt.Sprint(rng.IntN(3)), 0)
		case 14:
			o = op.Ftruncate(file, int64(rng.IntN(1000)))
		}
		if o == nil {
			o = op.Nop()
		}
		ops = append(ops, o)
		how := rng.IntN(5)
		if n == 1 && how > 2 {
			how = 0
		}
		switch how {
		case 0: // not linked
		case 1, 2:
			if n > 1 {
				o.Link()
			}
		case 3:
			o.LinkAlways()
		case 4:
			o.Link()
			limit := op.LinkTimeout(time.Duration(rng.IntN(1000)) * time.Microsecond)
			if rng.IntN(2) == 0 {
				limit.Link()
			}
			ops = append(ops, limit)
		}
	}
	return ops
}

func describe(f *flight) string {
	s := fmt.Sprintf("a list (cancelled %v, closed %v):", f.cancelled, f.closed)
	for _, o := range f.ops {
		s += fmt.Sprintf("\n   %v link %v: %d, %v", o, o.Linked(), o.N, o.Err)
	}
	return s
}

// wrong says what of the results cannot be.
func (f *flight) wrong(tally map[string]int) string {
	var prev *op.Op // what this one waited for, LinkTimeouts aside
	for i, o := range f.ops {
		if o.InFlight() {
			return fmt.Sprintf("operation %d is in flight", i)
		}
		if o.Err != nil && o.N != 0 {
			return fmt.Sprintf("operation %d has both a result and an error", i)
		}
		kind := kindOf(o.Err)
		tally[kind]++
		if i > 0 && f.ops[i-1].Linked() == aiort.LinkNone {
			prev = nil
		}
		limit := o.String() == "link_timeout"
		started := kind != "skipped" && kind != "short"
		switch {
		case !started && prev == nil:
			return fmt.Sprintf("operation %d was skipped, and waited for nothing", i)
		case prev == nil, limit && kind == "ok":
		case !limit && started && prev.Linked() == aiort.LinkSoft && prev.Err != nil &&
			!(f.cancelled && kind == "cancelled") && !(f.closed && kind == "closed"):
			return fmt.Sprintf("operation %d was started though what it is linked to failed", i)
		case !limit && kind == "skipped" && prev.Err == nil:
			return fmt.Sprintf("operation %d was skipped though what it is linked to succeeded", i)
		case kind == "short" && prev.Err != nil && !errors.Is(prev.Err, op.ErrShort):
			return fmt.Sprintf("operation %d was skipped for want of data, though what it is linked to failed", i)
		case !limit && !started && prev.Linked() == aiort.LinkHard && !errors.Is(prev.Err, op.ErrSkipped):
			return fmt.Sprintf("operation %d was skipped behind a hard link", i)
		}
		if limit {
			if (kind == "deadline") != (kindOf(prev.Err) == "deadline") {
				return fmt.Sprintf("the limit %d and what it bounds do not agree", i)
			}
			continue
		}
		if kind == "deadline" && (i+1 >= len(f.ops) || f.ops[i+1].String() != "link_timeout") {
			return fmt.Sprintf("operation %d has exceeded a time limit that it does not have", i)
		}
		prev = o
	}
	return ""
}

func kindOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case err == op.ErrCanceled:
		return "cancelled"
	case err == op.ErrSkipped:
		return "skipped"
	case err == op.ErrShort:
		return "short"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "deadline"
	case errors.Is(err, net.ErrClosed):
		return "closed"
	}
	return "errno"
}
