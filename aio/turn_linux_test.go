//go:build !weir_portable

package aio

import (
	"context"
	"testing"

	"github.com/weirgo/weir/internal/lane"
	"github.com/weirgo/weir/internal/prefetch"
	aiort "github.com/weirgo/weir/runtime"
)

// passer is a lane on whose Wait the turn becomes free, just before it stands in line.
type passer struct {
	t     *testing.T
	turn  *turn
	woken bool
}

func (p *passer) Loop() *aiort.Loop                                         { return nil }
func (p *passer) Enter() error                                              { return nil }
func (p *passer) Yield() bool                                               { return false }
func (p *passer) Retry(lane.Try, int, []byte, [2]prefetch.Addr) (int, bool) { return 0, false }
func (p *passer) Direct(bool) bool                                          { return false }
func (p *passer) Do(context.Context, *aiort.Completion) error               { return nil }
func (p *passer) Wait(arm func(wake func()), _ func() bool) error {
	p.turn.pass()
	arm(func() { p.woken = true })
	return nil
}

// A turn that becomes free while somebody is about to stand in line for it is his, and he is told so.
func TestTurnFreeMeanwhile(t *testing.T) {
	var turn turn
	turn.take(nil)
	p := &passer{t: t, turn: &turn}
	if err := turn.take(p); err != nil || !p.woken {
		t.Fatalf("%v, woken: %v", err, p.woken)
	}
	if turn.state.Load() == turnFree {
		t.Error("nobody has the turn")
	}
	turn.pass()
	if turn.state.Load() != turnFree {
		t.Error("somebody has the turn")
	}
}
