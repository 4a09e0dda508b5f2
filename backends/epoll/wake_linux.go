package epoll

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// wake is how other threads end a blocked Poll: an eventfd in the epoll instance.
//
// The state keeps the system call away when nobody sleeps, and no wake-up gets lost: Poll announces
// that it goes to sleep by idle -> asleep, Wake leaves called behind whatever was there. If Wake
// comes first, the announcement fails and Poll does not block; if it comes second, it finds asleep
// and writes.
//
// The eventfd is never read: it is registered edge-triggered, and each write is news.
type wake struct {
	state  atomic.Uint32
	writes atomic.Uint64

	mu sync.Mutex // held for a write, so that close cannot pull the descriptor away under it
	fd int        // -1: closed
}

const (
	idle = iota
	asleep
	called
)

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
	if w.state.Load() != called && w.state.Swap(called) == asleep {
		w.write()
	}
}

// write makes the epoll instance readable.
func (w *wake) write() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd < 0 {
		return
	}
	w.writes.Add(1)
	sys.RingEventfd(w.fd)
}

func (w *wake) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fd < 0 {
		return nil
	}
	fd := w.fd
	w.fd = -1
	return unix.Close(fd)
}
