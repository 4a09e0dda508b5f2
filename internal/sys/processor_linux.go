package sys

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file decides which system calls keep the P of the calling goroutine, and what that takes.
//
// A system call of Go's own (syscall.Syscall) gives up the P: another thread may run goroutines on
// it while the call lasts, and Go's monitor thread, sysmon, is woken if it sleeps. The first costs
// little. The second costs a server that waits for each message more than the call itself: sysmon
// then naps for 20 microseconds, again and again, until it finds every P idle. So a call that does
// not wait, and moves little, is a RawSyscall, which the Go runtime does not see.
//
// But sysmon must not stay asleep. It preempts goroutines that compute, polls the network when
// every P is busy, and takes the P of a thread that blocks in a system call. It falls asleep when
// all Ps are idle, until a Go timer is due or a system call wakes it. See watched.

const (
	copied = 64 << 10 // bytes that the kernel only copies
	sent   = 16 << 10 // bytes that it sends through its protocols, on loopback as far as the receiver
)

// keepsP reports whether a system call on the buffers iov keeps the P: it is small and watched.
// Callers with one buffer repeat that expression, because a call of keepsP costs more than both.
func keepsP(iov []unix.Iovec, nowait bool, limit int) bool {
	for i := range iov {
		limit -= int(iov[i].Len)
		nowait = nowait && limit >= 0 && inHeap(iov[i].Base)
	}
	return nowait && watched()
}

// small reports whether a system call takes less than those 20 microseconds: it does not wait, it
// moves at most limit bytes, and its buffer is in Go's heap.
func small(p []byte, nowait bool, limit int) bool {
	return nowait && len(p) <= limit && inHeap(unsafe.SliceData(p))
}

// heapRegion is the part of the address space, of 256 GiB, in which Go's heap begins. The linker
// does not know it.
var heapRegion = region(unsafe.SliceData(make([]byte, os.Getpagesize()))) // not known to the linker

// region numbers the parts of the address space. 32-bit systems have one.
func region(p *byte) uint64 { return uint64(uintptr(unsafe.Pointer(p))) >> 38 }

// inHeap reports whether buf is near Go's heap, whose pages are present as soon as they are used.
// Bringing in a page of other memory, such as a mapped file or userfaultfd(2), may take long, and
// the goroutine that brings it may need this very P. Go's heap begins at a fixed address and grows
// from there. For a buffer in a heap of more than 200 GiB, or in static data, inHeap reports false,
// which costs time only.
func inHeap(buf *byte) bool { return region(buf) == heapRegion }

// MayFault reports whether bringing in a page of p may take long, as far as that is known: see
// inHeap.
func MayFault(p []byte) bool { return len(p) > 0 && !inHeap(unsafe.SliceData(p)) }

// Missing reports whether a page of p is not in memory now, so that a system call on p would wait
// until it is. It asks the kernel, mincore(2), but not for buffers in Go's heap.
func Missing(p []byte) bool { return MayFault(p) && missing(p) }

func missing(p []byte) bool {
	var resident [1024]byte // of pages of 4 KiB, 4 MiB
	page := uintptr(os.Getpagesize())
	first := uintptr(unsafe.Pointer(unsafe.SliceData(p))) &^ (page - 1)
	end := uintptr(unsafe.Pointer(unsafe.SliceData(p))) + uintptr(len(p))
	for first < end {
		size := min((end-first+page-1)/page, uintptr(len(resident)))
		_, _, errno := syscall.Syscall(unix.SYS_MINCORE, first, size*page, uintptr(unsafe.Pointer(&resident)))
		if errno != 0 {
			return errno == unix.ENOMEM // part of it is no memory: the system call says so
		}
		for _, r := range resident[:size] {
			if r&1 == 0 {
				return true
			}
		}
		first += size * page
	}
	return false
}

// pulse is the longest time that sysmon sleeps while the program makes calls that keep the P.
const pulse = 10 * time.Millisecond

// watching says how sysmon is kept awake.
var watching atomic.Uint32

const (
	unwatched uint32 = iota // the timer is not armed
	arming                  // a goroutine is about to arm it
	armed                   // the timer fires within a pulse, or has fired and its function has yet to run
)

// watched reports whether sysmon is awake or will wake within a pulse. If that is not certain, the
// caller makes a system call that gives up the P, which wakes sysmon, and watched arms the timer
// for the calls that follow: when sysmon falls asleep, which takes an idle moment of all Ps, it
// sleeps until that timer at most. The timer is armed once for all calls within a pulse, and not at
// all if there are no calls.
//
// Sysmon cannot fall asleep between this and the goroutine's next lines: that takes all Ps, and the
// caller has one. It may have been asleep before. In that case the timer, which was armed before it
// fell asleep, wakes it; or the timer has fired since, so watching is unwatched, and the call wakes
// it.
func watched() bool { return watching.Load() == armed || watch() }

// watch arms the timer, unless another goroutine is doing so, and reports false. In a bubble of
// testing/synctest it does not arm the timer, because a time.Timer follows the bubble's clock.
//
//go:noinline
func watch() bool {
	if !InBubble() && watching.CompareAndSwap(unwatched, arming) {
		pulses.Reset(pulse)
		watching.CompareAndSwap(arming, armed) // fails if the timer has fired already
	}
	return false
}

var pulses = func() *time.Timer {
	t := time.AfterFunc(time.Hour, func() { watching.Store(unwatched) })
	t.Stop()
	return t
}()
