//go:build !weir_portable

package aio

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/lane"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// steps are those that a call goes through which finds nothing, spinning counted once.
func steps(h *handle, brief bool) (all []step) {
	for l := (lingering{brief: brief}); h.again(&h.r, &l); {
		if len(all) == 0 || all[len(all)-1] != l.step {
			all = append(all, l.step)
		}
	}
	return all
}

func TestLingering(t *testing.T) {
	ticked := func(h *handle) {
		h.loop.Do(context.Background(), h.loop.Borrow()) // the Op is a nop
	}
	eager := func(h *handle) { h.r.patient = patiences{} }
	inVain := func(h *handle, s step) { // twice: once is no reason to leave it out
		h.r.patient[s].Disappointed()
		h.r.patient[s].Disappointed()
	}
	all := []step{trying, yielding, spinning}
	for _, tt := range []struct {
		name  string
		drive string
		brief bool
		set   func(h *handle)
		want  []step
	}{
		{"everything", "auto", false, ticked, all},
		{"a brief call", "auto", true, ticked, all[:2]},
		{"the loop has not run for long", "auto", false, func(h *handle) { time.Sleep(2 * attendTime) }, all},
		{"the loop has a thread", "thread", false, func(h *handle) { h.direct = true }, all[:1]},
		{"everything goes through the loop", "scheduler", false, ticked, nil},
		{"a view", "auto", false, func(h *handle) { h.as = &viewing{lane: &eagerLane{}} }, all[:2]},
		{"a view with nobody to yield to", "auto", false,
			func(h *handle) { h.as = &viewing{lane: &eagerLane{alone: true}} }, all[:1]},
		{"trying was for nothing of late", "auto", false, func(h *handle) { ticked(h); inVain(h, trying) }, all[1:]},
		{"yielding was for nothing of late", "auto", false, func(h *handle) {
			ticked(h)
			inVain(h, yielding)
		}, []step{trying, spinning}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := recorded(t, tt.drive)
			for range 5 { // on a busy machine the time in which one lingers may be over before it has begun
				eager(h)
				tt.set(h)
				if got := steps(h, tt.brief); slices.Equal(got, tt.want) {
					if len(got) > 0 && got[0] == trying && h.r.patient[trying] == (backoff.Backoff{}) {
						t.Error("trying for nothing leaves no mark")
					}
					return
				} else if len(got) > len(tt.want) {
					t.Fatalf("steps %v, want %v", got, tt.want)
				}
			}
			t.Errorf("never the steps %v", tt.want)
		})
	}
	h := recorded(t, "auto")
	if h.r.patient[spinning] != backoff.Doubtful() {
		t.Error("a new connection spins at once")
	}
}

// TestLingersTwice: a goroutine lets others run a second time before it gives up, one who may be
// interrupted by the next step of its caller does not, and neither does a coroutine, whose loop is
// near.
func TestLingersTwice(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    lingering
		lane bool
		want int
	}{{"a goroutine", lingering{}, false, 2}, {"a brief call", lingering{brief: true}, false, 1},
		{"a view", lingering{}, true, 1}} {
		h := recorded(t, "auto")
		if tt.lane {
			h.as = &viewing{lane: &eagerLane{}}
		}
		n := 0
		for {
			if _, told := prefetch.GiveWay(0, 0, 0); told == 0 { // the next one looks at the clock
				break
			}
		}
		old := uint8(sys.Monotonic()>>roundBits) + 100
		h.r.round = old
		for l := tt.l; h.again(&h.r, &l); {
			if l.step == yielding {
				n++
			}
		}
		if !tt.lane && h.r.round == old {
			t.Errorf("%s has not waited for all in this round", tt.name)
		}
		if n != tt.want {
			t.Errorf("%s tries %d times after others have run, want %d", tt.name, n, tt.want)
		}
	}
}

// TestLingersAlone: a read of a coroutine that has nobody to yield to goes on to the loop, and does
// not leave the step out later.
func TestLingersAlone(t *testing.T) {
	c := recordedConn(t, "auto")
	l := &eagerLane{alone: true}
	c.h.as = &viewing{lane: l}
	for range 3 {
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("received %d, %v", n, err)
		}
	}
	if l.retries != 3 || l.done != 3 || c.h.r.patient[yielding] != (backoff.Backoff{}) {
		t.Errorf("%d tries, %d operations, then %+v of the step that could not be begun", l.retries, l.done,
			c.h.r.patient[yielding])
	}
}

// eagerLane is a coroutine that may try everything.
type eagerLane struct {
	passer
	alone         bool
	retries, done int
}

func (*eagerLane) Direct(bool) bool { return true }
func (l *eagerLane) Yield() bool    { return !l.alone }
func (l *eagerLane) Retry(lane.Try, int, []byte, [3]prefetch.Addr) (int, bool) {
	l.retries++
	return 0, !l.alone
}
func (l *eagerLane) Do(context.Context, *aiort.Completion) error {
	l.done++
	return nil
}

// TestLingerFound: what a step brings makes up for what it was for nothing before.
func TestLingerFound(t *testing.T) {
	h := recorded(t, "auto")
	for _, s := range []step{trying, yielding, spinning} {
		p := &h.r.patient[s]
		for range 5 {
			p.Disappointed()
		}
		h.found(&h.r, &lingering{step: s, tried: true})
		p.Disappointed()
		p.Disappointed()
		no := 0
		for !p.Eager() {
			no++
		}
		if no != 1 {
			t.Errorf("step %d: left out %d times after one that was for nothing", s, no)
		}
	}
	h.found(&h.r, &lingering{step: stopped}) // of no step
}
