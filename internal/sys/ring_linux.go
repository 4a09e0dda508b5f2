package sys

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ring is one io_uring: its descriptor and its two mapped queues. It is not safe for concurrent
// use, and if its flags have SetupSingleIssuer only one thread may use it at all.
type Ring struct {
	fd       int
	flags    uint32 // setup flags in force
	features uint32

	sqHead, sqTail, sqFlags *uint32 // shared with the kernel
	sqMask, sqEntries       uint32
	sqes                    []SQE
	tail                    uint32 // entries handed out by SQE; published by Enter
	head                    uint32 // entries the kernel has taken, as far as we know

	cqHead, cqTail, cqOverflow *uint32 // shared with the kernel
	cqMask, cqEntries          uint32
	cqes                       []CQE

	maps [][]byte
	wait waitArg
}

// waitArg is what a timed enter points to. It is part of the Ring, on the heap, so its address does
// not change.
type waitArg struct {
	arg GetEventsArg
	ts  Timespec
}

// NewRing calls io_uring_setup(2) with entries and exactly flags, and maps the queues. cqEntries is
// used with SetupCQSize. The error wraps the errno: use errors.Is.
func NewRing(entries, cqEntries, flags uint32) (*Ring, error) {
	p := Params{Flags: flags, CQEntries: cqEntries}
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("io_uring_setup: %w", errno)
	}
	r := &Ring{fd: int(fd), flags: flags, features: p.Features}
	if err := r.mapQueues(&p); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Ring) mapQueues(p *Params) error {
	if p.Features&FeatSingleMmap == 0 {
		return errors.New("io_uring: no IORING_FEAT_SINGLE_MMAP (Linux 5.4)")
	}
	sqSize := int(p.CQOff.CQEs + p.CQEntries*uint32(unsafe.Sizeof(CQE{})))
	if p.Flags&SetupNoSQArray == 0 {
		sqSize = max(sqSize, int(p.SQOff.Array+p.SQEntries*4))
	}
	ring, err := r.mmap(OffSQRing, sqSize)
	if err != nil {
		return err
	}
	entries, err := r.mmap(OffSQEs, int(p.SQEntries)*int(unsafe.Sizeof(SQE{})))
	if err != nil {
		return err
	}
	word := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&ring[off])) }

	r.sqHead, r.sqTail, r.sqFlags = word(p.SQOff.Head), word(p.SQOff.Tail), word(p.SQOff.Flags)
	r.sqMask, r.sqEntries = *word(p.SQOff.RingMask), *word(p.SQOff.RingEntries)
	r.sqes = unsafe.Slice((*SQE)(unsafe.Pointer(&entries[0])), p.SQEntries)
	if p.Flags&SetupNoSQArray == 0 {
		array := unsafe.Slice(word(p.SQOff.Array), p.SQEntries)
		for i := range array { // identity, once: entry i of the queue is SQE i
			array[i] = uint32(i)
		}
	}
	r.cqHead, r.cqTail, r.cqOverflow = word(p.CQOff.Head), word(p.CQOff.Tail), word(p.CQOff.Overflow)
	r.cqMask, r.cqEntries = *word(p.CQOff.RingMask), *word(p.CQOff.RingEntries)
	r.cqes = unsafe.Slice((*CQE)(unsafe.Pointer(&ring[p.CQOff.CQEs])), p.CQEntries)
	return nil
}

func (r *Ring) mmap(off int64, size int) ([]byte, error) {
	b, err := unix.Mmap(r.fd, off, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return nil, fmt.Errorf("mmap of the io_uring queues: %w", err)
	}
	r.maps = append(r.maps, b)
	return b, nil
}

// Close unmaps the queues and closes the descriptor. The kernel takes the ring down later, so
// nothing may be in flight.
func (r *Ring) Close() error {
	var err error
	for _, m := range r.maps {
		err = errors.Join(err, unix.Munmap(m))
	}
	r.maps, r.sqes, r.cqes = nil, nil, nil
	fd := r.fd
	r.fd = -1 // a second Close must not close what has that number by then
	return errors.Join(err, unix.Close(fd))
}

