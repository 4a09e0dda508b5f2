package sim

import (
	"hash/crc32"
	"slices"
	"syscall"

	"github.com/weirgo/weir/backends"
)

// req is the kernel's side of one operation.
//
//	queued -> issued -> waiting on its file -> posted -> returned by Poll
//
// It may skip waiting, or be issued and posted at once. A multishot operation posts events while it
// waits, too.
type req struct {
	c  *backends.Completion
	op backends.Op // as it was submitted
	id backends.ID
	f  *file // what FD named when the operation was issued

	fate      fate
	attempts  int
	scheduled bool   // an attempt is on the agenda
	waiting   bool   // in f.waiters
	posted    bool   // the terminal event is on its way: nothing of the Op may be touched any more
	moved     int    // bytes that an operation with MSG_WAITALL has sent so far
	received  []byte // what one has received so far
	sum       uint32 // checksum of the data to be sent, to detect a change of it
}

// handOver takes entries off the submission queue and acts on them, in order. It reports whether it
// took all.
func (s *Sim) handOver() bool {
	n := len(s.queue)
	if n > 0 && s.chance(s.cfg.Faults.PartialSubmit) {
		n = s.rng.IntN(n)
		if n == 0 && s.stalled {
			n = 1
		}
	}
	s.stalled = n == 0 && len(s.queue) > 0
	for _, e := range s.queue[:n] {
		s.counters.SQEs++
		if e.r != nil {
			s.issue(e.r)
		} else {
			s.cancel(e.cancel)
		}
		if s.chance(s.cfg.Faults.Reorder) {
			s.settle()
		}
	}
	s.queue = slices.Delete(s.queue, 0, n)
	return len(s.queue) == 0
}

// issue takes an operation up: from here on it has its file.
func (s *Sim) issue(r *req) {
	s.note("issue", r.id, r.op.Code.String(), int64(r.op.FD), r.op.Multi)
	if r.op.Code != backends.OpNop && !named(r.op.Code) {
		f := s.file(r.op.FD)
		if f == nil {
			s.finish(r, fail(syscall.EBADF))
			return
		}
		if r.op.Code != backends.OpClose {
			r.f = f
			f.refs++
		}
	}
	r.fate = s.drawFate(r)
	if s.chance(s.cfg.Faults.UnaskedCancel) {
		if s.rng.IntN(2) == 0 {
			s.finish(r, fail(syscall.ECANCELED))
			return
		}
		s.schedule(r, s.delay(), s.giveUp)
	}
	s.try(r)
}

// try makes an attempt, now or after the lag that the operation was drawn to have.
func (s *Sim) try(r *req) {
	switch {
	case r.posted || r.scheduled:
	case r.fate.lag > 0:
		r.scheduled = true
		s.schedule(r, r.fate.lag, func(r *req) {
			r.scheduled = false
			s.attempt(r)
		})
	default:
		s.attempt(r)
	}
}

// attempt does the operation if it can be done now; else the operation waits on its file.
func (s *Sim) attempt(r *req) {
	if r.posted {
		return
	}
	fate := &r.fate
	if fate.errno != 0 && (fate.first || r.attempts > 0) && r.progress() == 0 {
		if r.op.Code == backends.OpClose {
			s.closeFD(r.op.FD)
		}
		s.finish(r, fail(fate.errno))
		return
	}
	r.attempts++
	for {
		res, done := s.perform(r)
		if !done {
			break
		}
		if !r.op.Multi || res < 0 || !s.postMore(r, res) {
			s.finish(r, res)
			return
		}
		if r.op.Code == backends.OpPoll {
			break // what was reported is no longer news
		}
	}
	if !r.waiting {
		r.waiting = true
		r.f.waiters = append(r.f.waiters, r)
	}
}

// giveUp ends an operation that was cancelled. What it has moved so far counts.
func (s *Sim) giveUp(r *req) {
	if r.posted {
		return
	}
	if n := r.progress(); n > 0 {
		s.finish(r, n)
		return
	}
	s.finish(r, fail(syscall.ECANCELED))
}

// progress is what an operation with MSG_WAITALL has moved so far.
func (r *req) progress() int32 { return int32(r.moved + len(r.received)) }

