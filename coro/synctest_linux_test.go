package coro_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

// TestBubble: a scheduler that a bubble of testing/synctest makes is of that bubble: its tasks use
// what the bubble has, and the bubble ends when it has been closed. Its tasks sleep in real time.
// One that was made outside serves a bubble too.
func TestBubble(t *testing.T) {
	for _, drive := range []string{"auto", "thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			stop := time.AfterFunc(40*time.Second, func() { panic(t.Name() + ": it does not end") })
			defer stop.Stop()
			io, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: drive})
			if err != nil {
				t.Skip("no backend can start here: ", err)
			}
			defer io.Close()
			use := func(t *testing.T, s *coro.Scheduler) {
				h := coro.Spawn(s, func(t *coro.Task) (int, error) {
					if err := t.Sleep(2 * time.Millisecond); err != nil {
						return 0, err
					}
					n, err := coro.Blocking(t, func(context.Context) (int, error) { return 3, nil })
					if err != nil {
						return 0, err
					}
					child := coro.Spawn(t, func(t *coro.Task) (int, error) { return n, t.Yield() })
					return child.Wait(t)
				})
				<-h.Task().Done()
				if n, err := h.Wait(t.Context()); n != 3 || err != nil {
					t.Errorf("a task returned %d, %v", n, err)
				}
			}
			outer, err := coro.New(coro.Options{IO: io})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				synctest.Test(t, func(t *testing.T) {
					use(t, outer)
					s, err := coro.New(coro.Options{IO: io})
					if err != nil {
						t.Fatal(err)
					}
					use(t, s)
					c := make(chan int)
					// keeps the thread, but is of the bubble
					h := coro.Spawn(s, func(*coro.Task) (int, error) { return <-c, nil })
					c <- 4
					if n, err := h.Wait(t.Context()); n != 4 || err != nil {
						t.Errorf("a task that uses the bubble's channel returned %d, %v", n, err)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				use(t, outer)
			}
			if err := outer.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
