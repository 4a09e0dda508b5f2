package uring

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/backoff"
	"github.com/weirgo/weir/internal/sys"
)

// Backend is a backends.Backend on one ring.
type Backend struct {
	cfg  Config
	ring *ring
	rung string

	pollFirst bool // the kernel knows IORING_RECVSEND_POLL_FIRST

	scratch []*scratch // indexed by slot
	lengthy bool       // the kernel may take a while to submit what is queued
	lacks   [backends.NumCodes]bool
	polls   polls
	regions []*backends.Region // the ring's table of buffers, by index; nil: it has none
	files   []*backends.File   // the ring's table of files

	wake wake

	// glance decides whether to submit operations without waiting before Poll waits. If some of
	// them are over at once, that saves giving the processor up and getting it back, which costs
	// several times the system call.
	glance backoff.Backoff

	// fruitless counts the Polls in a row that ran the kernel's work because TASKRUN was set, and
	// brought nothing.
	fruitless int

	counters struct {
		others, enters, sqes, cqes, overflows, rearms atomic.Uint64 // others: system calls besides enters
	}
}

var (
	_ backends.Backend       = (*Backend)(nil)
	_ backends.Registrar     = (*Backend)(nil)
	_ backends.FileRegistrar = (*Backend)(nil)
	_ backends.Announcer     = (*Backend)(nil)
	_ backends.Shrinker      = (*Backend)(nil)
)

// What the kernel uses internally for EINTR, and lets out when a worker that is opening a FIFO is
// interrupted: ERESTARTSYS to ERESTART_RESTARTBLOCK.
const erestartsys, erestartBlock = 512, 516

// User data of entries that are not operations: slots that no Loop uses.
const (
	slotWake = backends.MaxSlots + iota
	slotCancel
	slotProbe
)

// Name returns "io_uring".
func (b *Backend) Name() string { return "io_uring" }

// Now returns CLOCK_MONOTONIC.
func (b *Backend) Now() int64 { return sys.Monotonic() }

// Detail names the set-up flags that the kernel accepted.
func (b *Backend) Detail() string { return b.rung }

// Features names what the kernel has beyond the first io_uring (IORING_FEAT_*).
func (b *Backend) Features() []string { return featureNames(b.ring.Features()) }

// Open sets up a ring: it tries the newest flags first and drops some on EINVAL. The error names
// the obstacle and, if there is one, the remedy.
func Open(cfg Config) (*Backend, error) {
	if Adjust != nil {
		Adjust(&cfg)
	}
	if cfg.Entries == 0 {
		cfg.Entries = defaultEntries
	}
	cfg.Entries = min(max(cfg.Entries, minEntries), maxEntries)
	if cfg.CQEntries == 0 {
		cfg.CQEntries = 8 * cfg.Entries
	}
	cfg.CQEntries = max(cfg.CQEntries, cfg.Entries)
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	r, name, err := setUp(cfg)
	for range 2 { // less memory may be available; what does not fit then waits a little longer
		if !errors.Is(err, syscall.ENOMEM) || cfg.Entries < 2*minEntries {
			break
		}
		cfg.Entries, cfg.CQEntries = cfg.Entries/2, cfg.CQEntries/2
		r, name, err = setUp(cfg)
	}
	if err != nil {
		return nil, explain(err)
	}
	if missing := requiredFeatures &^ r.Features(); missing != 0 {
		r.Close()
		return nil, fmt.Errorf("io_uring: this kernel lacks features %#x that weir needs (Linux 5.13): %w", missing,
			errors.ErrUnsupported)
	}
	r.Hide(cfg.Hide)
	b := &Backend{cfg: cfg, ring: r, rung: name}
	if sys.MovedClock() {
		r.Hide(sys.FeatMinTimeout) // without it there are no absolute deadlines of waits
	}
	b.pollFirst = r.Flags()&(sys.SetupCoopTaskrun|sys.SetupSingleIssuer) != 0 // kernels with either flag have it
	if err := b.wake.open(); err != nil {
		r.Close()
		return nil, fmt.Errorf("io_uring: %w", err)
	}
	b.probe()
	return b, nil
}

