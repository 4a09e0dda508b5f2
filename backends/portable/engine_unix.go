//go:build unix && !aix

package portable

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// engine runs operations on descriptors. Those that may have to wait for other parties run on the
// poller, a goroutine that sits in poll(2) over all of their descriptors. Those that keep the
// calling thread until they are done run on workers.
//
// The Backend's mu guards the fields below unless they say otherwise.
type engine struct {
	b     *Backend
	slots []*record // what is in flight, by slot
	spare *record   // unused records

	// The way to the poller, which takes all three lists at once: operations to be started,
	// operations that a worker has run for it, and cancellations.
	inbox, returned list
	drops           []backends.ID
	asleep          bool // the poller is in poll(2), or just before it
	stalled         bool // multishots pause until events have been reaped
	running         bool // the poller has been started
	wakeR, wakeW    int  // a pipe: readable ends poll(2)

	poller  poller // belongs to the poller's goroutine
	workers workers
	wg      sync.WaitGroup // the poller and the workers
}

// record is one operation in flight.
type record struct {
	c    *backends.Completion
	at   place
	list *list // the list it is in
	prev *record
	next *record

	desc    *desc // the descriptor it waits for; nil if it does not wait
	sofar   int   // bytes that an operation with MSG_WAITALL has moved
	reports int   // number of reports of a multishot
	res     int32 // the result from a worker
	begun   bool  // connect(2) has been called
}

// place is where a record is.
type place uint8

const (
	atPoller place = iota // at the poller, or on its way there: it waits
	atQueue               // waits for a worker
	atWorker              // it can no longer be stopped
)

// list is a queue of records, linked both ways.
type list struct{ head, tail *record }

func (l *list) push(r *record) {
	r.list, r.prev, r.next = l, l.tail, nil
	if l.tail == nil {
		l.head = r
	} else {
		l.tail.next = r
	}
	l.tail = r
}

func (l *list) pushFront(r *record) {
	r.list, r.prev, r.next = l, nil, l.head
	if l.head == nil {
		l.tail = r
	} else {
		l.head.prev = r
	}
	l.head = r
}

func (l *list) pop() *record {
	r := l.head
	if r != nil {
		r.unlink()
	}
	return r
}

// unlink takes r out of the list that it is in.
func (r *record) unlink() {
	l := r.list
	if r.prev == nil {
		l.head = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.tail = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.list, r.prev, r.next = nil, nil, nil
}

func (e *engine) open(b *Backend, workers int) (err error) {
	e.b, e.workers.max, e.workers.work = b, workers, e.work
	e.poller.init(e)
	if e.wakeR, e.wakeW, err = sys.WakePipe(); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	return nil
}

// start takes an operation over.
func (e *engine) start(c *backends.Completion) {
	r := e.spare
	if r == nil {
		r = new(record)
	} else {
		e.spare = r.next
	}
	*r = record{c: c}
	for n := int(c.ID.Slot()); n >= len(e.slots); {
		e.slots = append(e.slots, nil)
	}
	e.slots[c.ID.Slot()] = r
	if c.Code == backends.OpClose || readiness(&c.Op) != 0 {
		e.inbox.push(r)
	} else {
		e.toWorker(r)
	}
}

// lookup returns what is in flight under id.
func (e *engine) lookup(id backends.ID) *record {
	if n := int(id.Slot()); n < len(e.slots) {
		if r := e.slots[n]; r != nil && r.c.ID == id {
			return r
		}
	}
	return nil
}

func (e *engine) cancel(id backends.ID) {
	r := e.lookup(id)
	if r == nil {
		return
	}
	switch r.at {
	case atQueue:
		r.unlink()
		if r.desc == nil {
			e.finish(r, -int32(unix.ECANCELED))
			return
		}
		r.at, r.res = atPoller, -int32(unix.ECANCELED) // the next operation of its side runs
		e.returned.push(r)
	case atPoller: // only the poller can say whether it is still waiting
		e.drops = append(e.drops, id)
	}
}

// flush tells the poller that there is something for it.
func (e *engine) flush() {
	if e.inbox.head == nil && e.returned.head == nil && len(e.drops) == 0 {
		return
	}
	if !e.running {
		e.running = true
		bubble.GoIn(&e.wg, func() {
			defer e.wg.Done()
			e.poller.run()
		})
	}
	e.kick()
}

// kick ends the poller's poll(2).
func (e *engine) kick() {
	if e.asleep {
		e.asleep = false
		unix.Write(e.wakeW, []byte{1})
		e.b.syscalls.Add(1)
	}
}

// finish ends an operation, which is in no list any more.
func (e *engine) finish(r *record, res int32) {
	id := r.c.ID
	e.slots[id.Slot()] = nil
	*r = record{next: e.spare}
	e.spare = r
	e.b.post(backends.Event{ID: id, Res: res})
}

// shrink drops the unused records, and the unused end of the table. The caller holds mu.
func (e *engine) shrink(_, _ uint32) {
	e.spare = nil
	for len(e.slots) > 0 && e.slots[len(e.slots)-1] == nil {
		e.slots = e.slots[:len(e.slots)-1]
	}
	e.slots = fit(e.slots)
}

// backlog is the number of events not reaped at which multishots pause.
const backlog = 1024

// reaped lets multishots continue when there is room for their events.
func (e *engine) reaped() {
	if e.stalled && e.b.waiting() < backlog {
		e.stalled = false
		e.kick()
	}
}

// close ends the poller and waits for the workers.
func (e *engine) close() {
	e.b.mu.Lock()
	e.b.closed = true
	e.kick()
	e.b.mu.Unlock()
	e.wg.Wait()
	unix.Close(e.wakeR)
	unix.Close(e.wakeW)
}