// cancel looks for an operation and tells it to stop.
func (s *Sim) cancel(id backends.ID) {
	r := s.inflight[id.Slot()]
	switch {
	case r == nil || r.id != id || r.posted:
		s.note("cancel", id, "not found", 0, false)
	case r.f != nil && r.f.kind == regular:
		s.note("cancel", id, "cannot be stopped", 0, false)
	case s.chance(s.cfg.Faults.LostCancel):
		s.note("cancel", id, "lost", 0, false)
	case s.chance(s.cfg.Faults.LateSuccess):
		s.note("cancel", id, "found, stops later", 0, false)
		s.schedule(r, s.delay(), func(r *req) {
			s.attempt(r)
			s.giveUp(r)
		})
	default:
		s.note("cancel", id, "found", 0, false)
		s.giveUp(r)
	}
}

// finish posts the terminal event.
func (s *Sim) finish(r *req, res int32) {
	r.checkUnchanged(s)
	if len(r.received) > 0 {
		scatter(r.bufs(), r.received)
	}
	r.posted = true
	if f := r.f; f != nil {
		if r.waiting {
			f.waiters = slices.DeleteFunc(f.waiters, func(w *req) bool { return w == r })
		}
		s.unref(f)
	}
	s.note("done", r.id, r.op.Code.String(), int64(res), false)
	s.post(cqe{ev: backends.Event{ID: r.id, Res: res}, r: r})
	faults := &s.cfg.Faults
	if s.chance(faults.Duplicate) {
		s.note("fault", r.id, "duplicate", int64(res), false)
		s.push(cqe{ev: backends.Event{ID: r.id, Res: res}})
	}
	if s.chance(faults.Stale) {
		ev := backends.Event{ID: s.staleID(r.id), Res: s.rng.Int32N(256) - 128}
		s.note("fault", ev.ID, "stale", int64(ev.Res), false)
		s.push(cqe{ev: ev})
	}
}

// staleID makes an ID that is not in flight of one that is: another generation of the slot, or a
// slot that was never used.
func (s *Sim) staleID(id backends.ID) backends.ID {
	switch s.rng.IntN(3) {
	case 0:
		return backends.MakeID(id.Slot(), id.Gen()-1)
	case 1:
		return backends.MakeID(id.Slot(), id.Gen()+1<<20)
	default:
		return backends.MakeID(backends.MaxSlots-1-s.rng.Uint32N(1000), 1<<31)
	}
}

// cqe is a completion queue entry. r is set in an operation's terminal event.
type cqe struct {
	ev backends.Event
	r  *req
}

// postMore posts an event of a multishot operation that goes on. It reports false if the operation
// has to end with this event instead, because the completion queue is full.
func (s *Sim) postMore(r *req, res int32) bool {
	if len(s.backlog) > 0 || len(s.cq) >= s.cfg.CQEntries {
		s.note("overflow", r.id, "ends multishot", int64(res), false)
		return false
	}
	if s.chance(s.cfg.Faults.EndMulti) {
		s.note("fault", r.id, "ends multishot", int64(res), false)
		return false
	}
	s.note("event", r.id, r.op.Code.String(), int64(res), true)
	s.post(cqe{ev: backends.Event{ID: r.id, Res: res, More: true}})
	return true
}

// post puts an event into the completion queue, at its end or where Reorder wants it: anywhere
// behind the operation's earlier events.
func (s *Sim) post(e cqe) {
	if len(s.backlog) > 0 || len(s.cq) >= s.cfg.CQEntries || !s.chance(s.cfg.Faults.Reorder) {
		s.push(e)
		return
	}
	first := len(s.cq)
	for first > 0 && s.cq[first-1].ev.ID.Slot() != e.ev.ID.Slot() {
		first--
	}
	s.cq = slices.Insert(s.cq, first+s.rng.IntN(len(s.cq)-first+1), e)
}

func (s *Sim) push(e cqe) {
	if len(s.backlog) > 0 || len(s.cq) >= s.cfg.CQEntries {
		s.note("overflow", e.ev.ID, "", int64(e.ev.Res), e.ev.More)
		s.backlog = append(s.backlog, e)
		return
	}
	s.cq = append(s.cq, e)
}

// flush moves the backlog into the completion queue, as far as there is room.
func (s *Sim) flush() {
	n := min(len(s.backlog), s.cfg.CQEntries-len(s.cq))
	s.cq = append(s.cq, s.backlog[:n]...)
	s.backlog = slices.Delete(s.backlog, 0, n)
}

