package epoll

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// wake lets other threads end a blocked Poll: an eventfd in the epoll instance.
//
// The state saves the system call when no thread sleeps, and loses no wake-up. Poll announces that
// it goes to sleep by idle -> asleep; Wake swaps in called. If Wake comes first, the announcement
// fails and Poll does not block. If it comes second, it finds asleep and writes.
//
// The eventfd is never read: it is registered edge-triggered, and each write is an edge.
type wake struct {
	state  atomic.Uint32
	writes atomic.Uint64

	mu sync.Mutex // held for a write, so that close cannot close the descriptor meanwhile
	fd int        // -1: closed
}

const (
	idle = iota
	asleep
	called
)

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