// Bind enables the ring for the calling thread only, and checks that it works: set-up can succeed
// although a filter denies entering the ring, or an operation that every loop needs. If thread is
// false Bind fails with errors.ErrUnsupported and changes nothing.
func (b *Backend) Bind(thread bool) error {
	if !thread {
		return fmt.Errorf("io_uring: a ring needs a thread of its own: %w", errors.ErrUnsupported)
	}
	if len(b.cfg.Deny) > 0 || b.cfg.DenyFlags != 0 || b.cfg.DenyTables {
		if err := b.deny(); err != nil {
			return err
		}
	}
	if b.ring.Flags()&sys.SetupRDisabled != 0 {
		b.counters.others.Add(1)
		if err := sys.Enable(b.ring.FD()); err != nil {
			return explain(err)
		}
	}
	b.counters.others.Add(1)
	if err := sys.LimitWorkers(b.ring.FD(), b.cfg.Workers, b.cfg.Workers); err != nil &&
		!errors.Is(err, syscall.EINVAL) {
		return explain(err)
	}
	return b.selfTest()
}

// Submit encodes operations until the queue is full.
func (b *Backend) Submit(batch []*backends.Completion) int {
	if !b.tend() {
		return 0
	}
	for i, c := range batch {
		e := b.sqe()
		if e == nil {
			return i
		}
		b.encode(e, c)
	}
	return len(batch)
}

// sqe returns a free entry or nil. It keeps one for the wake source while that is not armed.
func (b *Backend) sqe() *sys.SQE {
	if !b.wake.armed && b.ring.Queued()+1 >= b.ring.SQEntries() {
		return nil
	}
	return b.ring.SQE()
}

// Cancel queues an ASYNC_CANCEL for the operation with exactly this user data.
func (b *Backend) Cancel(id backends.ID) bool {
	if !b.tend() {
		return false
	}
	e := b.sqe()
	if e == nil {
		return false
	}
	encodeCancel(e, uint64(id), slotCancel)
	if o := b.polls.find(id); o != nil {
		o.cancelled = id
	}
	return true
}

// Pending reports whether another Poll would do something: entries are queued, or completions are
// ready or known to the kernel. It makes no system call.
func (b *Backend) Pending() bool {
	flags := b.ring.SQFlags()
	if b.fruitless > staleAfter {
		flags &^= sys.SQTaskrun
	}
	return b.ring.Queued() != 0 || len(b.polls.chores) > 0 || b.ring.CQReady() != 0 ||
		flags&(sys.SQTaskrun|sys.SQCQOverflow) != 0
}

// staleAfter is how many Polls in a row may bring nothing before Pending no longer believes the
// flag TASKRUN. The kernel runs 20 pieces of work in each, and not every piece completes an
// operation.
const staleAfter = 1000

// News reads the memory that the kernel and the program share.
func (b *Backend) News() bool {
	return b.ring.CQReady() != 0 || b.ring.SQFlags()&sys.SQTaskrun != 0 || b.wake.state.CompareAndSwap(called, idle)
}

// Poll enters the ring once, unless there is nothing to submit and events are ready anyway. Before
// it blocks it may enter without blocking first.
func (b *Backend) Poll(dst []backends.Event, deadline int64) (int, error) {
	flags := b.ring.SQFlags()
	if flags&sys.SQCQOverflow != 0 {
		b.counters.overflows.Add(1)
	}
	ready := !b.tend() || b.ring.CQReady() != 0
	// The flag TASKRUN does not keep Poll from waiting: it can stay set with nothing to run, and a
	// wait begins by running what there is.
	wait := deadline != backends.NoWait && !ready && flags&sys.SQCQOverflow == 0 && b.armWake()
	if wait && b.ring.Queued() != 0 && b.glance.Allow() {
		if err := b.submit(false, deadline); err != nil {
			return 0, err
		}
		wait = b.ring.CQReady() == 0
		if wait {
			b.glance.Miss()
		} else {
			b.glance.Hit()
		}
	} else if !wait && (b.ring.Queued() != 0 || flags&(sys.SQTaskrun|sys.SQCQOverflow) != 0) {
		if err := b.submit(false, deadline); err != nil {
			return 0, err
		}
	}
	if wait {
		wait = b.wake.sleep()
		if wait || b.ring.Queued() != 0 {
			if err := b.submit(wait, deadline); err != nil {
				return 0, err
			}
		}
	}
	if deadline != backends.NoWait {
		b.wake.awake()
	}
	n := b.reap(dst)
	if n == 0 && flags&sys.SQTaskrun != 0 && b.ring.SQFlags()&sys.SQTaskrun != 0 {
		b.fruitless++
	} else {
		b.fruitless = 0
	}
	return n, nil
}

