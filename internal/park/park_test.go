package park

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPark(t *testing.T) {
	if !Direct {
		for what, f := range map[string]func(){"Wait": func() { Wait(new(atomic.Uintptr)) },
			"Wake": func() { Wake(8) }} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s has returned in a build that does not have it", what)
					}
				}()
				f()
			}()
		}
		return
	}
	var word atomic.Uintptr
	word.Store(1)
	Wait(&word) // does not
	if got := word.Load(); got != 1 {
		t.Fatalf("Wait has put %d into a word that was taken", got)
	}
	word.Store(0)
	back := make(chan uintptr)
	go func() {
		Wait(&word)
		back <- word.Load()
	}()
	g := uintptr(0)
	for end := time.Now().Add(10 * time.Second); g == 0; g = word.Load() {
		if time.Now().After(end) {
			t.Fatal("Wait has put nothing into the word")
		}
		time.Sleep(50 * time.Microsecond)
	}
	if g < 8 {
		t.Errorf("Wait has put %d into the word: want 8 at least", g)
	}
	select {
	case <-back:
		t.Fatal("Wait returned before Wake")
	case <-time.After(5 * time.Millisecond):
	}
	word.Store(2)
	Wake(g)
	select {
	case got := <-back:
		if got != 2 {
			t.Errorf("the word is %d after Wait, want 2", got)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Wait does not return")
	}
}

// TestYield: the goroutines that are ready on the same processor run first.
func TestYield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const n = 10
	var ran atomic.Int32
	var all sync.WaitGroup
	for range n {
		all.Go(func() { ran.Add(1) })
	}
	for end := time.Now().Add(10 * time.Second); ran.Load() < n && time.Now().Before(end); {
		Yield()
	}
	if ran.Load() < n {
		t.Errorf("%d of %d goroutines have run", ran.Load(), n)
	}
	all.Wait()
}
