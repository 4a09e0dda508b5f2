package aio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// eventIO is an IO of the drive that WEIR_DRIVE picks, on any system.
func eventIO(t *testing.T) *aio.IO {
	t.Helper()
	io, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	t.Cleanup(func() { io.Close() })
	return io
}

func TestEvent(t *testing.T) {
	io := eventIO(t)
	bg := context.Background()
	e := io.NewEvent()
	e.Notify()
	e.Notify()
	if err := errors.Join(e.Wait(bg), e.Wait(bg)); err != nil {
		t.Error("what was in store:", err)
	}
	ctx, cancel := context.WithTimeout(bg, time.Millisecond)
	defer cancel()
	if err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("nothing in store:", err)
	}
	if err := e.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error("a context that is over:", err)
	}
	passed := make(chan error)
	go func() { passed <- e.Wait(bg) }()
	e.Notify()
	if err := <-passed; err != nil {
		t.Error("one that waits:", err)
	}
	go func() { passed <- e.Wait(bg) }()
	if err := io.Do(bg, op.EventNotify(&e.Op)); err != nil {
		t.Error(err)
	}
	if err := <-passed; err != nil {
		t.Error("one that an operation notifies:", err)
	}
	go func() { passed <- e.Wait(bg) }()
	time.Sleep(time.Millisecond)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-passed; !errors.Is(err, net.ErrClosed) {
		t.Error("one that waits when it is closed:", err)
	}
	e.Notify()
	if err := e.Wait(bg); !errors.Is(err, net.ErrClosed) {
		t.Error("after Close:", err)
	}
	if err := e.Close(); !errors.Is(err, net.ErrClosed) {
		t.Error("a second Close:", err)
	}
	other := io.NewEvent()
	go func() { passed <- other.Wait(bg) }()
	time.Sleep(time.Millisecond)
	io.Close()
	if err := <-passed; !errors.Is(err, net.ErrClosed) {
		t.Error("when the IO is closed:", err)
	}
}

// Two goroutines take turns by two events; nothing gets lost on the way.
func TestEventTurns(t *testing.T) {
	io := eventIO(t)
	ping, pong := io.NewEvent(), io.NewEvent()
	const n = 300
	var wg sync.WaitGroup
	turn := func(mine, theirs *aio.Event) {
		for range n {
			if err := mine.Wait(context.Background()); err != nil {
				t.Error(err)
			}
			theirs.Notify()
		}
	}
	wg.Go(func() { turn(ping, pong) })
	wg.Go(func() { turn(pong, ping) })
	ping.Notify()
	wg.Wait()
	if err := ping.Wait(context.Background()); err != nil { // the last turn's
		t.Error(err)
	}
}

// Lists through the facade, on any system.
func TestDo(t *testing.T) {
	io := eventIO(t)
	e := io.NewEvent()
	late, sleep := op.EventWait(&e.Op), op.Timeout(time.Millisecond)
	b := io.Start(late)
	if err := io.Do(context.Background(), op.Nop(), sleep.Link(), op.EventNotify(&e.Op)); err != nil {
		t.Error(err)
	}
	if err := b.Wait(context.Background()); err != nil || late.Err != nil {
		t.Error(err, late.Err)
	}
	never := io.Start(late.Link(), op.Nop())
	never.Cancel()
	if <-never.Done(); late.Err != op.ErrCanceled {
		t.Error(late.Err)
	}
	io.Close()
	if err := io.Do(context.Background(), late.ClearLink()); !errors.Is(err, net.ErrClosed) || !errors.Is(late.Err,
		net.ErrClosed) {
		t.Error("after Close:", err, late.Err)
	}
	if err := io.Start(late).Wait(context.Background()); !errors.Is(err, net.ErrClosed) {
		t.Error("after Close:", err)
	}
}