// submit enters the ring. It separates errors that pass from those that do not.
func (b *Backend) submit(wait bool, deadline int64) error {
	switch _, errno := b.enter(wait, deadline); errno {
	case 0:
	case syscall.EBUSY: // the completion queue is full: reap first
	case syscall.EAGAIN, syscall.ENOMEM: // the kernel has no memory for requests now: they stay queued
		if wait { // retrying is all that can be done
			time.Sleep(time.Millisecond)
		} else {
			runtime.Gosched()
		}
	default:
		return fmt.Errorf("io_uring_enter: %w", errno)
	}
	return nil
}

func (b *Backend) enter(wait bool, deadline int64) (int, syscall.Errno) {
	var n int
	var errno syscall.Errno
	if wait || b.lengthy {
		n, errno = b.ring.Enter(wait, deadline)
	} else {
		n, errno = b.ring.EnterBriefly()
	}
	b.lengthy = b.lengthy && b.ring.Queued() != 0
	b.counters.enters.Add(1)
	b.counters.sqes.Add(uint64(n))
	return n, errno
}

func (b *Backend) reap(dst []backends.Event) int {
	ready := b.ring.CQReady()
	n, i := 0, uint32(0)
	for ; i < ready && n < len(dst); i++ {
		cqe := b.ring.CQE(i)
		id := backends.ID(cqe.UserData)
		more := cqe.Flags&sys.CQEFMore != 0
		if slot := id.Slot(); slot < backends.MaxSlots {
			res := cqe.Res
			if int(slot) < len(b.scratch) && b.scratch[slot] != nil {
				if more && b.scratch[slot].hold(id, res) {
					continue
				}
				res = b.scratch[slot].writeBack(id, res)
			}
			if res&unix.POLLRDHUP != 0 || len(b.polls.watch) > 0 {
				if o := b.polls.find(id); o != nil {
					var news bool
					if res, more, news = b.polls.judge(o, res, more); !news {
						continue
					}
				}
			}
			if res <= -erestartsys && res >= -erestartBlock {
				res = -int32(syscall.EINTR)
			}
			dst[n] = backends.Event{ID: id, Res: res, More: more}
			n++
			continue
		}
		b.internal(id, more)
	}
	if i > 0 {
		b.ring.CQAdvance(i)
		b.counters.cqes.Add(uint64(i))
	}
	return n
}

// internal handles the completion of an entry that is not an operation.
func (b *Backend) internal(id backends.ID, more bool) {
	switch id.Slot() {
	case slotWake:
		b.wake.armed = more
	case slotCancel, slotProbe: // the operation's own completion reports the result
	}
}

// Counters returns the sums of what the backend did.
func (b *Backend) Counters() backends.Counters {
	c := &b.counters
	return backends.Counters{
		Syscalls: c.others.Load() + c.enters.Load() + b.wake.writes.Load(), Enters: c.enters.Load(),
		SQEs: c.sqes.Load(), CQEs: c.cqes.Load(),
		Overflows: c.overflows.Load(), Rearms: c.rearms.Load(),
	}
}

// Close closes the ring and the wake descriptor.
func (b *Backend) Close() error {
	return errors.Join(b.ring.Close(), b.wake.close())
}
