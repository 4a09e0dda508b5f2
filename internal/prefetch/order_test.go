//go:build gc && (amd64 || arm64) && !weir_nolinkname

package prefetch

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// TestOrder guards that who gives way is written down, where Fetch would look for it, and that the order goes round.
func TestOrder(t *testing.T) {
	enlist() // twice is once
	o := new(order)
	var b [3]byte
	for i := range uint32(3 * orderSize) {
		if n, _ := enter(o, Of(&b[0]), Of(&b[1]), Of(&b[2])); n != i || o.n != i+1 {
			t.Fatalf("%d, then %d, want %d", n, o.n, i)
		}
	}
	for i := range o.places {
		if p := &o.places[i]; p.then != Of(&b[0]) || p.also != Of(&b[1]) || p.data != Of(&b[2]) || p.goroutine != o.places[0].goroutine {
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
			n, before := o.n, o.places
			if got := next(o, o.n-tt.after); got != tt.want {
				t.Errorf("%d have come since, of %d: fetched: %v", int32(tt.after), o.n, got)
			}
			if o.n != n || o.places != before {
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
			b := new([3]byte)
			for range 100 {
				turn, _ := GiveWay(Of(&b[0]), Of(&b[1]), Of(&b[2]))
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

// TestTell guards that a time that has been told is shared by so many, and by nobody when time passes fast.
func TestTell(t *testing.T) {
	Turn{}.Tell(1) // nobody's
	Turn{}.GoOn()
	turn := Turn{of: new(order)}
	shared := func() (n int) {
		for {
			_, now := enter(turn.of, 0, 0, 0)
			if now == 0 {
				return n
			}
			if n++; now != turn.of.time.Load() {
				t.Fatalf("the time is %d, told was %d", now, turn.of.time.Load())
			}
		}
	}
	if n := shared(); n != 0 {
		t.Errorf("%d have got a time that nobody told", n)
	}
	now := int64(time.Hour)
	for _, tt := range []struct{ after, want int64 }{
		{0, 0}, {timely - 1, sharing}, {0, sharing}, {timely, 0}, {timely + 1, 0}, {1, sharing}, {int64(time.Second), 0}, {timely / 2, sharing},
	} {
		now += tt.after
		turn.Tell(now)
		if n := shared(); int64(n) != tt.want {
			t.Errorf("%d have shared a time that came %d ns after the one before, want %d", n, tt.after, tt.want)
		}
	}
	turn.Tell(now)
	now += timely
	turn.Tell(now) // before all have shared
	if n := shared(); n != 0 {
		t.Errorf("%d have shared an old time", n)
	}
}

func BenchmarkGiveWay(b *testing.B) {
	x := new([3]byte)
	for b.Loop() {
		turn, _ := GiveWay(Of(&x[0]), Of(&x[1]), Of(&x[2]))
		turn.GoOn()
	}
}