// FD returns the ring's descriptor.
func (r *Ring) FD() int { return r.fd }

// Flags returns the set-up flags in force, Features the kernel's feature bits.
func (r *Ring) Flags() uint32    { return r.flags }
func (r *Ring) Features() uint32 { return r.features }

// Hide makes the ring not use the given optional features, although the kernel has them.
func (r *Ring) Hide(features uint32) { r.features &^= features }

// SQEntries and CQEntries return the sizes of the queues, as the kernel rounded them.
func (r *Ring) SQEntries() uint32 { return r.sqEntries }
func (r *Ring) CQEntries() uint32 { return r.cqEntries }

// SQE returns the next free submission queue entry, all zero, or nil when the queue is full: Enter
// empties it. The entry belongs to the caller until the next Enter.
func (r *Ring) SQE() *SQE {
	if r.tail-r.head >= r.sqEntries {
		return nil
	}
	e := &r.sqes[r.tail&r.sqMask]
	*e = SQE{}
	r.tail++
	return e
}

// Queued returns the number of entries that the kernel has not taken yet.
func (r *Ring) Queued() uint32 { return r.tail - r.head }

// SQFlags reads the kernel's flags: SQTaskrun, SQCQOverflow.
func (r *Ring) SQFlags() uint32 { return atomic.LoadUint32(r.sqFlags) }

// LeaveTaskrun sets SQTaskrun with nothing to run, as the kernel can leave it. It is for tests.
func (r *Ring) LeaveTaskrun() { atomic.OrUint32(r.sqFlags, SQTaskrun) }

// Overflow returns the number of completions that the kernel had to drop. With FeatNoDrop it drops
// none unless it runs out of memory.
func (r *Ring) Overflow() uint32 { return atomic.LoadUint32(r.cqOverflow) }

// CQReady returns the number of completions that can be read now.
func (r *Ring) CQReady() uint32 { return atomic.LoadUint32(r.cqTail) - *r.cqHead }

// CQE returns the i-th ready completion, i < CQReady. It is valid until CQAdvance.
func (r *Ring) CQE(i uint32) *CQE { return &r.cqes[(*r.cqHead+i)&r.cqMask] }

// CQAdvance gives the first n ready completions back to the kernel.
func (r *Ring) CQAdvance(n uint32) { atomic.StoreUint32(r.cqHead, *r.cqHead+n) }

// Enter submits everything queued. If wait is set it then blocks until a completion is ready, the
// deadline passes (nanoseconds of CLOCK_MONOTONIC; math.MaxInt64: none) or a signal arrives. It is
// one system call. It returns how many entries the kernel took. After a wait that the deadline or a
// signal ended the errno is 0, because both are ordinary. If the kernel takes fewer entries than
// queued Enter does not wait; the rest stays queued.
//
// A blocking Enter hands the caller's P to another thread first: see syscallBlocking.
func (r *Ring) Enter(wait bool, deadline int64) (int, syscall.Errno) {
	return r.enterAs(wait, deadline, false)
}

// EnterBriefly is [Ring.Enter] without a wait, for entries that the kernel takes quickly. The
// caller keeps its P.
func (r *Ring) EnterBriefly() (int, syscall.Errno) { return r.enterAs(false, 0, true) }

