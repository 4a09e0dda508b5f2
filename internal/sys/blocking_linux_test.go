package sys

import (
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A blocked Enter does not keep the processor: others run meanwhile, though there is only one.
func TestBlockedEnterHandsOff(t *testing.T) {
	r := open(t, 8, 0, 0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := map[bool]string{true: "entersyscallblock", false: "sysmon"}[linknamed]
	if HandsOff != want {
		t.Errorf("HandsOff = %q, want %q", HandsOff, want)
	}
	var latest time.Duration
	early := 0
	for range 5 {
		start := make(chan time.Time, 1)
		ran := make(chan time.Duration, 1)
		go func() { ran <- time.Since(<-start) }()
		deadline := Monotonic() + int64(40*time.Millisecond)
		start <- time.Now()
		r.Enter(true, deadline)
		if Monotonic() < deadline {
			early++ // a signal took the processor away by force
		}
		select {
		case d := <-ran:
			latest = max(latest, d)
		default:
			t.Fatal("nobody else ran during a wait of 40 ms")
		}
	}
	if early > 2 {
		t.Errorf("%d of 5 waits did not last", early)
	}
	t.Logf("handed off by %s: within %v", HandsOff, latest)
}

// The results of a blocking call come through, while goroutines' stacks move and the collector
// runs.
func TestSyscallBlocking(t *testing.T) {
	if r, errno := syscallBlocking(unix.SYS_GETPID, 0, 0, 0, 0, 0, 0); int(r) != os.Getpid() || errno != 0 {
		t.Errorf("getpid = %d, %v, want %d", r, errno, os.Getpid())
	}
	if _, errno := syscallBlocking(unix.SYS_CLOSE, math.MaxUint32, 0, 0, 0, 0, 0); errno != syscall.EBADF {
		t.Errorf("close(-1): %v, want EBADF", errno)
	}
	var stop atomic.Bool
	var gc, wg sync.WaitGroup
	gc.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	for g := range 4 {
		rd, wr := pipe(t)
		wg.Go(func() {
			b := new([8]byte)
			for i := range 100 {
				grow(i % 50)
				want := strconv.Itoa(g) + strconv.Itoa(i)
				if _, errno := syscallBlocking(unix.SYS_WRITE, uintptr(wr),
					uintptr(unsafe.Pointer(unsafe.StringData(want))), uintptr(len(want)), 0, 0, 0); errno != 0 {
					t.Errorf("write: %v", errno)
				}
				n, errno := syscallBlocking(unix.SYS_READ, uintptr(rd), uintptr(unsafe.Pointer(b)), 8, 0, 0, 0)
				if errno != 0 || string(b[:n]) != want {
					t.Errorf("read %q, %v, want %q", b[:n], errno, want)
				}
				runtime.KeepAlive(want)
				// one that blocks
				ts := &unix.Timespec{Nsec: 10_000}
				syscallBlocking(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(ts)), 0, 0, 0, 0, 0)
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	gc.Wait()
}

//go:noinline
func grow(n int) byte {
	var frame [1024]byte
	if n > 0 {
		frame[n] = grow(n - 1)
	}
	return frame[n]
}

func TestMonotonic(t *testing.T) {
	clock := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano()
	}
	var ahead []int64
	last := Monotonic()
	for range 1000 {
		before := clock()
		now := Monotonic()
		after := clock()
		if now < before {
			t.Fatalf("Monotonic is %v behind the kernel: a wait would end early", time.Duration(before-now))
		}
		if now < last {
			t.Fatalf("Monotonic went back by %v", time.Duration(last-now))
		}
		ahead = append(ahead, max(now-after, 0))
		last = now
	}
	if d := time.Duration(slices.Max(ahead)); d > 100*time.Microsecond {
		t.Errorf("Monotonic is %v ahead of the kernel: waits would end late", d)
	}
}

// TestMonotonicInBubble: in a bubble of testing/synctest Monotonic is the kernel's clock all the
// same, whatever the bubble's says, and so it is outside afterwards.
func TestMonotonicInBubble(t *testing.T) {
	for range 3 {
		before := Monotonic()
		synctest.Test(t, func(t *testing.T) {
			for range 3 {
				for range 10 {
					if now := Monotonic(); now < before || now-before > int64(time.Minute) {
						t.Fatalf("it is %v since before the bubble", time.Duration(now-before))
					}
				}
				if !InBubble() {
					t.Error("a bubble is none")
				}
				time.Sleep(100 * 365 * 24 * time.Hour / 7)
			}
		})
		if now := Monotonic(); now < before || now-before > int64(time.Minute) || InBubble() {
			t.Errorf("it is %v since before the bubble, and another bubble: %v", time.Duration(now-before), InBubble())
		}
	}
}
