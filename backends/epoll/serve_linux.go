package epoll

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

const again = -int32(unix.EAGAIN)

// start begins an operation.
func (b *Backend) start(e *entry) {
	op := &e.c.Op
	if op.FD != int(int32(op.FD)) || op.Code == backends.OpPoll && op.FD < 0 {
		b.finish(e, -int32(unix.EBADF)) // the kernel would see the lower half of the number, or wait for nothing
		return
	}
	if d := b.lookup(op.FD); d != nil && d.close != nil && usesFD(op) {
		d.held.push(e)
		return
	}
	ready := backends.Readiness(op)
	switch {
	case ready == 0:
		b.unwaitable(e)
	case op.Code == backends.OpPoll:
		d := b.desc(op.FD)
		if op.Multi {
			d.multi++
		}
		b.begin(d, &d.polls, e)
	case impatient(op):
		b.syscalls++
		b.finish(e, backends.Perform(op))
	default:
		b.waitable(e, wayOf(ready))
	}
}

// usesFD reports whether FD is a descriptor that the operation works on.
func usesFD(op *backends.Op) bool {
	switch op.Code {
	case backends.OpNop, backends.OpSocket, backends.OpPipe, backends.OpFutexWait, backends.OpFutexWake:
		return false
	case backends.OpWaitid: // FD is a number of another kind, or a pidfd
		return backends.Readiness(op) != 0
	}
	return true
}

// unwaitable does an operation that does not wait for readiness.
func (b *Backend) unwaitable(e *entry) {
	op := &e.c.Op
	switch {
	case op.Code == backends.OpClose:
		b.startClose(e)
	case backends.Quick(op):
		if op.Code != backends.OpNop {
			b.syscalls++
		}
		b.finish(e, backends.Perform(op))
	case b.cached(e):
	default:
		b.offload(e)
	}
}

// maxCached is the most bytes that a loop copies from the page cache while other operations wait.
const maxCached = 64 << 10

// cached does a read if all of it is in the page cache.
func (b *Backend) cached(e *entry) bool {
	op := &e.c.Op
	if op.Code != backends.OpRead && op.Code != backends.OpReadv || op.Flags != 0 || op.Off < 0 {
		return false
	}
	n := op.Size()
	if n == 0 || n > maxCached {
		return false
	}
	b.syscalls++
	b.op = *op
	b.op.Flags = unix.RWF_NOWAIT
	res := backends.Perform(&b.op)
	b.op = backends.Op{}
	if int(res) != n { // the pool finds out why; some kernels report data that is not cached yet as the end of the file
		return false
	}
	b.finish(e, res)
	return true
}

// impatient reports whether op ends at once, whatever its result.
func impatient(op *backends.Op) bool {
	if isStream(op) {
		return op.Size() == 0
	}
	return isMessage(op) && op.Flags&unix.MSG_DONTWAIT != 0
}

func isStream(op *backends.Op) bool {
	switch op.Code {
	case backends.OpRead, backends.OpReadv, backends.OpWrite, backends.OpWritev:
		return true
	}
	return false
}

func isMessage(op *backends.Op) bool {
	switch op.Code {
	case backends.OpRecv, backends.OpRecvMsg, backends.OpSend, backends.OpSendMsg, backends.OpSendZC,
		backends.OpSendMsgZC:
		return true
	}
	return false
}

// waitable does an operation that can be waited for: now, or when it is its turn and the descriptor
// is ready.
func (b *Backend) waitable(e *entry, w way) {
	op := &e.c.Op
	d := b.lookup(op.FD)
	if isStream(op) {
		if d != nil && d.files.head != nil {
			b.queueFile(d, e)
			return
		}
		// a file must not be tried as if it were a stream: it holds more than what is cached
		if d == nil || d.gen == 0 {
			if d = b.classify(e, w); d == nil {
				return
			}
		}
	}
	if d != nil {
		q := &d.wait[w]
		if q.head != nil {
			b.begin(d, q, e)
			return
		}
		if d.gen != 0 && skippable(op) && !d.try[w].as(op.Code).Allow() {
			b.begin(d, q, e)
			return
		}
	}
	switch b.attempt(e) {
	case over:
		if d != nil {
			d.try[w].Hit()
		}
		b.finish(e, e.res)
	case stays:
		d = b.desc(op.FD)
		d.try[w].as(op.Code).Miss()
		b.begin(d, &d.wait[w], e)
	case went:
		d = b.desc(op.FD)
		b.begin(d, &d.wait[w], e)
	case blocks:
		d = b.desc(op.FD)
		e.d = d
		d.wait[w].push(e)
		e.ready = true
		b.offload(e)
	}
}

