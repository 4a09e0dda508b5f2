package sched_test

import (
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

	p.Unpark()
	select {
	case <-p.C():
	case <-time.After(10 * time.Second):
		t.Fatal("no wake-up in C")
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

func TestParkerMisuse(t *testing.T) {
	p := sched.NewParker()
	p.Unpark()
	mustPanic(t, "second Unpark", p.Unpark)
	mustPanic(t, "wake-up inside", func() { sched.PutParker(p) })
	p.Park() // the first wake-up is still good
	sched.PutParker(p)
}

func TestParkerAllocs(t *testing.T) {
	mustNotAllocate(t, "a round with a pooled Parker", func() {
		p := sched.GetParker()
		p.Unpark()
		p.Park()
		sched.PutParker(p)
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
		x, y := sched.NewParker(), sched.NewParker()
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-x.C():
					y.Unpark()
				case <-stop:
					return
				}
			}
		}()
		for b.Loop() {
			x.Unpark()
			y.Park()
		}
		close(stop)
	})
}
