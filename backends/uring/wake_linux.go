package uring

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// wake is how other threads end a blocked Poll: an eventfd that a multishot poll in the ring
// watches.
//
// The state keeps the system call away when nobody sleeps, and no wake-up gets lost: Poll announces
// that it goes to sleep by idle -> asleep, Wake leaves called behind whatever was there. If Wake
// comes first, the announcement fails and Poll does not block; if it comes second, it finds asleep
// and writes.
//
// The eventfd is never read: with EPOLLET each write is news. Arming the poll again on an eventfd
// that was written reports at once, so a write that falls into the gap between the end of one
// multishot and the start of the next is seen.
type wake struct {
	state     atomic.Uint32
	armed     bool // a multishot poll is in the ring; the owner of the ring only
	everArmed bool
	writes    atomic.Uint64

	mu sync.Mutex // held for a write, so that close cannot pull the descriptor away under it
	fd int        // -1: closed
}

const (
	idle = iota
	asleep
	called
)

func (w *wake) open() (err error) {
	if w.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	return nil
}

// sleep announces that Poll is about to block; false means that it must not.
func (w *wake) sleep() bool { return w.state.CompareAndSwap(idle, asleep) }

// awake ends what sleep began, or takes note of a call that came before it. What the caller of Wake
// did before it is visible after awake: also if the call comes between the two lines, which is what
// the Swap is for.
func (w *wake) awake() {
	if w.state.Load() != idle {
		w.state.Swap(idle)
	}
}

func (w *wake) call() {
	if w.state.Swap(called) != asleep {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd >= 0 {
		w.writes.Add(1)
		sys.RingEventfd(w.fd)
	}
}

func (w *wake) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fd := w.fd
	w.fd = -1
	return unix.Close(fd)
}

// Wake makes the blocked or the next blocking Poll return.
func (b *Backend) Wake() { b.wake.call() }

// armWake puts the multishot poll into the ring, if it is not there, and reports whether it is now.
// sqe keeps an entry free for it; that is missing only if the poll ends while the queue is full of
// what the kernel did not take.
func (b *Backend) armWake() bool {
	if b.wake.armed {
		return true
	}
	e := b.ring.SQE()
	if e == nil {
		return false
	}
	encodeWake(e, b.wake.fd)
	b.wake.armed = true
	if b.wake.everArmed {
		b.counters.rearms.Add(1)
	}
	b.wake.everArmed = true
	return true
}

func encodeWake(e *sys.SQE, fd int) {
	e.Opcode, e.Fd, e.UserData = sys.OpPollAdd, int32(fd), slotWake
	e.Len = sys.PollAddMulti
	e.OpFlags = pollMask(unix.EPOLLIN | unix.EPOLLET)
}