// reap copies events to dst. From here on their IDs and Completions may be used again.
func (s *Sim) reap(dst []backends.Event) int {
	n := min(len(dst), len(s.cq))
	if n > 1 && s.chance(s.cfg.Faults.Trickle) {
		n = 1 + s.rng.IntN(n)
	}
	for i, e := range s.cq[:n] {
		dst[i] = e.ev
		if e.r != nil {
			delete(s.inflight, e.r.id.Slot())
			delete(s.taken, e.r.c)
		}
	}
	s.cq = slices.Delete(s.cq, 0, n)
	s.counters.CQEs += uint64(n)
	if n > 0 {
		s.note("poll", 0, "events", int64(n), len(s.cq)+len(s.backlog) > 0)
	}
	return n
}

// inFlight lists what is in flight, in the order of the slots.
func (s *Sim) inFlight() []*req {
	var rs []*req
	for _, r := range s.inflight {
		rs = append(rs, r)
	}
	slices.SortFunc(rs, func(a, b *req) int { return int(a.id.Slot()) - int(b.id.Slot()) })
	return rs
}

// checkUnchanged panics if the Completion is not what it was when it was submitted.
func (r *req) checkUnchanged(s *Sim) {
	a, b := &r.op, &r.c.Op
	same := r.c.ID == r.id && a.Code == b.Code && a.Multi == b.Multi && a.Flags == b.Flags && a.FD == b.FD &&
		a.Off == b.Off && a.Addr == b.Addr && a.Msg == b.Msg && a.Args == b.Args && sameSlice(a.Buf, b.Buf) &&
		sameSlice(a.Bufs, b.Bufs)
	if !same {
		s.misuse("%v %v: the Completion was changed while it was in flight (it is now %v %v)", r.id, r.op.Code, r.c.ID,
			b.Code)
	}
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// checksum is of the data that the operation is to send: its first MiB, which is where mistakes
// show.
func (r *req) checksum() uint32 {
	switch r.op.Code {
	case backends.OpWrite, backends.OpWritev, backends.OpSend, backends.OpSendMsg, backends.OpSendZC,
		backends.OpSendMsgZC:
	default:
		return 0
	}
	sum, left := uint32(0), 1<<20
	for _, b := range r.bufs() {
		b = b[:min(len(b), left)]
		left -= len(b)
		sum = crc32.Update(sum, castagnoli, b)
	}
	return sum
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *req) checkData(s *Sim) {
	if r.checksum() != r.sum {
		s.misuse("%v %v: the data was changed while it was in flight", r.id, r.op.Code)
	}
}

// canSleep reports whether the operation is one that a system call can sleep in, or refuse to:
// those are the ones that fail with EINTR and EAGAIN.
func (r *req) canSleep() bool {
	switch r.op.Code {
	case backends.OpRead, backends.OpWrite, backends.OpReadv, backends.OpWritev, backends.OpRecv, backends.OpSend,
		backends.OpRecvMsg, backends.OpSendMsg, backends.OpSendZC, backends.OpSendMsgZC, backends.OpAccept,
		backends.OpConnect:
		return true
	}
	return false
}

// bufs are the buffers that the operation may use: at most MaxIovecs, at most MaxTransfer bytes.
func (r *req) bufs() [][]byte {
	var bufs [][]byte
	switch {
	case r.op.Msg != nil:
		bufs = r.op.Msg.Bufs
	case r.op.Bufs != nil:
		bufs = r.op.Bufs
	default:
		bufs = [][]byte{r.op.Buf}
	}
	bufs = bufs[:min(len(bufs), backends.MaxIovecs)]
	if size(bufs) <= backends.MaxTransfer {
		return bufs
	}
	var cut [][]byte
	for room := backends.MaxTransfer; room > 0; bufs = bufs[1:] {
		b := bufs[0][:min(len(bufs[0]), room)]
		cut = append(cut, b)
		room -= len(b)
	}
	return cut
}

func size(bufs [][]byte) int {
	n := 0
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

// scatter copies data into bufs and reports how much fit.
func scatter(bufs [][]byte, data []byte) int {
	n := 0
	for _, b := range bufs {
		n += copy(b, data[n:])
	}
	return n
}

// gather appends up to n bytes of bufs, from offset skip on, to dst.
func gather(dst []byte, bufs [][]byte, skip, n int) []byte {
	for _, b := range bufs {
		k := min(skip, len(b))
		b, skip = b[k:], skip-k
		b = b[:min(len(b), n)]
		dst, n = append(dst, b...), n-len(b)
	}
	return dst
}

// shorten is how much of n bytes the operation moves at once.
func (r *req) shorten(n int) int {
	if r.fate.short > 0 && n > 1 {
		return 1 + int(r.fate.short*float64(n-1))
	}
	return n
}

func fail(errno syscall.Errno) int32 { return -int32(errno) }
