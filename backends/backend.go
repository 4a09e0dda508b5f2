package backends

import "math"

// Backend carries operations to a kernel and brings back events. A Loop owns it.
//
// Obligations:
//
//   - Any goroutine may call Name, Now, Counters and Wake; only one at a time may call the others.
//     After Bind(true) those are called on the thread that called Bind.
//   - Every Completion that Submit took gets exactly one terminal Event, whatever happens: success,
//     failure, cancellation, a full queue on the way.
//   - The Loop keeps each Completion that Submit took, at the same address and unchanged, until
//     Poll has returned the terminal Event. The backend keeps what it builds beside it (iovecs,
//     message headers, queues) for as long, in memory that the garbage collector sees.
//   - A backend never invents or drops a result. If data arrived before a cancellation took hold,
//     Res counts it; a new descriptor is reported even if a cancel was on its way.
//   - No method calls back into the Loop.
type Backend interface {
	// Name is the name by which Options select the backend: "io_uring", "sim", ...
	Name() string

	// Now returns the time in nanoseconds of the clock that Poll's deadlines are measured in. It
	// never goes back.
	Now() int64

	// Bind makes the backend ready for Poll. If thread is set the caller is locked to its OS
	// thread, and every later call comes from that thread. Bind is called once, before all methods
	// except Name, Now and Wake.
	Bind(thread bool) error

	// Submit queues the operations of batch in order and returns how many it took. Fewer than
	// len(batch) means that the queue is full: Poll empties it. Submit makes no system call and
	// does not block.
	Submit(batch []*Completion) int

	// Cancel queues a request to cancel the operation id. It reports false if the queue is full:
	// Poll empties it. The operation still gets its terminal Event, with -ECANCELED or with any
	// other result. To cancel an operation that is unknown or over has no effect.
	Cancel(id ID) bool

	// Poll hands everything queued to the kernel, copies events that are ready into dst and returns
	// their number. If there are none it blocks until one arrives, Wake is called, the deadline
	// passes (see [NoWait], [Forever]), or a signal arrives. So 0, nil is an ordinary answer. A
	// deadline may lie before the clock's zero. If Poll fills dst, more events may be ready. What
	// the kernel did not take stays queued. An error means that the backend is lost.
	Poll(dst []Event, deadline int64) (int, error)

	// Pending reports, without a system call, whether another Poll would do something: operations
	// are queued, or events are ready.
	Pending() bool

	// Wake makes the Poll that is blocked, or else the next one that would block, return. Any
	// goroutine may call it at any time, also after Close.
	Wake()

	// Counters returns the sums of what the backend did so far.
	Counters() Counters

	// Close frees everything the backend holds. No operation may be in flight.
	Close() error
}

// Deadlines for [Backend.Poll] that are not points in time.
const (
	NoWait  int64 = 0
	Forever int64 = math.MaxInt64
)

// Pollable is implemented by backends that the scheduler drive can run: Go's netpoller watches
// their descriptor, so that no thread needs to block in Poll.
type Pollable interface {
	// PollFD returns a descriptor that becomes readable when Poll would find something new.
	// Edge-triggered watchers see an edge for each event that comes after a Poll found nothing.
	PollFD() int

	// Alarm makes PollFD readable at deadline at the latest. It is queued like an operation: the
	// next Poll hands it over. It reports false if the queue is full. A later call replaces the
	// deadline; one at or after the deadline already set may be ignored until that has passed.
	Alarm(deadline int64) bool
}

// Announcer is implemented by backends that can tell without a system call whether there is
// something to reap.
type Announcer interface {
	// News reports whether Poll is known to have something: events, or a Wake that would keep it
	// from blocking. In the second case News also consumes the Wake. The rules for calling Poll
	// apply.
	News() bool
}

// Shrinker is implemented by backends that keep memory for each slot, or for each operation that
// was in flight at one time.
type Shrinker interface {
	// Shrink says that the n slots from first on have no operation in flight, that the Loop has let
	// go of its own memory for them, and that live slots are in use. It is called as Poll is, after
	// a burst, once for each 256 slots or so: on average its cost is in proportion to n.
	Shrink(first, n uint32, live int)
}

// Counters count what a backend did since it was opened.
type Counters struct {
	Syscalls  uint64 // system calls made by Submit, Poll and Wake
	Enters    uint64 // calls that submitted operations or looked for events: io_uring_enter and its like
	SQEs      uint64 // queue entries submitted to the kernel, including internal ones (wake, cancel, alarm)
	CQEs      uint64 // entries reaped, including internal ones
	Overflows uint64 // how often the completion queue was found to have overflowed
	Rearms    uint64 // how often an internal multishot (the wake source) ended and was armed again
}
