package target

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

// Coroutines runs workers as coroutines of weir. It is a load.Lane.
type Coroutines struct {
	all  []*coro.Scheduler
	next atomic.Uint32
}

// NewCoroutines makes a scheduler for each loop of io.
func NewCoroutines(io *aio.IO) (*Coroutines, error) {
	c := new(Coroutines)
	for range io.Info().Loops {
		s, err := coro.New(coro.Options{IO: io, HogLimit: -1}) // on a busy machine much is late
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.all = append(c.all, s)
	}
	return c, nil
}

// Close ends the schedulers; no worker is left.
func (c *Coroutines) Close() error {
	var errs error
	for _, s := range c.all {
		errs = errors.Join(errs, s.Close())
	}
	return errs
}

// Go starts a coroutine, whose context is its Task.
func (c *Coroutines) Go(ctx context.Context, f func(ctx context.Context)) {
	s := c.all[int(c.next.Add(1))%len(c.all)]
	h := coro.Spawn(s, func(t *coro.Task) (struct{}, error) { f(t); return struct{}{}, nil }, coro.Name("worker"))
	stop := context.AfterFunc(ctx, h.Cancel)
	go func() {
		h.Wait(context.Background())
		stop()
	}()
}

// Sleep waits on the scheduler's own timers.
func (c *Coroutines) Sleep(ctx, wake context.Context, d time.Duration) {
	coro.Select(ctx, coro.After(d), coro.DoneOf(wake))
}

// Dial connects from a coroutine, whose Task ctx is.
func (c *Coroutines) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	t, ok := ctx.(*coro.Task)
	if !ok {
		return nil, errors.New("only a worker itself can connect, not what it calls on other goroutines")
	}
	return t.Dial(network, address)
}
