package sys

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// awaitUnwatched waits until no timer is armed to wake sysmon.
func awaitUnwatched() {
	for watching.Load() != unwatched {
		time.Sleep(time.Millisecond)
	}
}

// narrow says that addresses have 32 bits: all memory is near the heap.
const narrow = ^uintptr(0)>>32 == 0

// A call keeps the P only if it is small, which an array of iovecs is as a whole.
func TestKeepsP(t *testing.T) {
	mapped, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mapped)
	part := make([]byte, 100)
	keeps := func(nowait bool, limit int, bufs ...[]byte) bool {
		for watching.Load() != armed {
			watched()
		}
		iov, pooled := iovecs(nil, bufs, 0)
		defer putIovecs(pooled)
		got := keepsP(iov, nowait, limit)
		if len(bufs) == 1 && got != small(bufs[0], nowait, limit) {
			t.Errorf("keepsP and small differ about %d bytes of at most %d", len(bufs[0]), limit)
		}
		return got
	}
	for _, tt := range []struct {
		name string
		got  bool
		want bool
	}{
		{"less than the limit", keeps(true, 101, part), true},
		{"as much as the limit", keeps(true, 100, part), true},
		{"more than the limit", keeps(true, 99, part), false},
		{"a call that waits", keeps(false, 1000, part), false},
		{"several, as much as the limit", keeps(true, 300, part, part, part), true},
		{"several, more than the limit", keeps(true, 299, part, part, part), false},
		{"mapped memory", keeps(true, 1000, mapped[:10]), narrow},
		{"mapped memory among other", keeps(true, 1000, part, mapped[:10], part), narrow},
		{"nothing", keeps(true, 1000), true},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %v", tt.name, tt.got)
		}
	}
}

// What goroutines use as buffers is found to be in Go's heap: what is allocated, their stacks.
func TestInHeap(t *testing.T) {
	var onStack [64]byte
	for _, size := range []int{1, 100, 4 << 10, 1 << 20, 64 << 20} {
		if p := make([]byte, size); !inHeap(&p[0]) || !inHeap(&p[size-1]) {
			t.Errorf("a buffer of %d bytes at %p is not in the heap", size, &p[0])
		}
	}
	if !inHeap(&onStack[0]) {
		t.Errorf("a stack, at %p, is not in the heap", &onStack)
	}
	if static := "static"; inHeap(unsafeString(static)) && ^uintptr(0)>>32 != 0 {
		t.Error("a constant is in the heap")
	}
	if inHeap(nil) && ^uintptr(0)>>32 != 0 {
		t.Error("nil is in the heap")
	}
}

// The first call that would keep the P gives it up, which wakes sysmon, and arms the timer; those
// within a pulse keep it; and when there have been none for a pulse the timer is gone.
func TestWatched(t *testing.T) {
	awaitUnwatched()
	for range 3 {
		if watched() {
			t.Error("the first call after a pause is taken for watched")
		}
		for watching.Load() != armed { // a slow machine may let the pulse pass
			watched()
		}
		if !watched() && watching.Load() == armed {
			t.Error("a call within the pulse is not watched")
		}
		awaitUnwatched()
	}
}

// Whatever goroutines do at a time, the timer is armed again after it has fired, and the state is
// never stuck where no call arms it.
func TestWatchedTogether(t *testing.T) {
	done := make(chan bool)
	for range 4 {
		go func() {
			for end := time.Now().Add(20 * pulse); time.Now().Before(end); {
				watched()
				runtime.Gosched()
			}
			done <- true
		}()
	}
	for range 4 {
		<-done
	}
	awaitUnwatched() // a timer that is never armed again leaves it armed
	if watched() || !watched() {
		t.Error("the timer is not armed by the next call")
	}
}

func unsafeString(s string) *byte { return unsafe.StringData(s) }

// TestMissing guards that a page is missing until it is touched, wherever it is in the buffer, and
// that memory which is none counts as missing, so that the caller's own system call fails.
func TestMissing(t *testing.T) {
	if narrow {
		t.Skip("all memory is near the heap where addresses have 32 bits")
	}
	page, pages := unix.Getpagesize(), 2500 // more than one mincore(2) is asked for
	mem, err := unix.Mmap(-1, 0, pages*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	unix.Madvise(mem, unix.MADV_NOHUGEPAGE)
	for i := range pages {
		if i != 2000 {
			mem[i*page] = 1
		}
	}
	for _, tt := range []struct {
		name string
		p    []byte
		want bool
	}{
		{"nothing", mem[:0], false},
		{"Go's heap", make([]byte, 1<<20), false},
		{"pages that are there", mem[1 : 2000*page], false},
		{"up to the last byte before it", mem[1999*page+1 : 2000*page], false},
		{"a page that is missing", mem[2000*page : 2001*page], true},
		{"its first byte, behind others", mem[1999*page+page/2 : 2000*page+1], true},
		{"its last byte", mem[2001*page-1 : 2001*page], true},
		{"far behind others", mem, true},
		{"behind it", mem[2001*page:], false},
	} {
		if got := Missing(tt.p); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	none, err := unix.Mmap(-1, 0, page, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	unix.Munmap(none)
	if !Missing(none) {
		t.Error("memory that is none is not missing")
	}
}