// skippable reports whether an operation may wait for readiness without a try, because only
// readiness could let it end. (For example, a read of an eventfd into a buffer that is too small
// fails at once, and so is not skippable.)
func skippable(op *backends.Op) bool {
	switch op.Code {
	case backends.OpRecv:
		return op.Flags == 0 && len(op.Buf) > 0
	case backends.OpAccept:
		return op.Flags&^(unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK) == 0
	}
	return false
}

// classify registers the descriptor of a read or write without offset, and returns its record. If
// it cannot be polled, or there is no such descriptor, classify has dealt with e and returns nil.
func (b *Backend) classify(e *entry, w way) *desc {
	b.probe = desc{fd: int32(e.c.FD)}
	errno := b.register(&b.probe, wayMask[w]|unix.EPOLLERR, false)
	if errno != 0 && errno != unix.EPERM {
		b.finish(e, -int32(errno))
		return nil
	}
	d := b.desc(e.c.FD)
	if errno == unix.EPERM {
		b.queueFile(d, e)
		return nil
	}
	d.gen, d.armed, d.keeps, d.asked, d.stubborn, d.try = b.probe.gen, b.probe.armed, false, b.turn, false, b.probe.try
	return d
}

// queueFile makes a read or write at the position of a file run after those before it.
func (b *Backend) queueFile(d *desc, e *entry) {
	e.d, e.state = d, waiting
	first := d.files.head == nil
	d.files.push(e)
	if first {
		b.offload(e)
	}
}

// verdict is the result of an attempt.
type verdict int

const (
	over   verdict = iota // the operation is over, with entry.res
	stays                 // it has to wait
	blocks                // it could be done by a thread that may block
	went                  // it has reported something and may have more
)

// attempt tries an operation.
func (b *Backend) attempt(e *entry) verdict {
	op := &e.c.Op
	for {
		b.syscalls++
		res, sure := backends.Try(op, e.done)
		switch {
		case !sure:
			return blocks
		case res == again:
			if op.Code == backends.OpConnect {
				e.done = 1
			}
			return stays
		case res > 0 && wantsAll(op) && e.done+int(res) < op.Size() && isOrdered(op.FD):
			e.done += int(res)
			continue
		case res >= 0 && op.Multi && op.Code == backends.OpAccept:
			b.report(e, res)
			return went
		}
		e.res = e.total(res)
		return over
	}
}

// wantsAll reports whether op goes on until all is done (MSG_WAITALL).
func wantsAll(op *backends.Op) bool {
	return isMessage(op) && op.Flags&(unix.MSG_WAITALL|unix.MSG_PEEK|unix.MSG_ERRQUEUE|unix.MSG_OOB) == unix.MSG_WAITALL
}

// isOrdered reports whether a read from the socket continues where the last one ended.
func isOrdered(fd int) bool {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && (kind == unix.SOCK_STREAM || kind == unix.SOCK_SEQPACKET)
}

// event handles one event of the kernel.
func (b *Backend) event(ev *unix.EpollEvent) {
	if ev.Pad == 0 { // not of a descriptor
		if ev.Fd == isAlarm {
			b.alarm.gone()
		}
		return
	}
	d := b.lookup(int(ev.Fd))
	if d == nil || d.gen != uint32(ev.Pad) {
		return // of a file that the number once meant, and that is still open elsewhere
	}
	if !d.keeps {
		d.armed = 0
	}
	helped := b.servePolls(d, ev.Events)
	for w := range d.wait {
		if ev.Events&(wayMask[w]|always) != 0 {
			helped = b.serveWay(d, way(w)) || helped
		}
	}
	switch {
	case d.wants() != 0:
		d.stubborn = !helped
		b.rearm(d)
	case d.keeps: // no operation is left
		d.stubborn = false
		b.ctl(unix.EPOLL_CTL_MOD, d, 0, false)
	}
}

