package aio

import (
	"context"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/fd"
)

// Sleep pauses the calling goroutine for at least d. If ctx ends first it returns the cause. It is
// precise to about the time of a wake-up, also below a millisecond. d <= 0 returns at once.
func Sleep(ctx context.Context, d time.Duration) error { return Default().Sleep(ctx, d) }

// Sleep pauses the calling goroutine: see [Sleep].
func (io *IO) Sleep(ctx context.Context, d time.Duration) error {
	mustContext(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	rt := io.running()
	if d <= 0 {
		return nil
	}
	if bubble.In() {
		return sleepInBubble(ctx, d)
	}
	l, err := rt.Any(io.sleeps.Add(1))
	if err != nil {
		return err
	}
	c := l.Borrow()
	defer l.Return(c)
	c.Op = backends.Op{Code: backends.OpTimeout}
	c.SetDeadline(fd.After(l.Now(), d))
	return l.Do(ctx, c)
}

// sleepInBubble is Sleep on the clock of a bubble of testing/synctest.
func sleepInBubble(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Timer and Ticker are those of package time. They belong to no loop: they fire whatever is in
// flight on an IO, and even if it is closed. One that the program has dropped is garbage. A Ticker
// that is late drops ticks and keeps its period. They are as precise as package time's, which is
// about a millisecond while a program has nothing else to do. [Sleep] is more precise.
type (
	Timer  = time.Timer
	Ticker = time.Ticker
)

// NewTimer is time.NewTimer.
func NewTimer(d time.Duration) *Timer { return time.NewTimer(d) }

// NewTicker is time.NewTicker.
func NewTicker(d time.Duration) *Ticker { return time.NewTicker(d) }

// NewTimer is time.NewTimer: see [Timer].
func (io *IO) NewTimer(d time.Duration) *Timer { return time.NewTimer(d) }

// NewTicker is time.NewTicker: see [Ticker].
func (io *IO) NewTicker(d time.Duration) *Ticker { return time.NewTicker(d) }
