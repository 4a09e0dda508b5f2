package load

import (
	"context"
	"time"
)

// Lane runs workers, and waits for them. Goroutines is the one that most programs want.
type Lane interface {
	// Go runs f concurrently. The context that it gives f, and f its operations, ends with ctx, or
	// before.
	Go(ctx context.Context, f func(ctx context.Context))
	// Sleep waits for d, or until wake ends. ctx is the one that Go gave to the function that calls.
	Sleep(ctx, wake context.Context, d time.Duration)
}

// Goroutines runs each worker on a goroutine.
type Goroutines struct{}

// Go starts a goroutine.
func (Goroutines) Go(ctx context.Context, f func(ctx context.Context)) { go f(ctx) }

// Sleep waits on a timer.
func (Goroutines) Sleep(_, wake context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake.Done():
	}
}
