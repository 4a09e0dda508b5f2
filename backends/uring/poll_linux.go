package uring

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// polls is the backend's record of the OpPolls in flight.
//
// A poll reports what was asked for, POLLERR and POLLHUP. The kernel's POLL_ADD also reports
// POLLRDHUP, asked for or not. So a peer that half-closes would end every wait for room, for as
// long as it pleases: the same poll, submitted again, ends at once again. In that case the backend
// replaces it by a multishot poll, which is edge-triggered and reports POLLRDHUP only once more.
// When the multishot poll reports what was asked for, the backend cancels it. The operation is over
// when the kernel has ended it.
//
// The kernel also derives what it reports from what wakes the poll. Each packet wakes with POLLPRI,
// urgent or not; and that alone does not wake a poll for POLLPRI. So for POLLPRI the backend also
// asks the kernel for POLLIN, and poll(2) says what there is.
type polls struct {
	at []poll // by slot
	// polls whose next report is not final, and what they have reported so far: 0 is nothing yet
	watch  map[backends.ID]int32
	chores []chore
}

// poll is the last OpPoll of a slot.
type poll struct {
	c *backends.Completion
	// the last operation of the slot that was cancelled: the kernel may have ended it without an
	// event
	cancelled backends.ID
	multi     bool // in the kernel it is a multishot poll by which the backend has replaced it
}

// chore is an entry that the backend queues by itself: to submit a poll as a multishot one, or to
// cancel that.
type chore struct {
	id     backends.ID
	cancel bool
}

// pollAlways are the events that are reported whether asked for or not.
const pollAlways = unix.POLLERR | unix.POLLHUP

// pollBits returns what an OpPoll asks for. The mask cannot smuggle in flags of epoll_ctl(2).
func pollBits(op *backends.Op) uint32 { return op.Flags & 0xffff }

// note records an OpPoll that is submitted, and returns the mask for the kernel.
func (p *polls) note(c *backends.Completion) uint32 {
	slot := int(c.ID.Slot())
	if slot >= len(p.at) {
		p.at = append(p.at, make([]poll, slot+1-len(p.at))...)
	}
	p.at[slot].c, p.at[slot].multi = c, false
	mask := pollBits(&c.Op)
	if mask&unix.POLLPRI != 0 {
		mask |= unix.POLLIN
		p.put(c, 0)
	}
	return mask
}

func (p *polls) put(c *backends.Completion, reported int32) {
	if p.watch == nil {
		p.watch = make(map[backends.ID]int32)
	}
	p.watch[c.ID] = reported
}

// find returns the OpPoll in flight that id names, or nil.
func (p *polls) find(id backends.ID) *poll {
	if slot := int(id.Slot()); slot < len(p.at) {
		if o := &p.at[slot]; o.c != nil && o.c.ID == id && o.c.Code == backends.OpPoll {
			return o
		}
	}
	return nil
}

// judge decides what a report of the kernel means for the operation o. news is false if it means
// nothing.
func (p *polls) judge(o *poll, res int32, more bool) (_ int32, _ bool, news bool) {
	c := o.c
	reported, watched := p.watch[c.ID]
	if res > 0 {
		res &= int32(pollBits(&c.Op) | pollAlways)
	}
	if res > 0 && pollBits(&c.Op)&unix.POLLPRI != 0 {
		mask, _ := sys.Poll(c.FD, pollBits(&c.Op), false)
		res = int32(mask &^ unix.POLLNVAL)
	}
	switch {
	case res == 0 && more:
		return 0, false, false
	case res == 0 && o.cancelled == c.ID:
		res = -int32(unix.ECANCELED)
	case res == 0 && reported == 0: // a multishot poll ends here when the completion queue overflows
		p.put(c, 0)
		p.chores = append(p.chores, chore{c.ID, false})
		return 0, false, false
	case c.Multi && more, !watched:
		return res, more, true
	case more:
		if reported == 0 {
			p.chores = append(p.chores, chore{c.ID, true})
		}
		p.put(c, reported|res)
		return 0, false, false
	}
	delete(p.watch, c.ID)
	if reported != 0 {
		res = reported | max(res, 0)
	}
	return res, false, true
}

// tend queues the entries of the backend's own. It reports whether there was room for all of them.
func (b *Backend) tend() bool {
	p := &b.polls
	for ; len(p.chores) > 0; p.chores = p.chores[1:] {
		todo := p.chores[0]
		o := p.find(todo.id)
		if o == nil {
			continue // it is over
		}
		e := b.sqe()
		switch {
		case e == nil:
			return false
		case todo.cancel:
			encodeCancel(e, uint64(todo.id), slotCancel)
		case o.multi && !canPoll(o.c.FD):
			encodeNever(e, b.wake.fd, uint64(todo.id))
		default:
			b.encode(e, o.c)
			e.Len, o.multi = sys.PollAddMulti, true
		}
	}
	p.chores = nil
	return true
}

// canPoll reports whether the file has a state to wait for. A file without one is always ready for
// reading and writing, and a multishot poll for anything else ends at once.
func canPoll(fd int) bool {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return true
	}
	defer unix.Close(ep)
	return unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{}) != unix.EPERM
}

// encodeNever makes e a poll that only a cancel ends: an eventfd has no urgent data.
func encodeNever(e *sys.SQE, eventfd int, id uint64) {
	e.Opcode, e.Fd, e.UserData, e.OpFlags = sys.OpPollAdd, int32(eventfd), id, pollMask(unix.POLLPRI)
}
