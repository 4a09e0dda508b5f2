package epoll

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Backend is a backends.Backend on one epoll instance.
type Backend struct {
	epoll  sys.Epoll
	thread bool
	wake   wake
	alarm  alarm
	pool   pool

	queued  []*backends.Completion // submitted
	cancels []backends.ID
	entries []*[chunkLen]entry // indexed by slot
	descs   []*[pageLen]*desc  // indexed by descriptor number
	known   int                // how many descs there are
	far     map[int]*desc      // by descriptor number, from maxPaged on
	unarmed []*desc            // whose registrations must be brought up to date in this Poll
	out     []backends.Event   // ready, from outAt on
	outAt   int
	more    bool // the kernel may have more events than the last call returned

	turn  uint64 // counts Polls
	gen   uint32 // generation of the last registration
	probe desc   // scratch record for a descriptor that may not exist
	op    backends.Op

	syscalls uint64 // made in this Poll
	counters struct {
		syscalls, enters, sqes, cqes atomic.Uint64
	}
}

var (
	_ backends.Backend  = (*Backend)(nil)
	_ backends.Pollable = (*Backend)(nil)
	_ backends.Shrinker = (*Backend)(nil)
)

// Events that belong to no descriptor have generation 0, and their number says what they are.
const (
	isWake = iota
	isAlarm
)

const (
	maxEvents = 256
	// maxOut is the number of ready events at which Poll leaves the rest with the kernel.
	maxOut = 4096
)

// Name returns "epoll".
func (b *Backend) Name() string { return "epoll" }

// Now returns CLOCK_MONOTONIC.
func (b *Backend) Now() int64 { return sys.Monotonic() }

// Detail names the system calls that the kernel has and Linux 4.19 lacks.
func (b *Backend) Detail() string {
	if b.epoll.Fine {
		return "epoll_pwait2"
	}
	return "epoll_pwait"
}

// PollFD returns the epoll instance, which is readable while it has events.
func (b *Backend) PollFD() int { return b.epoll.FD }

// Open makes an epoll instance and what belongs to it: three descriptors.
func Open(cfg Config) (_ *Backend, err error) {
	if cfg.Workers <= 0 {
		cfg.Workers = defaultWorkers
	}
	b := &Backend{epoll: sys.Epoll{FD: -1, Events: make([]unix.EpollEvent, maxEvents)}, wake: wake{fd: -1},
		alarm: alarm{fd: -1}}
	defer func() {
		if err != nil {
			b.Close()
			err = fmt.Errorf("epoll: %w", err)
		}
	}()
	if b.epoll.FD, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if b.wake.fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	if b.alarm.fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return nil, fmt.Errorf("timerfd_create: %w", err)
	}
	for what, fd := range []int{isWake: b.wake.fd, isAlarm: b.alarm.fd} {
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(what)}
		if err := unix.EpollCtl(b.epoll.FD, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return nil, fmt.Errorf("epoll_ctl: %w", err)
		}
	}
	b.epoll.Fine = !cfg.coarse && b.epoll.Probe()
	b.pool.init(cfg.Workers, b.poolDone)
	return b, nil
}

// Bind checks that the instance works: a wake-up must be seen.
func (b *Backend) Bind(thread bool) error {
	b.thread = thread
	b.wake.write()
	n, errno := b.look(false, 0)
	switch {
	case errno != 0:
		return fmt.Errorf("epoll: epoll_pwait: %w", errno)
	case n == 0:
		return errors.New("epoll: the self-test brought no event")
	}
	return nil
}

// Submit queues operations. It takes all of them.
func (b *Backend) Submit(batch []*backends.Completion) int {
	b.queued = append(b.queued, batch...)
	return len(batch)
}

// Cancel queues a cancellation. It never refuses.
func (b *Backend) Cancel(id backends.ID) bool {
	b.cancels = append(b.cancels, id)
	return true
}

// Alarm queues a new setting of the timer.
func (b *Backend) Alarm(deadline int64) bool {
	b.alarm.want(deadline, b.Now())
	return true
}

// Pending reports whether another Poll would do something.
func (b *Backend) Pending() bool {
	return b.more || b.outAt < len(b.out) || len(b.queued) > 0 || len(b.cancels) > 0 || b.alarm.next != 0 ||
		b.pool.ready.Load()
}

// Poll tries what is queued, then looks for events once and tries the operations that those are
// about.
func (b *Backend) Poll(dst []backends.Event, deadline int64) (int, error) {
	b.turn++
	b.handOver()
	called, err := b.alarm.apply()
	if err != nil {
		return 0, fmt.Errorf("epoll: timerfd_settime: %w", err)
	}
	if called {
		b.syscalls++
	}
	b.collect()
	b.armAll()
	if b.more = len(b.out)-b.outAt > maxOut; !b.more {
		wait := deadline != backends.NoWait && b.outAt == len(b.out) && b.wake.sleep()
		n, errno := b.look(wait, deadline)
		if errno != 0 {
			return 0, fmt.Errorf("epoll: epoll_pwait: %w", errno)
		}
		for i := range b.epoll.Events[:n] {
			b.event(&b.epoll.Events[i])
		}
		b.more = n == len(b.epoll.Events)
	}
	if deadline != backends.NoWait {
		b.wake.awake()
	}
	b.collect()
	b.armAll()
	b.counters.syscalls.Add(b.syscalls)
	b.syscalls = 0
	return b.deliver(dst), nil
}

// handOver begins what was submitted and applies cancellations.
func (b *Backend) handOver() {
	if n := len(b.queued) + len(b.cancels); n > 0 {
		b.counters.sqes.Add(uint64(n))
	}
	for _, c := range b.queued {
		b.start(b.take(c))
	}
	clear(b.queued)
	b.queued = b.queued[:0]
	for _, id := range b.cancels {
		b.cancel(id)
	}
	b.cancels = b.cancels[:0]
}

func (b *Backend) look(wait bool, deadline int64) (int, unix.Errno) {
	b.syscalls++
	b.counters.enters.Add(1)
	n, errno := b.epoll.Wait(wait, deadline)
	return n, unix.Errno(errno)
}

// deliver copies events that are ready into dst.
func (b *Backend) deliver(dst []backends.Event) int {
	n := copy(dst, b.out[b.outAt:])
	b.counters.cqes.Add(uint64(n))
	if b.outAt += n; b.outAt == len(b.out) {
		b.out, b.outAt = b.out[:0], 0
	} else if b.outAt > len(b.out)/2 {
		b.out, b.outAt = slices.Delete(b.out, 0, b.outAt), 0
	}
	return n
}

// Wake makes the blocked or the next blocking Poll return.
func (b *Backend) Wake() { b.wake.call() }

// poolDone tells the Loop that the pool has results.
func (b *Backend) poolDone() {
	if b.thread {
		b.wake.call()
	} else {
		b.wake.write() // no thread may be in Poll: PollFD is watched
	}
}

// Counters returns the sums of what the backend did. System calls of the pool are not counted.
func (b *Backend) Counters() backends.Counters {
	c := &b.counters
	return backends.Counters{
		Syscalls: c.syscalls.Load() + b.wake.writes.Load(), Enters: c.enters.Load(), SQEs: c.sqes.Load(),
		CQEs: c.cqes.Load(),
	}
}

// Close closes the descriptors.
func (b *Backend) Close() error {
	var errs []error
	for _, fd := range []*int{&b.epoll.FD, &b.alarm.fd} {
		if *fd >= 0 {
			errs = append(errs, unix.Close(*fd))
			*fd = -1
		}
	}
	return errors.Join(append(errs, b.wake.close())...)
}
