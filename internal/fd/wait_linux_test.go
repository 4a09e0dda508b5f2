//go:build !weir_portable

package fd

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/prefetch"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// steps are those that a call goes through which finds nothing, spinning counted once.
func steps(h *FD, brief bool) (all []step) {
	for l := (spinner{brief: brief}); h.next(&h.R, &l); {
		if len(all) == 0 || all[len(all)-1] != l.step {
			all = append(all, l.step)
		}
	}
	return all
}

func TestSpinner(t *testing.T) {
	ticked := func(h *FD) {
		h.Loop.Do(context.Background(), h.Loop.Borrow()) // the Op is a nop
	}
	eager := func(h *FD) { h.R.backoffs = stepBackoffs{} }
	inVain := func(h *FD, s step) { // twice: once is no reason to leave it out
		h.R.backoffs[s].Miss()
		h.R.backoffs[s].Miss()
	}
	all := []step{trying, yielding, spinning}
	for _, tt := range []struct {
		name  string
		drive string
		brief bool
		set   func(h *FD)
		want  []step
	}{
		{"everything", "auto", false, ticked, all},
		{"a brief call", "auto", true, ticked, all[:2]},
		{"the loop has not run for long", "auto", false, func(h *FD) { time.Sleep(2 * tickTime) }, all},
		{"the loop has a thread", "thread", false, func(h *FD) { h.Direct = true }, all[:1]},
		{"everything goes through the loop", "scheduler", false, ticked, nil},
		{"a view", "auto", false, func(h *FD) { h.view = &viewState{waiter: &eagerWaiter{}} }, all[:2]},
		{"a view with no other to yield to", "auto", false,
			func(h *FD) { h.view = &viewState{waiter: &eagerWaiter{alone: true}} }, all[:1]},
		{"trying was for nothing of late", "auto", false, func(h *FD) { ticked(h); inVain(h, trying) }, all[1:]},
		{"yielding was for nothing of late", "auto", false, func(h *FD) {
			ticked(h)
			inVain(h, yielding)
		}, []step{trying, spinning}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := recorded(t, tt.drive)
			for range 100 { // on a busy machine the time to spin may be over before it has begun
				eager(h)
				tt.set(h)
				if got := steps(h, tt.brief); slices.Equal(got, tt.want) {
					if len(got) > 0 && got[0] == trying && h.R.backoffs[trying] == (backoff.Backoff{}) {
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
	if h.R.backoffs[spinning] != backoff.Doubtful() {
		t.Error("a new connection spins at once")
	}
}

// TestSpinsTwice: a goroutine yields a second time before it goes to the loop. A call that the next
// step of its caller may interrupt does not, and neither does a coroutine, whose loop is near.
func TestSpinsTwice(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    spinner
		lane bool
		want int
	}{{"a goroutine", spinner{}, false, 2}, {"a brief call", spinner{brief: true}, false, 1},
		{"a view", spinner{}, true, 1}} {
		h := recorded(t, "auto")
		if tt.lane {
			h.view = &viewState{waiter: &eagerWaiter{}}
		}
		n := 0
		for {
			if _, told := prefetch.GiveWay(0, 0, 0); told == 0 { // the next one looks at the clock
				break
			}
		}
		old := uint8(sys.Monotonic()>>roundBits) + 100
		h.R.round = old
		for l := tt.l; h.next(&h.R, &l); {
			if l.step == yielding {
				n++
			}
		}
		if !tt.lane && h.R.round == old {
			t.Errorf("%s has not waited for all in this round", tt.name)
		}
		if n != tt.want {
			t.Errorf("%s tries %d times after others have run, want %d", tt.name, n, tt.want)
		}
	}
}

// TestSpinsAlone: a read of a coroutine that has no other to yield to goes on to the loop, and does
// not leave the step out later.
func TestSpinsAlone(t *testing.T) {
	f := recorded(t, "auto")
	l := &eagerWaiter{alone: true}
	f.view = &viewState{waiter: l}
	for range 3 {
		if n, err := f.Read(t.Context(), make([]byte, 1), shapeless{}); n != 0 || err != io.EOF {
			t.Fatalf("received %d, %v", n, err)
		}
	}
	if l.retries != 3 || l.done != 3 || f.R.backoffs[yielding] != (backoff.Backoff{}) {
		t.Errorf("%d tries, %d operations, then %+v of the step that could not be begun", l.retries, l.done,
			f.R.backoffs[yielding])
	}
}

// eagerLane is a coroutine that may try everything.
type eagerWaiter struct {
	passingWaiter
	alone         bool
	retries, done int
}

func (*eagerWaiter) MayTry(bool) bool { return true }
func (l *eagerWaiter) Yield() bool    { return !l.alone }
func (l *eagerWaiter) Retry(Try, int, []byte, [3]prefetch.Addr) (int, bool) {
	l.retries++
	return 0, !l.alone
}
func (l *eagerWaiter) Do(context.Context, *aiort.Completion) error {
	l.done++
	return nil
}

// TestSpinnerHit: what a step brings makes up for what it was for nothing before.
func TestSpinnerHit(t *testing.T) {
	h := recorded(t, "auto")
	for _, s := range []step{trying, yielding, spinning} {
		p := &h.R.backoffs[s]
		for range 5 {
			p.Miss()
		}
		h.hit(&h.R, &spinner{step: s, tried: true})
		p.Miss()
		p.Miss()
		no := 0
		for !p.Allow() {
			no++
		}
		if no != 1 {
			t.Errorf("step %d: left out %d times after one that was for nothing", s, no)
		}
	}
	h.hit(&h.R, &spinner{step: stopped}) // of no step
}