func (r *Ring) enterAs(wait bool, deadline int64, briefly bool) (int, syscall.Errno) {
	queued := r.tail - r.head
	atomic.StoreUint32(r.sqTail, r.tail)

	flags, minComplete := uint32(0), uintptr(0)
	if r.flags&SetupDeferTaskrun != 0 || wait {
		flags = EnterGetEvents // a DEFER_TASKRUN ring delivers nothing without it
	} else if r.SQFlags()&(SQTaskrun|SQCQOverflow) != 0 {
		flags = EnterGetEvents
	}
	var arg unsafe.Pointer
	var argSize uintptr
	if wait {
		minComplete = 1
		if r.features&FeatNoIowait != 0 {
			flags |= EnterNoIowait
		}
		if deadline != math.MaxInt64 {
			flags |= EnterExtArg
			deadline = max(deadline, 0)         // the kernel waits for ever for a time before the clock's zero
			if r.features&FeatMinTimeout != 0 { // Linux 6.12, which has ABS_TIMER too
				flags |= EnterAbsTimer
			} else {
				deadline = max(deadline-Monotonic(), 0)
			}
			r.wait.ts = Timespec{Sec: deadline / 1e9, Nsec: deadline % 1e9}
			r.wait.arg = GetEventsArg{Ts: uint64(uintptr(unsafe.Pointer(&r.wait.ts)))}
			arg, argSize = unsafe.Pointer(&r.wait.arg), unsafe.Sizeof(r.wait.arg)
		}
	}
	var n uintptr
	var errno syscall.Errno
	switch {
	case wait:
		n, errno = syscallBlocking(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(queued), minComplete, uintptr(flags),
			uintptr(arg), argSize)
	case briefly && watched():
		n, _, errno = syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(queued), 0,
			uintptr(flags), 0, 0)
	default:
		n, _, errno = syscall.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(queued), 0, uintptr(flags), 0, 0)
	}
	if errno != 0 {
		if errno == syscall.EINTR || errno == syscall.ETIME {
			errno = 0
		}
		r.head = atomic.LoadUint32(r.sqHead) // nothing was taken, but believe the kernel
		return 0, errno
	}
	r.head += uint32(n)
	return int(n), 0
}

// Register calls io_uring_register(2).
func (r *Ring) Register(op uint32, arg unsafe.Pointer, n uint32) (int, error) {
	return Register(r.fd, op, arg, n)
}

// Register calls io_uring_register(2) on the ring fd.
func Register(fd int, op uint32, arg unsafe.Pointer, n uint32) (int, error) {
	v, _, errno := syscall.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), uintptr(op), uintptr(arg),
		uintptr(n), 0, 0)
	if errno != 0 {
		return 0, fmt.Errorf("io_uring_register %d: %w", op, errno)
	}
	return int(v), nil
}

// Restrict makes a ring that has not been enabled refuse with EACCES the opcodes in deny, entries
// with flags (SQE*) other than those given, and register operations other than those given.
func Restrict(fd int, deny []Opcode, flags uint8, registers []uint8) error {
	list := []Restriction{{Opcode: RestrictionSQEFlagsAllowed, Arg: Opcode(flags)}}
	for op := range OpLast {
		if !slices.Contains(deny, op) {
			list = append(list, Restriction{Opcode: RestrictionSQEOp, Arg: op})
		}
	}
	for _, op := range registers {
		list = append(list, Restriction{Opcode: RestrictionRegisterOp, Arg: op})
	}
	_, err := Register(fd, RegisterRestrictions, unsafe.Pointer(unsafe.SliceData(list)), uint32(len(list)))
	return err
}

// Enable starts a ring that was made with SetupRDisabled; with SetupSingleIssuer the calling thread
// becomes the one that may use it.
func Enable(fd int) error {
	_, err := Register(fd, RegisterEnableRings, nil, 0)
	return err
}

// LimitWorkers bounds the kernel's worker threads of the calling task for this ring (Linux 5.15):
// bounded workers do regular files, unbounded ones everything else. 0 leaves a bound unchanged.
func LimitWorkers(fd int, bounded, unbounded uint32) error {
	v := [2]uint32{bounded, unbounded}
	_, err := Register(fd, RegisterIOWQMaxWorkers, unsafe.Pointer(&v), 2)
	return err
}

// Opcodes returns which operations the kernel has (Linux 5.6).
func Opcodes(fd int) (has [OpLast]bool, err error) {
	var ask struct {
		Probe
		ops [OpLast]ProbeOp
	}
	if _, err = Register(fd, RegisterProbe, unsafe.Pointer(&ask), uint32(len(ask.ops))); err != nil {
		return has, err
	}
	for i, op := range ask.ops {
		has[i] = op.Flags&OpSupported != 0
	}
	return has, nil
}
