package backends

import "math"

// Backend carries operations to a kernel and brings back events. A Loop owns it.
//
// Obligations:
//
//   - Name, Now, Counters and Wake may be called by any goroutine, the others by one at a time.
//     After Bind(true) those are called on the thread that called Bind.
//   - Exactly one terminal Event for every Completion that Submit took, whatever happens: success,
//     failure, cancellation, a full queue on the way.
//   - The Loop keeps each Completion that Submit took, at the same address and unchanged, until
//     Poll has returned the terminal Event. What a backend builds beside it (iovecs, message
//     headers, queues) it keeps as long, in memory that the garbage collector sees.
//   - A backend never invents or drops a result. If data arrived before a cancellation took hold,
//     Res counts it; a new descriptor is reported even if a cancel was on its way.
//   - No method calls back into the Loop.
type Backend interface {
	// Name is the name by which Options select the backend: "io_uring", "sim", ...
	Name() string

	// Now is the present, in nanoseconds of the clock Poll's deadlines are measured in. It never
	// goes back.
	Now() int64

	// Bind makes the backend ready for Poll. With thread set the caller is locked to its OS thread
	// and every later call comes from that thread. It is called once, before anything else but
	// Name, Now and Wake.
	Bind(thread bool) error

	// Submit queues the operations of batch in order and reports how many it took. Fewer than
	// len(batch) means that the queue is full: Poll empties it. It makes no system call and does
	// not block.
	Submit(batch []*Completion) int

	// Cancel queues a request to cancel the operation id, and reports false when the queue is full:
	// Poll empties it. The operation still gets its terminal Event, with -ECANCELED or whatever
	// else became of it. Cancelling what is unknown or already over has no effect.
	Cancel(id ID) bool

	// Poll hands everything queued to the kernel, copies events that are ready into dst and reports
	// how many. If there are none it blocks until one arrives, Wake is called, the deadline (see
	// NoWait, Forever) passes, which may lie before the clock's zero, or a signal arrives; so 0,
	// nil is an ordinary answer. When it fills dst more events may be ready. What could not be
	// handed over stays queued. An error means that the backend is lost.
	Poll(dst []Event, deadline int64) (int, error)

	// Pending reports, without a system call, whether another Poll would do something: operations
	// are queued, or events are ready.
	Pending() bool

	// Wake makes the Poll that is blocked, or else the next one that would block, return. Any
	// goroutine may call it at any time, also after Close.
	Wake()

	// Counters adds up what the backend did so far.
	Counters() Counters

	// Close gives back everything the backend holds. No operation may be in flight.
	Close() error
}

// Deadlines for Poll that are not points in time.
const (
	NoWait  int64 = 0
	Forever int64 = math.MaxInt64
)

// Pollable is implemented by backends that the scheduler drive can run: Go's netpoller watches
// their descriptor, so that no thread needs to block in Poll.
type Pollable interface {
	// PollFD is a descriptor that becomes readable when Poll would find something new.
	// Edge-triggered watchers see an edge for each news that comes after a Poll found nothing.
	PollFD() int

	// Alarm makes PollFD readable at deadline at the latest. It is queued like an operation: the
	// next Poll hands it over. It reports false when the queue is full. A later call replaces the
	// deadline; one at or after the one that is set may be ignored until that has passed.
	Alarm(deadline int64) bool
}

// Announcer is implemented by backends that can tell without a system call when there is something
// to reap.
type Announcer interface {
	// News reports whether Poll is known to have something: events, or a Wake that would keep it
	// from blocking, and that is answered so. It is called as Poll is.
	News() bool
}

// Counters count what a backend did since it was opened.
type Counters struct {
	Syscalls  uint64 // system calls made by Submit, Poll and Wake
	Enters    uint64 // calls that handed operations over or looked for events: io_uring_enter and its like
	SQEs      uint64 // queue entries handed to the kernel, internal ones (wake, cancel, alarm) included
	CQEs      uint64 // entries reaped, internal ones included
	Overflows uint64 // times the completion queue was found to have overflowed
	Rearms    uint64 // times an internal multishot (the wake source) ended and was armed again
}
