package epoll

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/backoff"
)

// desc is the backend's record of a descriptor number.
type desc struct {
	fd  int32
	gen uint32 // generation of its registration, in every event: 0 is none, or none that is known

	armed uint32 // the events that the kernel will report, once unless keeps is set
	keeps bool   // the registration stays armed after an event
	asked uint64 // the Poll of the last system call about it
	fresh bool   // an operation has begun to wait since
	todo  bool   // it is in Backend.unarmed

	// stubborn: the last event helped no operation. An error that no program takes, for example, is
	// reported for ever to an operation that asks for it, so it is better to wait for an edge.
	stubborn bool

	wait  [ways]queue // operations that wait for readiness
	try   [ways]trial
	polls queue // OpPoll
	multi int   // the number of polls with Op.Multi

	files queue  // reads and writes at the position of a file: one at a time, the pool has the first
	busy  int    // number of operations on it that the pool has
	close *entry // OpClose under way, ...
	held  queue  // ... and what was submitted after it
}

// way is a kind of readiness that operations wait for. Each has a queue.
type way int

const (
	wayIn way = iota
	wayOut
	wayUrgent // out-of-band data
	wayError  // the error queue
	ways
)

var wayMask = [ways]uint32{wayIn: unix.EPOLLIN, wayOut: unix.EPOLLOUT, wayUrgent: unix.EPOLLPRI,
	wayError: unix.EPOLLERR}

// wayOf returns the way of a backends.Readiness.
func wayOf(ready uint32) way {
	for w, mask := range wayMask {
		if ready == mask {
			return way(w)
		}
	}
	return wayIn
}

// always are the events that the kernel reports whether asked for or not.
const always = unix.EPOLLERR | unix.EPOLLHUP

// trial decides whether to try an operation at once, before waiting. That pays when data streams
// in, and wastes a system call when each message has to be waited for. What one kind of operation
// shows does not hold for another, which may not be possible on this descriptor at all.
type trial struct {
	of backends.Code
	backoff.Backoff
}

// as returns the part of t for operations of a kind.
func (t *trial) as(of backends.Code) *backoff.Backoff {
	if t.of != of {
		*t = trial{of: of}
	}
	return &t.Backoff
}

const (
	pageBits = 8
	pageLen  = 1 << pageBits
	maxPaged = 1 << 20 // higher numbers are rare
)

// lookup returns the record of fd, or nil.
func (b *Backend) lookup(fd int) *desc {
	if fd >= maxPaged {
		return b.far[fd]
	}
	page := fd >> pageBits
	if fd < 0 || page >= len(b.descs) || b.descs[page] == nil {
		return nil
	}
	return b.descs[page][fd&(pageLen-1)]
}

// desc returns the record of fd, a descriptor that is open or was a moment ago. The record is kept
// for the next file with that number, until Shrink.
func (b *Backend) desc(fd int) *desc {
	if d := b.lookup(fd); d != nil {
		return d
	}
	if fd >= maxPaged {
		if b.far == nil {
			b.far = make(map[int]*desc)
		}
		d := &desc{fd: int32(fd)}
		b.far[fd] = d
		b.known++
		return d
	}
	page := fd >> pageBits
	if page >= len(b.descs) {
		b.descs = append(b.descs, make([]*[pageLen]*desc, page+1-len(b.descs))...)
	}
	if b.descs[page] == nil {
		b.descs[page] = new([pageLen]*desc)
	}
	d := &desc{fd: int32(fd)}
	b.descs[page][fd&(pageLen-1)] = d
	b.known++
	return d
}

// wants returns the events that operations wait for, 0 if none does.
func (d *desc) wants() uint32 {
	var mask uint32
	for w := range d.wait {
		if e := d.wait[w].head; e != nil && e.state == waiting {
			mask |= wayMask[w] | unix.EPOLLERR
		}
	}
	for e := d.polls.head; e != nil; e = e.next {
		mask |= pollBits(e) | unix.EPOLLERR
	}
	return mask
}

// pollBits returns what an OpPoll waits for. The mask cannot smuggle in flags of epoll_ctl(2).
func pollBits(e *entry) uint32 { return e.c.Flags&0xffff | always }

// begin makes e wait in q for what d is going to report.
func (b *Backend) begin(d *desc, q *queue, e *entry) {
	e.d, e.state, e.began = d, waiting, b.turn
	q.push(e)
	d.fresh = true
	b.rearm(d)
}

// rearm makes sure that the registration of d is brought up to date before this Poll ends.
func (b *Backend) rearm(d *desc) {
	if !d.todo {
		d.todo = true
		b.unarmed = append(b.unarmed, d)
	}
}

