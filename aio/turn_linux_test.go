//go:build !weir_portable

package aio

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/weirgo/weir/internal/lane"
	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// passer is a lane on whose Wait the turn becomes free, just before it stands in line.
type passer struct {
	t     *testing.T
	turn  *turn
	use   *atomic.Uint64
	woken bool
}

func (p *passer) Loop() *aiort.Loop                                         { return nil }
func (p *passer) Enter() error                                              { return nil }
func (p *passer) Yield() bool                                               { return false }
func (p *passer) Retry(lane.Try, int, []byte, [3]prefetch.Addr) (int, bool) { return 0, false }
func (p *passer) Direct(bool) bool                                          { return false }
func (p *passer) Do(context.Context, *aiort.Completion) error               { return nil }
func (p *passer) Wait(_ context.Context, arm func(wake func()), _ func() bool) error {
	p.turn.pass(p.use, useReading)
	arm(func() { p.woken = true })
	return nil
}

// A turn that becomes free while somebody is about to stand in line for it is his, and he is told
// so.
func TestTurnFreeMeanwhile(t *testing.T) {
	var turn turn
	var use atomic.Uint64
	const others = useWriting | 5 // are left alone
	use.Store(others | useReading)
	p := &passer{t: t, turn: &turn, use: &use}
	if err := turn.take(context.Background(), &use, useReading, p); err != nil || !p.woken {
		t.Fatalf("%v, woken: %v", err, p.woken)
	}
	if use.Load() != others|useReading {
		t.Errorf("use %#x: nobody has the turn, or others are disturbed", use.Load())
	}
	turn.pass(&use, useReading)
	if use.Load() != others {
		t.Errorf("use %#x: somebody has the turn, or others are disturbed", use.Load())
	}
}
