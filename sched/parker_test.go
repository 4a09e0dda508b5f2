package sched_test

import (
	"bytes"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirgo/weir/sched"
)

func TestParker(t *testing.T) {
	p := sched.NewParker()
	p.Unpark() // before Park
	within(t, 10*time.Second, "Park", p.Park)

	parked, said := make(chan struct{}), 0
	go func() {
		p.Park() // before Unpark
		if said != 1 {
			t.Error("what was written before Unpark is not visible after Park")
		}
		close(parked)
	}()
	select {
	case <-parked:
		t.Fatal("Park returned without Unpark")
	case <-time.After(5 * time.Millisecond):
	}
	said = 1
	p.Unpark()
	within(t, 10*time.Second, "Park", func() { <-parked })

	if p.TryPark() {
		t.Error("TryPark found a wake-up that nobody has given")
	}
	p.Unpark()
	if !p.TryPark() || p.TryPark() {
		t.Error("TryPark finds a wake-up, and that once")
	}
}

func TestParkerRounds(t *testing.T) {
	const rounds = 5000
	a, b := sched.GetParker(), sched.GetParker()
	turn := 0 // guarded by the parkers: the race detector checks that they order it
	go func() {
		for range rounds {
			a.Park()
			turn++
			b.Unpark()
		}
	}()
	within(t, 10*time.Second, "rounds", func() {
		for i := range rounds {
			a.Unpark()
			b.Park()
			if turn != i+1 {
				t.Errorf("round %d: turn %d", i, turn)
			}
		}
	})
	sched.PutParker(a)
	sched.PutParker(b)
}

// A wait that is given up leaves the round open: its wake-up, whenever it comes, is for the next
// wait, and is never lost.
func TestParkUntil(t *testing.T) {
	never, done := make(chan struct{}), make(chan struct{})
	close(done)
	var p sched.Parker
	for range 3 {
		if p.ParkUntil(done) {
			t.Fatal("a wake-up that nobody has given")
		}
	}
	if p.TryPark() {
		t.Error("a wait that was given up left a wake-up behind")
	}
	p.Unpark()
	if !p.ParkUntil(done) { // it does not look at done: it need not wait
		t.Error("the wake-up before ParkUntil is lost")
	}
	for _, end := range []<-chan struct{}{nil, never} {
		got := make(chan bool)
		go func() { got <- p.ParkUntil(end) }()
		time.Sleep(time.Millisecond) // it may wait by now, and need not
		p.Unpark()
		within(t, 10*time.Second, "ParkUntil", func() {
			if !<-got {
				t.Error("ParkUntil ended, and nothing but the wake-up had come")
			}
		})
	}
	p.Unpark()
	within(t, 10*time.Second, "Park after ParkUntil", p.Park)
	sched.PutParker(&p)
}

// However the wake-up and the end of done meet, each round has one wake-up.
func TestParkUntilRace(t *testing.T) {
	const rounds = 5000
	var p sched.Parker
	said := 0 // guarded by the parker
	ended := 0
	within(t, 30*time.Second, "rounds", func() {
		for i := range rounds {
			done := make(chan struct{})
			go func() {
				if i%2 == 0 {
					close(done) // the waiter is ready, and does not run yet
				}
				said = i + 1
				p.Unpark()
				if i%2 == 1 {
					close(done)
				}
			}()
			switch i % 3 {
			case 0:
				runtime.Gosched()
			case 1:
				time.Sleep(time.Microsecond)
			}
			if !p.ParkUntil(done) {
				ended++
				p.Park()
			}
			if said != i+1 {
				t.Errorf("round %d: the wake-up is that of round %d", i+1, said)
			}
			if p.TryPark() {
				t.Errorf("round %d: two wake-ups", i+1)
			}
		}
	})
	t.Logf("given up in %d of %d rounds", ended, rounds)
}

// A goroutine that is parked is one that waits, as stacks and the collector see it: the collector
// shrinks and moves its stack, and the goroutine goes on.
func TestParkedStack(t *testing.T) {
	var p sched.Parker
	at := make(chan uintptr)
	back := make(chan int)
	go func() {
		on := [64]int{1: 1}
		deep(50) // the stack has grown
		at <- 0
		p.Park()
		back <- on[1] + deep(5)
	}()
	<-at
	eventually(t, "the goroutine waits", func() bool {
		stacks := make([]byte, 1<<20)
		return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("sched.(*Parker).Park"))
	})
	for range 3 {
		runtime.GC()
	}
	p.Unpark()
	if got := <-back; got != 1+5 {
		t.Errorf("%d after a wait, want 6", got)
	}
}

//go:noinline
func deep(n int) int {
	var room [256]byte
	if n == 0 {
		return int(room[n])
	}
	return deep(n-1) + 1
}

func TestParkerMisuse(t *testing.T) {
	p := sched.NewParker()
	p.Unpark()
	mustPanic(t, "second Unpark", p.Unpark)
	mustPanic(t, "wake-up inside", func() { sched.PutParker(p) })
	p.Park() // the first wake-up is still good
	sched.PutParker(p)

	go p.Unpark()
	p.ParkUntil(make(chan struct{}))
	p.Unpark()
	mustPanic(t, "second Unpark", p.Unpark)
	p.Park()
}

func TestParkerAllocs(t *testing.T) {
	mustNotAllocate(t, "a round with a pooled Parker", func() {
		p := sched.GetParker()
		p.Unpark()
		p.Park()
		sched.PutParker(p)
	})
	var p sched.Parker
	done := make(chan struct{})
	close(done)
	mustNotAllocate(t, "a wait that is given up", func() {
		if p.ParkUntil(done) {
			t.Error("woken")
		}
	})
}

func BenchmarkParker(b *testing.B) {
	b.Run("self", func(b *testing.B) { // no switch: the channel and the pool only
		b.ReportAllocs()
		for b.Loop() {
			p := sched.GetParker()
			p.Unpark()
			p.Park()
			sched.PutParker(p)
		}
	})
	b.Run("pingpong", func(b *testing.B) {
		pingpong(b, (*sched.Parker).Park)
	})
	b.Run("until", func(b *testing.B) {
		done := make(chan struct{})
		pingpong(b, func(p *sched.Parker) { p.ParkUntil(done) })
	})
}

// pingpong measures two goroutines that wake each other.
func pingpong(b *testing.B, wait func(*sched.Parker)) {
	var x, y sched.Parker
	var stop atomic.Bool
	go func() {
		for wait(&x); !stop.Load(); wait(&x) {
			y.Unpark()
		}
	}()
	for b.Loop() {
		x.Unpark()
		wait(&y)
	}
	stop.Store(true)
	x.Unpark()
}
