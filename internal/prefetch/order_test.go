//go:build gc && (amd64 || arm64) && !weir_nolinkname

package prefetch

import (
	"runtime"
	"sync"
	"testing"
)

// TestOrder guards that who gives way is written down, where Fetch would look for it, and that the order goes round.
func TestOrder(t *testing.T) {
	enlist() // twice is once
	o := new(order)
	var b [2]byte
	for i := range uint32(3 * orderSize) {
		if n := enter(o, Of(&b[0]), Of(&b[1])); n != i || o.n != i+1 {
			t.Fatalf("%d, then %d, want %d", n, o.n, i)
		}
	}
	for i := range o.places {
		if p := &o.places[i]; p.then != Of(&b[0]) || p.also != Of(&b[1]) || p.goroutine != o.places[0].goroutine {
			t.Fatalf("place %d: %+v", i, *p)
		}
	}
	var here Goroutine
	here.Here()
	if p := o.places[0].goroutine; p.record != here.record || here.stack-p.stack+256 > 512 {
		t.Errorf("%+v, and Here says %+v", p, here)
	}
	for _, tt := range []struct {
		after uint32
		want  bool
	}{
		{^uint32(1), false}, {^uint32(0), false}, {0, false}, {1, false}, {crowd - 1, false}, {crowd, true}, {crowd + 1, true},
		{orderSize - 1, true}, {orderSize, true}, {orderSize + 1, false}, {1 << 31, false},
	} {
		for _, o.n = range []uint32{5, 0, 1 << 31, ^uint32(0)} {
			before := *o
			if got := next(o, o.n-tt.after); got != tt.want {
				t.Errorf("%d have come since, of %d: fetched: %v", int32(tt.after), o.n, got)
			}
			if *o != before {
				t.Error("who fetches changes the order")
			}
		}
	}
}

// TestGiveWay guards that goroutines which take turns are in the order in which they do, each at its own place.
func TestGiveWay(t *testing.T) {
	count := func() (n int) {
		for i := range orders {
			if o := orders[i].Load(); o != nil {
				n += int(o.n)
			}
		}
		return n
	}
	before := count()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			b := new([2]byte)
			for range 100 {
				turn := GiveWay(Of(&b[0]), Of(&b[1]))
				runtime.Gosched()
				turn.GoOn()
				if turn.of == nil {
					t.Error("no order")
				}
			}
		})
	}
	wg.Wait()
	// The first on each P is not counted.
	if n := count() - before; n < 50*100-50*runtime.GOMAXPROCS(0) || n > 50*100 {
		t.Errorf("%d turns, want nearly %d", n, 50*100)
	}
}

func BenchmarkGiveWay(b *testing.B) {
	x := new([2]byte)
	for b.Loop() {
		GiveWay(Of(&x[0]), Of(&x[1])).GoOn()
	}
}
