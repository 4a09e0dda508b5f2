package portable

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
)

// Name is the name by which Options select this backend.
const Name = "portable"

// Config configures a Backend. The zero value is ready to use.
type Config struct {
	// Entries is the most operations and cancellations that one Poll hands over. 0: 256.
	Entries int

	// Workers bounds the goroutines that make blocking system calls, each of which may take a
	// thread. 0: 64.
	Workers int

	// Thread says that Bind will be called with true. Otherwise, on Linux, the backend is
	// backends.Pollable.
	Thread bool
}

// Backend is a backends.Backend of goroutines. See the package comment.
type Backend struct {
	entries int
	start   time.Time // where there is no sys.Monotonic

	// These belong to the owner, the goroutine that calls Submit, Cancel and Poll.
	queue   []*backends.Completion
	cancels []backends.ID
	timer   *time.Timer // of a Poll that blocks; its channel is read there only

	news  chan struct{} // of capacity 1: there may be events, or Wake was called
	woken atomic.Bool   // Wake was called, and no Poll has returned for it yet

	mu     sync.Mutex
	events []backends.Event // events before first have been reaped
	first  int
	closed bool

	engine engine // runs operations on descriptors
	bell   bell   // makes a descriptor readable when there are events, on systems that have one

	syscalls, enters, sqes, cqes atomic.Uint64
}

var (
	_ backends.Backend  = (*Backend)(nil)
	_ backends.Shrinker = (*Backend)(nil)
)

// Open makes a Backend. It fails if there are too few descriptors left for it.
func Open(cfg Config) (backends.Backend, error) {
	if cfg.Entries <= 0 {
		cfg.Entries = 256
	}
	if cfg.Workers <= 0 {
		cfg.Workers = 64
	}
	b := &Backend{
		entries: cfg.Entries,
		start:   time.Now().Add(-time.Nanosecond), // 0 is not a time
		news:    make(chan struct{}, 1),
		timer:   time.NewTimer(math.MaxInt64),
	}
	if err := b.engine.open(b, cfg.Workers); err != nil {
		return nil, err
	}
	if !cfg.Thread {
		return b.withBell()
	}
	return b, nil
}

// Name returns "portable".
func (b *Backend) Name() string { return Name }

// Detail says how operations on descriptors are done.
func (b *Backend) Detail() string { return engineDetail }

// Now returns real time, also in bubbles of testing/synctest. Any goroutine may call it.
func (b *Backend) Now() int64 { return now(b.start) }

// Bind does nothing.
func (b *Backend) Bind(bool) error { return nil }

// Submit queues operations until the queue is full.
func (b *Backend) Submit(batch []*backends.Completion) int {
	n := min(len(batch), max(b.entries-len(b.queue)-len(b.cancels), 0))
	b.queue = append(b.queue, batch[:n]...)
	return n
}

// Cancel queues a cancellation, unless the queue is full.
func (b *Backend) Cancel(id backends.ID) bool {
	if len(b.queue)+len(b.cancels) >= b.entries {
		return false
	}
	b.cancels = append(b.cancels, id)
	return true
}

// Poll starts what is queued and copies out what is over. It blocks on a channel, and so holds no
// P, and no thread unless the calling goroutine is locked to one.
func (b *Backend) Poll(dst []backends.Event, deadline int64) (int, error) {
	if len(b.queue)+len(b.cancels) > 0 {
		b.handOver()
	}
	for {
		if n := b.reap(dst); n > 0 || deadline == backends.NoWait {
			return n, nil
		}
		if b.woken.Swap(false) || !b.block(deadline) {
			return 0, nil
		}
	}
}

// block waits for events. It reports false if the deadline came first.
func (b *Backend) block(deadline int64) bool {
	if deadline == backends.Forever {
		<-b.news
		return true
	}
	d := max(deadline, 0) - b.Now() // this does not overflow
	if d <= 0 {
		return false
	}
	bubble.Reset(b.timer, time.Duration(d))
	select {
	case <-b.news:
		b.timer.Stop()
		return true
	case <-b.timer.C:
		return false
	}
}

// handOver starts what is queued. Operations come first, so that a cancellation finds its
// operation.
func (b *Backend) handOver() {
	b.enters.Add(1)
	b.sqes.Add(uint64(len(b.queue) + len(b.cancels)))
	b.mu.Lock()
	for _, c := range b.queue {
		if c.Code == backends.OpNop {
			b.post(backends.Event{ID: c.ID})
		} else {
			b.engine.start(c)
		}
	}
	for _, id := range b.cancels {
		b.engine.cancel(id)
	}
	b.engine.flush()
	b.mu.Unlock()
	clear(b.queue)
	b.queue, b.cancels = b.queue[:0], b.cancels[:0]
}

// post adds an event. The caller holds mu.
func (b *Backend) post(ev backends.Event) {
	b.events = append(b.events, ev)
	b.bell.ring()
	b.signal()
}

func (b *Backend) signal() {
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// reap copies events out. It silences the bell when none is left.
func (b *Backend) reap(dst []backends.Event) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := copy(dst, b.events[b.first:])
	b.cqes.Add(uint64(n))
	if b.first += n; b.first == len(b.events) {
		b.events, b.first = b.events[:0], 0
		if cap(b.events) > minKept {
			b.events = nil
		}
		b.bell.hush()
	}
	b.engine.reaped()
	return n
}

// waiting returns the number of events that have not been reaped. The caller holds mu.
func (b *Backend) waiting() int { return len(b.events) - b.first }

// Pending reports whether something is queued or over, or the bell rings for an alarm.
func (b *Backend) Pending() bool {
	if len(b.queue)+len(b.cancels) > 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waiting() > 0 || b.bell.rings()
}

// minKept is how much of each table is kept in any case.
const minKept = 4096

// Shrink lets go of records.
func (b *Backend) Shrink(first, n uint32, _ int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.engine.shrink(first, n)
}

// fit lets go of the room of a list that was far longer.
func fit[T any](list []T) []T {
	if cap(list) <= minKept+4*len(list) {
		return list
	}
	return slices.Clone(list)
}

// Wake makes a Poll that blocks return.
func (b *Backend) Wake() {
	if !b.woken.Swap(true) {
		b.signal()
	}
}

// Counters returns the sums of what the backend did.
func (b *Backend) Counters() backends.Counters {
	return backends.Counters{
		Syscalls: b.syscalls.Load(), Enters: b.enters.Load(), SQEs: b.sqes.Load(), CQEs: b.cqes.Load(),
	}
}

// Close ends the backend's goroutines and closes its descriptors.
func (b *Backend) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.timer.Stop()
	b.engine.close()
	return b.bell.close()
}
