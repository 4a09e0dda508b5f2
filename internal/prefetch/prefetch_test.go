package prefetch

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
	"unsafe"
)

// TestHere guards that a goroutine's stack and record are told, and not another's.
func TestHere(t *testing.T) {
	if runtime.Compiler != "gc" || runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skipf("there is no code for %s and %s", runtime.Compiler, runtime.GOARCH)
	}
	var places [3]Goroutine
	var wg sync.WaitGroup
	for i := range places {
		wg.Go(func() {
			grow(1 << 10) // so that the stack stays where it is
			var on byte
			places[i].Here()
			if here := uintptr(unsafe.Pointer(&on)); places[i].stack > here || here-places[i].stack > 512 {
				t.Errorf("stack at %#x, a variable on it at %#x", places[i].stack, here)
			}
			// The record begins with the bounds of the stack.
			if b := (*[2]uintptr)(*(*unsafe.Pointer)(unsafe.Pointer(&places[i].record))); b[0] >= places[i].stack ||
				b[1] <= places[i].stack {
				t.Errorf("stack at %#x, and the record says %#x to %#x", places[i].stack, b[0], b[1])
			}
			again := places[i]
			again.Here()
			if again != places[i] {
				t.Errorf("%+v, and again %+v", places[i], again)
			}
			another := make(chan bool)
			go func() { another <- again.IsCaller() }()
			if !again.IsCaller() || <-another {
				t.Error("a goroutine is not itself, or another one is")
			}
		})
	}
	wg.Wait()
}

//go:noinline
func grow(n int) byte {
	var b [16]byte
	if n > 0 {
		b[n%16] = grow(n - 16)
	}
	return b[0]
}

// TestFetch guards that fetching changes nothing, and that an address is no more than a hint.
func TestFetch(t *testing.T) {
	b := bytes.Repeat([]byte("weir"), 1<<10)
	Of(&b[0]).Fetch()
	Of(&b[len(b)-1]).Fetch()
	for _, a := range []Addr{0, 1, 1 << 20, ^Addr(0), ^Addr(0) - 64, ^Addr(0) >> 1, ^Addr(0)>>1 + 1} {
		a.Fetch()
	}
	f := func() int { return len(b) }
	OfFunc(&f).Through()
	Of(&[3]uintptr{1, ^uintptr(0), 2}).Through() // only hints are read
	new(Goroutine).Fetch()
	(&Goroutine{1, 1}).Fetch()
	var g Goroutine
	g.Here()
	g.Fetch()
	if !bytes.Equal(b, bytes.Repeat([]byte("weir"), 1<<10)) {
		t.Error("memory has changed")
	}
}

// TestOfFunc guards that the address is that of what a function closes over.
func TestOfFunc(t *testing.T) {
	var all []func() int
	for i := range 2 {
		all = append(all, func() int { return i })
	}
	again := all[0]
	if a, b, c := OfFunc(&all[0]), OfFunc(&all[1]), OfFunc(&again); a != c || a == b || a == Of(&all[0]) {
		t.Errorf("%#x, %#x, %#x", a, b, c)
	}
}

func BenchmarkHere(b *testing.B) {
	var g Goroutine
	for b.Loop() {
		g.Here()
	}
}

func BenchmarkFetch(b *testing.B) {
	var g Goroutine
	g.Here()
	for b.Loop() {
		g.Fetch()
	}
}