// armAll brings registrations up to date.
func (b *Backend) armAll() {
	for i := 0; i < len(b.unarmed); i++ { // the list may grow
		d := b.unarmed[i]
		d.todo = false
		b.arm(d)
	}
	b.unarmed = b.unarmed[:0]
}

// arm makes the kernel report what operations on d wait for. If an operation has begun to wait
// since the last call, arm asks the kernel in any case: an armed registration may have reported the
// readiness before, and the number may belong to another file by now.
func (b *Backend) arm(d *desc) {
	mask := d.wants()
	keeps := d.stubborn || d.multi > 0
	covered := mask&^d.armed == 0 && (d.keeps || !keeps)
	if mask == 0 || covered && (!d.fresh || d.asked == b.turn) {
		d.fresh = false
		return
	}
	d.fresh = false
	reopened := false
	if d.gen != 0 {
		switch errno := b.ctl(unix.EPOLL_CTL_MOD, d, mask, keeps); errno {
		case 0:
			return
		case unix.ENOENT: // the number belongs to another file
			b.reopened(d)
			if mask = d.wants(); mask == 0 {
				return
			}
			reopened, keeps = true, d.multi > 0
		default: // EBADF: it is closed
			d.gen, d.armed = 0, 0
			b.failAll(d, errno)
			return
		}
	}
	switch errno := b.register(d, mask, keeps); errno {
	case 0:
		for w := range d.wait { // operations that wait without a try relied on what was known of the earlier file
			if reopened {
				b.serveWay(d, way(w))
			}
		}
	case unix.EPERM:
		b.unpollable(d)
	default: // EBADF, or limits of the kernel: ENOSPC, ENOMEM; or a circle of epoll instances: ELOOP, EINVAL
		b.failAll(d, errno)
	}
}

// register adds d to the epoll instance.
func (b *Backend) register(d *desc, mask uint32, keeps bool) unix.Errno {
	if b.gen++; b.gen == 0 {
		b.gen = 1
	}
	d.gen, d.stubborn, d.try = b.gen, false, [ways]trial{}
	errno := b.ctl(unix.EPOLL_CTL_ADD, d, mask, keeps)
	if errno == unix.EEXIST { // a registration from when the number meant this file, before it meant another
		errno = b.ctl(unix.EPOLL_CTL_MOD, d, mask, keeps)
	}
	if errno != 0 {
		d.gen, d.armed = 0, 0
	}
	return errno
}

// ctl calls epoll_ctl(2).
func (b *Backend) ctl(op int, d *desc, mask uint32, keeps bool) unix.Errno {
	b.syscalls++
	ev := unix.EpollEvent{Events: mask | unix.EPOLLET, Fd: d.fd, Pad: int32(d.gen)}
	if !keeps {
		ev.Events |= unix.EPOLLONESHOT
	}
	if err := unix.EpollCtl(b.epoll.FD, op, int(d.fd), &ev); err != nil {
		return err.(unix.Errno)
	}
	d.armed, d.keeps, d.asked = mask, keeps, b.turn
	return 0
}

// waiters calls f for each operation that waits on d, for readiness or for its turn. f may end it.
func (d *desc) waiters(f func(e *entry)) {
	each := func(q *queue) {
		for e := q.head; e != nil; {
			next := e.next
			if e.state == waiting {
				f(e)
			}
			e = next
		}
	}
	for w := range d.wait {
		each(&d.wait[w])
	}
	each(&d.polls)
}

// failAll ends all operations that wait on d.
func (b *Backend) failAll(d *desc, errno unix.Errno) {
	d.waiters(func(e *entry) { b.fail(e, errno) })
}

// reopened ends what waited for the file that had this number before it was closed.
func (b *Backend) reopened(d *desc) {
	d.gen, d.armed = 0, 0
	d.waiters(func(e *entry) {
		if e.began != b.turn {
			b.fail(e, unix.EBADF)
		}
	})
}

// unpollable handles the operations that wait on a file that is always ready as far as poll(2) is
// concerned.
func (b *Backend) unpollable(d *desc) {
	d.waiters(func(e *entry) {
		if e.q != &d.polls {
			e.leave()
			b.queueFile(d, e)
		} else if b.attempt(e) == over {
			b.finish(e, e.res)
		}
	})
}

// forget takes d out of the epoll instance and ends what waits on it.
func (b *Backend) forget(d *desc) {
	if d.gen != 0 {
		b.ctl(unix.EPOLL_CTL_DEL, d, 0, false) // if it fails, the descriptor is closed already
		d.gen, d.armed = 0, 0
	}
	b.failAll(d, unix.EBADF)
}
