package uring

import (
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// wake lets other threads end a blocked Poll: an eventfd that a multishot poll in the ring watches.
//
// The state saves the system call when no thread sleeps, and loses no wake-up. Poll announces that
// it goes to sleep by idle -> asleep; Wake swaps in called. If Wake comes first, the announcement
// fails and Poll does not block. If it comes second, it finds asleep and writes.
//
// The eventfd is never read: with EPOLLET each write is an edge. Arming the poll again on an
// eventfd that was written reports at once, so a write between the end of one multishot and the
// start of the next is seen.
type wake struct {
	state     atomic.Uint32
	armed     bool // a multishot poll is in the ring; only the owner of the ring uses this
	everArmed bool
	writes    atomic.Uint64

	mu sync.Mutex // held for a write, so that close cannot close the descriptor meanwhile
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

// sleep announces that Poll is about to block. It returns false if Poll must not block.
func (w *wake) sleep() bool { return w.state.CompareAndSwap(idle, asleep) }

// awake ends what sleep began, or consumes a call of Wake that came before it. What the caller of
// Wake did before is visible after awake. The Swap makes that true also for a call between the two
// lines.
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

// armWake puts the multishot poll into the ring if it is not there. It reports whether it is there
// now. sqe keeps an entry free for it; that entry is missing only if the poll ends while the queue
// is full of entries that the kernel did not take.
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
