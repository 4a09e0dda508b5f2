package bubble

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOutside: nothing that is begun inside by way of this package belongs to the bubble, and its
// time is real.
func TestOutside(t *testing.T) {
	if In() {
		t.Fatal("a test is in a bubble")
	}
	c := make(chan int)
	for range 3 {
		var inside chan int
		synctest.Test(t, func(t *testing.T) {
			if !In() {
				t.Fatal("a bubble is none")
			}
			time.Sleep(100 * 365 * 24 * time.Hour)
			if !In() {
				t.Fatal("a bubble is none after a hundred years")
			}
			Do(func() {
				if In() {
					t.Error("Do calls a function in the bubble")
				}
				Do(func() {})
			})
			Go(func() { c <- 1 }) // nothing receives before the bubble is over
			inside = MakeChan[int](1)
			if p := panicOf(func() { Do(func() { panic("no") }) }); p != "no" {
				t.Errorf("a panic of what Do calls is %q", p)
			}
			begin := time.Now()
			Sleep(time.Millisecond)
			if d := time.Since(begin); d != 0 {
				t.Errorf("the bubble's clock runs during Sleep: %v", d)
			}
		})
		if <-c != 1 {
			t.Error("what Go has started says something else")
		}
		inside <- 1 // which would be fatal for one of the bubble's
		<-inside
	}
}

// TestReset: a timer made outside is set in real time from inside.
func TestReset(t *testing.T) {
	fired := make(chan struct{})
	timer := time.AfterFunc(time.Hour, func() { close(fired) })
	synctest.Test(t, func(t *testing.T) { Reset(timer, time.Millisecond) })
	select {
	case <-fired:
	case <-time.After(20 * time.Second):
		t.Error("it does not fire")
	}
}

// TestMany: bubbles beside each other, and goroutines in them, get out by the same door.
func TestMany(t *testing.T) {
	var all sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				for range 50 {
					go Do(func() {
						mu.Lock()
						defer mu.Unlock()
						n++
					})
				}
			})
		})
	}
	all.Wait()
	t.Cleanup(func() {
		if n != 200 {
			t.Errorf("%d of 200 have run", n)
		}
	})
}

func panicOf(f func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	f()
	return
}
