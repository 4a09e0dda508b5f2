//go:build !weir_portable

package fd

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// passer is a lane on whose Wait the turn becomes free, just before it stands in line.
type passingWaiter struct {
	t     *testing.T
	turn  *lockQueue
	use   *atomic.Uint64
	woken bool
}

func (p *passingWaiter) Loop() *aiort.Loop                                    { return nil }
func (p *passingWaiter) CheckCaller() error                                   { return nil }
func (p *passingWaiter) Yield() bool                                          { return false }
func (p *passingWaiter) Retry(Try, int, []byte, [3]prefetch.Addr) (int, bool) { return 0, false }
func (p *passingWaiter) MayTry(bool) bool                                     { return false }
func (p *passingWaiter) Do(context.Context, *aiort.Completion) error          { return nil }
func (p *passingWaiter) Wait(_ context.Context, arm func(wake func()), _ func() bool) error {
	p.turn.unlock(p.use, stateReading)
	arm(func() { p.woken = true })
	return nil
}

// A lock that becomes free while a call is about to queue for it goes to that call, which learns of
// it.
func TestLockFreeMeanwhile(t *testing.T) {
	var turn lockQueue
	var use atomic.Uint64
	const others = stateWriting | 5 // are left alone
	use.Store(others | stateReading)
	p := &passingWaiter{t: t, turn: &turn, use: &use}
	if err := turn.lock(context.Background(), &use, stateReading, p); err != nil || !p.woken {
		t.Fatalf("%v, woken: %v", err, p.woken)
	}
	if use.Load() != others|stateReading {
		t.Errorf("use %#x: nobody has the turn, or others are disturbed", use.Load())
	}
	turn.unlock(&use, stateReading)
	if use.Load() != others {
		t.Errorf("use %#x: somebody has the turn, or others are disturbed", use.Load())
	}
}
