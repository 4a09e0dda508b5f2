//go:build giouring

package giouring

import (
	"errors"
	"math"
	"reflect"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/pawelgaczynski/giouring"

	"github.com/weirgo/weir/internal/sys"
)

// ring is sys.Ring on giouring: its set-up, its mapping, its queues and its enter. It is
// independent evidence that the backend and the kernel agree on more than what package sys assumes.
// To link it takes -ldflags=-checklinkname=0.
//
// This ring lacks what giouring cannot do: it has no CQSIZE (the completion queue is twice as long
// as the submission queue), no NO_SQARRAY (giouring would write its index array over the head of
// the ring), no absolute deadlines, and no hand-off of the P before a wait.
type ring struct {
	r     *giouring.Ring
	flags uint32

	features             uint32
	sqFlags, overflow    *uint32 // shared with the kernel
	sqEntries, cqEntries uint32

	batch  []*giouring.CompletionQueueEvent
	peeked uint32           // number of entries of batch that hold ready completions
	ts     syscall.Timespec // of a wait; it is here because giouring keeps its address as a number
}

func init() { sys.NewForeignRing = newRing }

func newRing(entries, _, flags uint32) (sys.ForeignRing, error) {
	flags &^= sys.SetupCQSize
	if flags&sys.SetupNoSQArray != 0 {
		return nil, syscall.EINVAL // the next rung of the ladder works without
	}
	r := giouring.NewRing()
	if err := r.QueueInit(entries, flags); err != nil {
		return nil, err
	}
	// giouring does not export what it learned about the ring.
	v := reflect.ValueOf(r).Elem()
	word := func(queue, field string) *uint32 {
		return (*uint32)(v.FieldByName(queue).Elem().FieldByName(field).UnsafePointer())
	}
	g := &ring{
		r: r, flags: flags, features: uint32(v.FieldByName("features").Uint()),
		sqFlags: word("sqRing", "flags"), overflow: word("cqRing", "overflow"),
		sqEntries: *word("sqRing", "ringEntries"), cqEntries: *word("cqRing", "ringEntries"),
	}
	g.batch = make([]*giouring.CompletionQueueEvent, g.cqEntries)
	return g, nil
}

func (g *ring) Close() error {
	g.r.QueueExit() // which reports no error
	return nil
}

func (g *ring) FD() int              { return g.r.RingFd() }
func (g *ring) Flags() uint32        { return g.flags }
func (g *ring) Features() uint32     { return g.features }
func (g *ring) Hide(features uint32) { g.features &^= features }
func (g *ring) SQEntries() uint32    { return g.sqEntries }
func (g *ring) CQEntries() uint32    { return g.cqEntries }
func (g *ring) SQFlags() uint32      { return atomic.LoadUint32(g.sqFlags) }
func (g *ring) LeaveTaskrun()        { atomic.OrUint32(g.sqFlags, sys.SQTaskrun) }
func (g *ring) Overflow() uint32     { return atomic.LoadUint32(g.overflow) }
func (g *ring) Queued() uint32       { return g.r.SQReady() }
func (g *ring) CQReady() uint32      { return g.r.CQReady() }

func (g *ring) SQE() *sys.SQE {
	e := (*sys.SQE)(unsafe.Pointer(g.r.GetSQE()))
	if e != nil {
		*e = sys.SQE{} // giouring returns entries with the last user's data
	}
	return e
}

func (g *ring) CQE(i uint32) *sys.CQE {
	if i >= g.peeked {
		// The slice must not be longer than the number of ready completions: giouring would fill it
		// with what is beyond them.
		g.peeked = g.r.PeekBatchCQE(g.batch[:g.r.CQReady()])
	}
	return (*sys.CQE)(unsafe.Pointer(g.batch[i]))
}

func (g *ring) CQAdvance(n uint32) {
	g.r.CQAdvance(n)
	g.peeked = 0
}

// Enter is as sys.Ring's. giouring does not say how many entries a timed wait submitted; the queue
// does.
func (g *ring) Enter(wait bool, deadline int64) (int, syscall.Errno) {
	before := g.r.SQReady()
	var err error
	switch {
	case !wait: // Submit would not ask for events, without which a DEFER_TASKRUN ring delivers nothing
		_, err = g.r.SubmitAndGetEvents()
	case deadline == math.MaxInt64:
		_, err = g.r.SubmitAndWait(1)
	default:
		g.ts = syscall.NsecToTimespec(max(max(deadline, 0)-sys.Monotonic(), 0))
		_, err = g.r.SubmitAndWaitTimeout(1, &g.ts, nil)
	}
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		panic("giouring: error without a number: " + err.Error())
	}
	if errno == syscall.EINTR || errno == syscall.ETIME {
		errno = 0
	}
	return int(before - g.r.SQReady()), errno
}

// EnterBriefly is Enter without a wait.
func (g *ring) EnterBriefly() (int, syscall.Errno) { return g.Enter(false, 0) }
