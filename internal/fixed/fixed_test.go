package fixed

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/internal/sys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bg = context.Background()

func pool(t testing.TB, n, size int) (p *Pool, gone *int) {
	gone = new(int)
	return New(sys.NewRegion(0, n*size), size, func() { *gone++ }), gone
}

func get(t testing.TB, p *Pool) Buffer {
	t.Helper()
	b, err := p.Get(bg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func panics(f func()) (why any) {
	defer func() { why = recover() }()
	f()
	return nil
}

// TestLend: buffers do not overlap, not by append either, and come back.
func TestLend(t *testing.T) {
	p, _ := pool(t, 3, 100)
	bufs := []Buffer{get(t, p), get(t, p), get(t, p)}
	for i, b := range bufs {
		if len(b.Bytes()) != 100 || cap(b.Bytes()) != 100 {
			t.Fatalf("len %d, cap %d", len(b.Bytes()), cap(b.Bytes()))
		}
		for j := range b.Bytes() {
			b.Bytes()[j] = byte(i + 1)
		}
	}
	for i, b := range bufs {
		if slices.IndexFunc(b.Bytes(), func(c byte) bool { return c != byte(i+1) }) >= 0 {
			t.Errorf("buffer %d has another's bytes", i)
		}
		if !Region(p).Holds(b.Bytes()) {
			t.Errorf("buffer %d is not in the region", i)
		}
	}
	ctx, cancel := context.WithCancelCause(bg)
	mine := errors.New("mine")
	cancel(mine)
	if _, err := p.Get(ctx); err != mine {
		t.Errorf("Get with a context that is over: %v", err)
	}
	for _, b := range bufs {
		if err := b.Release(); err != nil {
			t.Error(err)
		}
	}
	get(t, p)
}

// TestWait: Get waits for a release, its context, or Close.
func TestWait(t *testing.T) {
	p, _ := pool(t, 1, 1)
	b := get(t, p)
	got := make(chan Buffer)
	go func() { b, _ := p.Get(bg); got <- b }()
	runtime.Gosched()
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	b = <-got

	ctx, cancel := context.WithCancel(bg)
	errs := make(chan error)
	go func() { _, err := p.Get(ctx); errs <- err }()
	runtime.Gosched()
	cancel()
	if err := <-errs; err != context.Canceled {
		t.Error(err)
	}
	if err := b.Release(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Get(bg); err != net.ErrClosed {
		t.Error(err)
	}
}

// TestMisuse: what has been released is worth nothing, also when its memory has been lent again.
func TestMisuse(t *testing.T) {
	p, _ := pool(t, 1, 10)
	old := get(t, p)
	if err := old.Release(); err != nil {
		t.Fatal(err)
	}
	stale := func(b Buffer, when string) {
		t.Helper()
		if err := b.Release(); err != ErrReleased {
			t.Errorf("%s: Release: %v", when, err)
		}
		if err := Hold(b); err != ErrReleased {
			t.Errorf("%s: Hold: %v", when, err)
		}
		if _, _, err := Memory(b); err != ErrReleased {
			t.Errorf("%s: Memory: %v", when, err)
		}
		if why, _ := panics(func() { b.Bytes() }).(string); !strings.Contains(why, "released") {
			t.Errorf("%s: Bytes: %q", when, why)
		}
	}
	stale(old, "released")
	stale(Buffer{}, "zero")
	b := get(t, p)
	stale(old, "lent again")
	if err := Hold(b); err != nil {
		t.Fatal(err)
	}
	stale(old, "in flight for another")
	if err := b.Release(); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "1 operations") {
		t.Errorf("Release in flight: %v", err)
	}
	Drop(b)
	if err := b.Release(); err != nil {
		t.Error(err)
	}
	if panics(func() { Drop(b) }) == nil {
		t.Error("Drop of what is not held went unnoticed")
	}
}

func TestClose(t *testing.T) {
	p, gone := pool(t, 3, 10)
	a, b := get(t, p), get(t, p)
	for _, want := range []string{"2 of 3", "1 of 3"} {
		if err := p.Close(); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), want) {
			t.Errorf("Close: %v, want %s", err, want)
		}
		a.Release()
		a = b
	}
	get(t, p).Release() // a Close that failed has changed nothing
	if *gone != 0 {
		t.Fatal("the region was given up too early")
	}
	b.Release()
	if err := p.Close(); err != nil || *gone != 1 {
		t.Errorf("Close: %v, gone %d", err, *gone)
	}
	if err := p.Close(); err != net.ErrClosed || *gone != 1 {
		t.Errorf("second Close: %v, gone %d", err, *gone)
	}
}

func TestReason(t *testing.T) {
	p, _ := pool(t, 1, 1)
	if !p.Registered() || p.Reason() != nil {
		t.Error("new, and a reason not to be registered")
	}
	one := errors.New("one")
	Fail(p, one)
	Fail(p, errors.New("two"))
	if p.Registered() || p.Reason() != one {
		t.Error(p.Reason())
	}
}

// TestTogether: many goroutines borrow, hold, release twice and close; no two have the same buffer.
func TestTogether(t *testing.T) {
	p, gone := pool(t, 4, 8)
	users := make([]atomic.Int32, 4)
	var wg sync.WaitGroup
	var twice atomic.Int32
	for range 16 {
		wg.Go(func() {
			for range 500 {
				b, err := p.Get(bg)
				if err != nil {
					t.Error(err)
					return
				}
				_, mem, _ := Memory(b)
				i := indexOf(p, mem)
				if users[i].Add(1) != 1 {
					t.Error("lent twice")
				}
				if err := Hold(b); err != nil {
					t.Error(err)
				}
				if p.Close() == nil {
					t.Error("closed while a buffer was out")
				}
				if b.Release() == nil {
					t.Error("released while it was held")
				}
				users[i].Add(-1)
				Drop(b)
				done := make(chan struct{})
				go func() {
					if b.Release() == nil {
						twice.Add(1)
					}
					close(done)
				}()
				if b.Release() == nil {
					twice.Add(1)
				}
				<-done
			}
		})
	}
	wg.Wait()
	if n := twice.Load(); n != 16*500 {
		t.Errorf("%d releases of %d buffers worked", n, 16*500)
	}
	if err := p.Close(); err != nil || *gone != 1 {
		t.Error(err, *gone)
	}
}

func TestNoAllocations(t *testing.T) {
	p, _ := pool(t, 2, 8)
	if n := testing.AllocsPerRun(100, func() {
		b, _ := p.Get(bg)
		if Hold(b) != nil {
			t.Error("no Hold")
		}
		Drop(b)
		if b.Release() != nil {
			t.Error("no Release")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func indexOf(p *Pool, mem []byte) int {
	for i := range p.slots {
		if &p.slots[i].mem[0] == &mem[0] {
			return i
		}
	}
	return -1
}

// TestZeroFixed: a zero Pool and a zero File are closed.
func TestZeroFixed(t *testing.T) {
	p, f := new(Pool), new(File)
	if _, err := p.Get(t.Context()); err != net.ErrClosed {
		t.Errorf("Get: %v", err)
	}
	if err := p.Close(); err != net.ErrClosed {
		t.Errorf("Close: %v", err)
	}
	if fd, err := f.FD(), f.Close(); fd != -1 || err != net.ErrClosed {
		t.Errorf("descriptor %d, Close: %v", fd, err)
	}
	if err := HoldFile(f); err != net.ErrClosed {
		t.Errorf("HoldFile: %v", err)
	}
}
