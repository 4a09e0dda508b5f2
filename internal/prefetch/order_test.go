//go:build gc && (amd64 || arm64) && !go1.27 && !weir_noprefetch && !weir_nolinkname

package prefetch

import (
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// TestOrder guards that a goroutine that yields is recorded where Fetch would look for it, and that
// the order goes round.
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
		if p := &o.places[i]; p.then != Of(&b[0]) || p.also != Of(&b[1]) || p.data != Of(&b[2]) ||
			p.goroutine != o.places[0].goroutine {
			t.Fatalf("place %d: %+v", i, *p)
		}
	}
	var here Goroutine
	here.Here()
	if p := o.places[0].goroutine; p.record != here.record || here.stack-p.stack+256 > 512 {
		t.Errorf("%+v, and Here says %+v", p, here)
	}
	if begins := (*[2]uintptr)(*(*unsafe.Pointer)(unsafe.Pointer(&here.record))); o.places[0].end != begins[1] {
		t.Errorf("the stack ends at %#x, want %#x", o.places[0].end, begins[1])
	}
	for _, tt := range []struct {
		after uint32
		want  bool
	}{
		{^uint32(1), false}, {^uint32(0), false}, {0, false}, {1, false}, {crowd - 1, false}, {crowd, true},
		{crowd + 1, true},
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

// TestDeep guards that it does not matter how deep a stack is said to be, nor where.
func TestDeep(t *testing.T) {
	o := new(order)
	var here Goroutine
	here.Here()
	for _, stack := range []uintptr{here.stack, 0, 64, ^uintptr(0), ^uintptr(0) - deepLines*line} {
		for _, end := range []uintptr{0, 1, ^uintptr(0), stack, stack + 1, stack + deepLines*line - 1,
			stack + deepLines*line, stack - 1} {
			o.places[0] = place{goroutine: Goroutine{stack, here.record}, end: end}
			if o.n = crowd; !next(o, 0) {
				t.Fatalf("from %#x to %#x: not fetched", stack, end)
			}
		}
	}
}

// TestGiveWay guards that goroutines which take turns are in the order in which they do, each at
// its own place.
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

// TestTell guards that a time that has been told is shared by the right number of goroutines, and
// by none when passes take long.
func TestTell(t *testing.T) {
	Turn{}.Tell(1) // of no order
	Turn{}.GoOn()
	for i := range orders {
		orders[i].Store(nil)
	}
	if turn, now := GiveWay(0, 0, 0); now != 0 || turn.of == nil {
		t.Errorf("the first on a P: %+v, and the time is %d", turn, now)
	}
	o := new(order)
	// shared takes turns until there is no time, and returns how many got one, and the turn that
	// did not.
	shared := func() (got int, turn Turn) {
		for {
			n, now := enter(o, 0, 0, 0)
			if now == 0 {
				return got, Turn{o, n}
			}
			if got++; now != o.time.Load() {
				t.Fatalf("the time is %d, told was %d", now, o.time.Load())
			}
		}
	}
	got, turn := shared()
	if got != 0 {
		t.Errorf("%d have got a time that nobody told", got)
	}
	now := int64(time.Hour)
	const each = timely / (sharing + 1)
	for i, tt := range []struct {
		after int64 // the last look, of which the turns before this one took part
		want  int
	}{
		{0, 0},                   // the first: the time of the one before is unknown
		{each - 1, sharing},      // one turn
		{timely - 1, sharing},    // eight
		{0, sharing},             // they take no time
		{timely, 0},              // eight that take too long
		{each, 0},                // and one
		{each / 2, sharing},      // one that does not
		{int64(time.Second), 0},  // a pause
		{-1, 0},                  // another goroutine was faster
		{1, sharing},             // one turn
		{-int64(time.Second), 0}, // much faster
	} {
		now += tt.after
		turn.Tell(now)
		if got, turn = shared(); got != tt.want {
			t.Errorf("%d: %d have shared a time that came %d ns after the one before, want %d", i, got, tt.after,
				tt.want)
		}
	}
	turn.Tell(now) // shared
	n, _ := enter(o, 0, 0, 0)
	now += timely
	Turn{o, n}.Tell(now) // before all have
	if got, _ := shared(); got != 0 {
		t.Errorf("%d have shared an old time", got)
	}
}

// TestTellTogether guards that no more goroutines share a time than may, whichever others tell one
// or take it.
func TestTellTogether(t *testing.T) {
	o := new(order)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for range 200_000 {
				switch i {
				case 0:
					o.left.Store(1)
					o.left.Store(0)
				default:
					enter(o, 0, 0, 0)
				}
				if left := o.left.Load(); left > sharing {
					t.Errorf("%d may share", left)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkGiveWay(b *testing.B) {
	x := new([3]byte)
	for b.Loop() {
		turn, _ := GiveWay(Of(&x[0]), Of(&x[1]), Of(&x[2]))
		turn.GoOn()
	}
}