func (b *Backend) servePolls(d *desc, events uint32) (helped bool) {
	for e := d.polls.head; e != nil; {
		next := e.next
		if mask := events & pollBits(e); mask != 0 {
			helped = true
			if e.c.Multi {
				b.report(e, int32(mask))
			} else {
				b.finish(e, int32(mask))
			}
		}
		e = next
	}
	return helped
}

// maxAccepts is the most connections that one event brings, because other operations wait too. The
// registration, armed again, reports the rest.
const maxAccepts = 32

// maxVain is the number of events in vain after which a send is given back to the Loop, which
// pauses. A datagram for a receiver that is full makes an event itself each time it is tried in
// vain.
const maxVain = 4

// serveWay tries the operations that wait in one direction, from the first to one that has to go on
// waiting.
func (b *Backend) serveWay(d *desc, w way) (helped bool) {
	q := &d.wait[w]
	for n := 0; q.head != nil && q.head.state == waiting && n < maxAccepts; {
		e := q.head
		switch b.attempt(e) {
		case stays:
			if e.vain++; w != wayOut || !isMessage(&e.c.Op) || e.vain < maxVain {
				return helped
			}
			b.finish(e, again)
		case blocks:
			e.ready = true
			b.offload(e)
		case over:
			b.finish(e, e.res)
		case went:
			n++
		}
		helped = true
	}
	return helped
}

// offload gives an operation to the pool.
func (b *Backend) offload(e *entry) {
	if e.d == nil && usesFD(&e.c.Op) && e.c.FD >= 0 {
		e.d = b.desc(e.c.FD)
	}
	if e.d != nil {
		e.d.busy++
	}
	if c := e.c; (c.Code == backends.OpSplice || c.Code == backends.OpTee) && c.Args.FD >= 0 {
		e.from = b.desc(c.Args.FD)
		e.from.busy++
	}
	e.state = working
	b.pool.run(e)
}

// collect ends the operations that the pool has done.
func (b *Backend) collect() {
	for e := b.pool.collect(); e != nil; {
		next := e.work.next
		b.back(e, e.res, true)
		e = next
	}
}

// back takes an operation back from the pool, done or not.
func (b *Backend) back(e *entry, res int32, done bool) {
	d, q := e.d, e.q
	e.state = waiting
	if from := e.from; from != nil {
		e.from = nil
		from.busy--
		b.tryClose(from)
	}
	if d == nil {
		b.finish(e, res)
		return
	}
	d.busy--
	switch {
	case d.close == e:
		b.finish(e, res)
		b.closed(d)
		return
	case q == nil:
		b.finish(e, res)
	case q == &d.files:
		b.finish(e, res)
		if q.head != nil {
			b.offload(q.head)
		}
	case done && res == again:
	case done && res >= 0 && e.c.Multi:
		b.report(e, res)
	default:
		b.finish(e, res)
	}
	if d.wants() != 0 {
		d.fresh = true
		b.rearm(d)
	}
	b.tryClose(d)
}

// startClose ends what waits on the descriptor, and closes it when the pool no longer uses it.
func (b *Backend) startClose(e *entry) {
	if e.c.FD < 0 {
		b.finish(e, -int32(unix.EBADF))
		return
	}
	d := b.desc(e.c.FD)
	b.forget(d)
	e.d, d.close = d, e
	b.tryClose(d)
}

func (b *Backend) tryClose(d *desc) {
	if d.close != nil && d.close.state == waiting && d.busy == 0 {
		b.offload(d.close)
	}
}

// closed starts the operations that came after an OpClose.
func (b *Backend) closed(d *desc) {
	d.close = nil
	for e := d.held.head; e != nil && d.close == nil; e = d.held.head {
		e.leave()
		b.start(e)
	}
}

// cancel ends an operation unless it is over or can no longer be stopped.
func (b *Backend) cancel(id backends.ID) {
	e := b.find(id)
	if e == nil {
		return
	}
	d := e.d
	switch {
	case e.state == working && !b.pool.withdraw(e):
		return
	case e.state == working:
		b.back(e, -int32(unix.ECANCELED), false)
	case d != nil && d.close == e:
		b.finish(e, -int32(unix.ECANCELED))
		b.closed(d)
	default:
		b.fail(e, unix.ECANCELED)
	}
}
