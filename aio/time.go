package aio

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// Sleep pauses the calling goroutine for at least d, or until ctx ends: then it returns the cause of that. It is
// precise to about the time of a wake-up, also below a millisecond. d <= 0 returns at once.
func Sleep(ctx context.Context, d time.Duration) error { return Default().Sleep(ctx, d) }

// Sleep pauses the calling goroutine: see the function of the same name.
func (io *IO) Sleep(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	l, err := io.rt.Any(io.timers.Add(1))
	if err != nil {
		return err
	}
	c := l.Borrow()
	defer l.Return(c)
	c.Op = backends.Op{Code: backends.OpTimeout}
	c.SetDeadline(after(l.Now(), d))
	return l.Do(ctx, c)
}

func after(now int64, d time.Duration) int64 {
	if when := now + int64(d); when > 0 {
		return when
	}
	return backends.Forever
}

// Timer is a time.Timer on a loop: C receives the time once, d after NewTimer or the last Reset. As with package
// time no stale time is received after Stop or Reset has returned.
type Timer struct {
	C <-chan time.Time

	c     chan time.Time
	loop  *aiort.Loop
	every atomic.Int64 // of a Ticker
	when  atomic.Int64 // 0: stopped; sending: its time has come
	done  aiort.Completion
}

// Ticker is a time.Ticker on a loop: C receives the time every d. A slow receiver misses ticks.
type Ticker struct {
	C <-chan time.Time
	t *Timer
}

const sending = -1

// NewTimer starts a timer: see Timer.
func NewTimer(d time.Duration) *Timer { return Default().NewTimer(d) }

// NewTicker starts a ticker; d must be positive. Stop it when it is not needed any more.
func NewTicker(d time.Duration) *Ticker { return Default().NewTicker(d) }

// NewTimer starts a timer: see Timer. On a closed IO it never fires.
func (io *IO) NewTimer(d time.Duration) *Timer { return io.newTimer(d, 0) }

// NewTicker starts a ticker; d must be positive. Stop it when it is not needed any more.
func (io *IO) NewTicker(d time.Duration) *Ticker {
	if d <= 0 {
		panic("aio: non-positive interval for NewTicker")
	}
	t := io.newTimer(d, d)
	return &Ticker{C: t.C, t: t}
}

func (io *IO) newTimer(d, every time.Duration) *Timer {
	c := make(chan time.Time, 1)
	t := &Timer{C: c, c: c}
	t.every.Store(int64(every))
	t.done.Op = backends.Op{Code: backends.OpTimeout}
	t.done.Callback = t.fire
	var err error
	if t.loop, err = io.rt.Any(io.timers.Add(1)); err == nil {
		t.set(d)
	}
	return t
}

// Reset makes the timer fire d from now. It reports whether it was running.
func (t *Timer) Reset(d time.Duration) bool {
	was := t.Stop()
	if t.loop != nil {
		t.set(d)
	}
	return was
}

// Stop prevents the timer from firing. It reports whether it was running.
func (t *Timer) Stop() bool {
	for {
		when := t.when.Load()
		if when == sending {
			time.Sleep(0) // the loop is sending: a matter of nanoseconds
			continue
		}
		if !t.when.CompareAndSwap(when, 0) {
			continue
		}
		unread := false
		select {
		case <-t.c:
			unread = t.every.Load() == 0
		default:
		}
		if t.loop != nil {
			t.loop.Cancel(&t.done)
		}
		return when != 0 || unread
	}
}

// Reset stops the ticker and makes its period d, which must be positive. The next tick is d from now.
func (t *Ticker) Reset(d time.Duration) {
	if d <= 0 {
		panic("aio: non-positive interval for Ticker.Reset")
	}
	t.t.Stop()
	t.t.every.Store(int64(d))
	if t.t.loop != nil {
		t.t.set(d)
	}
}

// Stop turns the ticker off. It does not close C.
func (t *Ticker) Stop() { t.t.Stop() }

func (t *Timer) set(d time.Duration) {
	when := max(after(t.loop.Now(), max(d, 0)), 1)
	t.when.Store(when)
	t.done.SetDeadline(when)
	t.loop.Submit(&t.done) // ErrInFlight: fire finds the new time
}

// fire runs on the loop when the operation under way ends: at its time, or because it was stopped or moved.
func (t *Timer) fire(c *aiort.Completion) aiort.Action {
	for {
		when := t.when.Load()
		if when <= 0 || c.Err() == aiort.ErrClosed {
			return aiort.Disarm
		}
		if t.loop.Now() < when { // moved while it fired or was being cancelled
			c.SetDeadline(when)
			t.loop.Submit(c) // ErrInFlight: set was faster
			return aiort.Disarm
		}
		if !t.when.CompareAndSwap(when, sending) {
			continue
		}
		select {
		case t.c <- time.Now():
		default:
		}
		if t.every.Load() == 0 {
			t.when.Store(0)
			return aiort.Disarm
		}
		next := when + t.every.Load()
		if now := t.loop.Now(); next <= now { // late by more than a period: ticks are missed, not sent in a row
			next = now + t.every.Load()
		}
		t.when.Store(next)
		c.SetDeadline(next)
		t.loop.Submit(c)
		return aiort.Disarm
	}
}
