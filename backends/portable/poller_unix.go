//go:build unix && !aix

package portable

import (
	"math"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// poller is the state of the goroutine in poll(2). No other goroutine touches it.
//
// The goroutine starts, tries and cancels operations between two calls of poll(2), never during
// one. While poll(2) runs the kernel holds every descriptor in it, and a socket that its owner has
// closed would stay alive. So an operation that waits is over only when no poll(2) includes its
// descriptor any more.
type poller struct {
	e     *engine
	descs map[int]*desc
	live  []*desc // the values of descs
	spare []*desc // unused ones
	set   []unix.PollFd
	order []*desc // the descs of the entries in set, which has one more entry at its front
}

// desc is a descriptor that operations wait for.
type desc struct {
	fd    int
	index int       // in poller.live
	sides [2]side   // for reading and for writing
	polls list      // OpPoll
	until time.Time // until then it is left out of poll(2)
	pause time.Duration
}

// side is one direction of a descriptor. Its operations run one after the other.
type side struct {
	list
	away bool // a worker runs the first operation
}

const (
	reading = iota
	writing
)

// A descriptor may stay ready without progress: what a multishot poll has reported has not been
// read yet, or it is an error that no operation here takes. The poller looks at it again after a
// pause, which doubles. So it reports a change late by no more than that, and does not keep the
// processor busy.
const (
	minPause = time.Millisecond
	maxPause = 16 * time.Millisecond
)

func (p *poller) init(e *engine) {
	p.e, p.descs = e, map[int]*desc{}
}

// run is the poller's goroutine.
func (p *poller) run() {
	for p.take() {
		timeout := p.build()
		_, err := unix.Poll(p.set, timeout)
		p.e.b.syscalls.Add(1)
		p.wake()
		if err != nil {
			if err != unix.EINTR { // ENOMEM, EAGAIN: the kernel is short of something
				time.Sleep(minPause)
			}
			continue
		}
		for i, d := range p.order {
			if ready := p.set[i+1].Revents; ready != 0 {
				p.ready(d, ready)
			}
		}
	}
}

// take handles what has been sent to the poller. It reports false if the backend is closing.
func (p *poller) take() bool {
	e := p.e
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	for {
		switch {
		case e.returned.head != nil:
			r := e.returned.pop()
			e.b.mu.Unlock()
			p.back(r)
			e.b.mu.Lock()
		case e.inbox.head != nil: // before the cancellations, which may be for these operations
			r := e.inbox.pop()
			e.b.mu.Unlock()
			p.start(r)
			e.b.mu.Lock()
		case len(e.drops) > 0:
			if r := e.lookup(e.drops[0]); r != nil {
				p.drop(r)
			}
			if e.drops = e.drops[1:]; len(e.drops) == 0 {
				e.drops = nil
			}
		case e.b.closed:
			return false
		default:
			e.asleep = true
			return true
		}
	}
}

// wake records that poll(2) has returned, and empties the pipe if kick wrote to it.
func (p *poller) wake() {
	e := p.e
	e.b.mu.Lock()
	kicked := !e.asleep
	e.asleep = false
	e.b.mu.Unlock()
	if kicked {
		var b [8]byte
		unix.Read(e.wakeR, b[:])
		e.b.syscalls.Add(1)
	}
}

// build fills set with what operations wait for. It returns how long to wait at most, in
// milliseconds.
func (p *poller) build() (timeout int) {
	if cap(p.live) > minKept+4*len(p.live) || len(p.spare) > minKept+4*len(p.live) {
		p.shrink()
	}
	p.set = append(p.set[:0], unix.PollFd{Fd: int32(p.e.wakeR), Events: unix.POLLIN})
	p.order = p.order[:0]
	multis := p.multis()
	now := time.Now()
	wait := time.Duration(math.MaxInt64)
	for _, d := range p.live {
		if left := d.until.Sub(now); left > 0 {
			wait = min(wait, left)
			continue
		}
		var events int16
		any := false
		for i := range d.sides {
			if s := &d.sides[i]; s.head != nil && !s.away && (multis || !s.head.c.Multi) {
				events, any = events|mask(&s.head.c.Op), true
			}
		}
		for r := d.polls.head; r != nil; r = r.next {
			if multis || !r.c.Multi {
				events, any = events|int16(r.c.Flags), true
			}
		}
		if any {
			p.set = append(p.set, unix.PollFd{Fd: int32(d.fd), Events: events})
			p.order = append(p.order, d)
		}
	}
	if wait == math.MaxInt64 {
		return -1
	}
	return int((wait + time.Millisecond - 1) / time.Millisecond)
}

// shrink lets go of what was needed for far more descriptors.
func (p *poller) shrink() {
	p.live, p.spare, p.set, p.order = fit(p.live), nil, nil, nil
	p.descs = make(map[int]*desc, len(p.live))
	for _, d := range p.live {
		p.descs[d.fd] = d
	}
}

// multis reports whether multishots may continue: there is room for their events.
func (p *poller) multis() bool {
	e := p.e
	e.b.mu.Lock()
	defer e.b.mu.Unlock()
	e.stalled = e.b.waiting() >= backlog
	return !e.stalled
}

// desc returns the descriptor for an operation that is going to wait.
func (p *poller) desc(fd int) *desc {
	d := p.descs[fd]
	if d == nil {
		if n := len(p.spare); n > 0 {
			d, p.spare = p.spare[n-1], p.spare[:n-1]
		} else {
			d = new(desc)
		}
		*d = desc{fd: fd, index: len(p.live)}
		p.descs[fd] = d
		p.live = append(p.live, d)
	}
	d.until = time.Time{} // look at it now
	return d
}

// leave forgets a descriptor that nothing waits for any more.
func (p *poller) leave(d *desc) {
	in, out := &d.sides[reading], &d.sides[writing]
	if in.head != nil || in.away || out.head != nil || out.away || d.polls.head != nil {
		return
	}
	delete(p.descs, d.fd)
	last := p.live[len(p.live)-1]
	p.live[d.index], last.index = last, d.index
	p.live[len(p.live)-1] = nil
	p.live = p.live[:len(p.live)-1]
	p.spare = append(p.spare, d)
}

// finish ends an operation that is in no list.
func (p *poller) finish(r *record, res int32) {
	p.e.b.mu.Lock()
	defer p.e.b.mu.Unlock()
	p.e.finish(r, res)
}

// more reports a result of a multishot that goes on.
func (p *poller) more(r *record, res int32) {
	p.e.b.mu.Lock()
	defer p.e.b.mu.Unlock()
	r.reports++
	p.e.b.post(backends.Event{ID: r.c.ID, Res: res, More: true})
}

func (p *poller) toWorker(r *record) {
	p.e.b.mu.Lock()
	defer p.e.b.mu.Unlock()
	p.e.toWorker(r)
}

// drop ends an operation that waits, and leaves alone one that a worker has. Its result is what it
// has done by then. The caller holds mu.
func (p *poller) drop(r *record) {
	if r.at != atPoller {
		p.e.cancel(r.c.ID)
		return
	}
	d := r.desc
	r.unlink()
	res := int32(r.sofar)
	if res == 0 {
		res = -int32(unix.ECANCELED)
	}
	p.e.finish(r, res)
	p.leave(d)
}

// start tries an operation, unless others wait before it. If that finds nothing the operation
// waits.
func (p *poller) start(r *record) {
	op := &r.c.Op
	if op.FD < 0 || op.FD > math.MaxInt32 {
		p.finish(r, -int32(unix.EBADF))
		return
	}
	switch op.Code {
	case backends.OpClose:
		p.abandon(op.FD)
		p.toWorker(r)
		return
	case backends.OpPoll:
		if _, err := unix.FcntlInt(uintptr(op.FD), unix.F_GETFD, 0); err != nil {
			p.finish(r, errnoOf(err))
			return
		}
		r.desc = p.desc(op.FD)
		r.desc.polls.push(r)
		return
	}
	switch disk, err := onDisk(op); {
	case err != nil:
		p.finish(r, errnoOf(err))
		return
	case disk:
		p.toWorker(r)
		return
	}
	d, dir := p.descs[op.FD], direction(op)
	first := d == nil || d.sides[dir].head == nil && !d.sides[dir].away
	blocks := false
	if first || dontWait(op) {
		over := false
		if over, blocks = p.try(r); over {
			return
		}
	}
	r.desc = p.desc(op.FD)
	if s := &r.desc.sides[dir]; blocks {
		p.hand(s, r)
	} else {
		s.push(r)
	}
}

// hand gives an operation, which is the first of its side, to a worker.
func (p *poller) hand(s *side, r *record) {
	s.away = true
	p.toWorker(r)
}

// try continues an operation that is in no list. It reports whether the operation is over and, if
// not, whether only a worker can continue it now.
func (p *poller) try(r *record) (over, blocks bool) {
	for {
		p.e.b.syscalls.Add(1)
		switch res := r.try(); {
		case res == notYet, res == mayBlock:
			r.begun = res == notYet && r.c.Code == backends.OpConnect
			return false, res == mayBlock
		case res >= 0 && r.c.Multi:
			p.more(r, res)
			if !p.multis() {
				return false, false
			}
		default:
			p.finish(r, res)
			return true, false
		}
	}
}

// back takes an operation back from a worker.
func (p *poller) back(r *record) {
	d := r.desc
	s := &d.sides[direction(&r.c.Op)]
	s.away = false
	switch {
	case r.res == notYet:
		s.pushFront(r)
	case r.res >= 0 && r.c.Multi:
		p.more(r, r.res)
		s.pushFront(r)
	default:
		p.finish(r, r.res)
	}
	p.leave(d)
}

// abandon ends what waits for a descriptor that is closed, or about to be: its number may soon
// belong to another file.
func (p *poller) abandon(fd int) {
	d := p.descs[fd]
	if d == nil {
		return
	}
	for _, l := range []*list{&d.sides[reading].list, &d.sides[writing].list, &d.polls} {
		for r := l.pop(); r != nil; r = l.pop() {
			res := int32(r.sofar)
			if res == 0 {
				res = -int32(unix.EBADF)
			}
			p.finish(r, res)
		}
	}
	p.leave(d)
}

// ready is called when poll(2) says that something happened to a descriptor.
func (p *poller) ready(d *desc, events int16) {
	if events&unix.POLLNVAL != 0 { // closed by other code, without OpClose
		p.abandon(d.fd)
		return
	}
	const always = unix.POLLERR | unix.POLLHUP
	progress := false
	for r := d.polls.head; r != nil; {
		next := r.next
		if got := events & (int16(r.c.Flags) | always); got != 0 {
			if r.c.Multi {
				p.more(r, int32(got))
			} else {
				r.unlink()
				p.finish(r, int32(got))
				progress = true
			}
		}
		r = next
	}
	for i := range d.sides {
		if s := &d.sides[i]; s.head != nil && events&(mask(&s.head.c.Op)|always) != 0 {
			progress = p.serve(s) || progress
		}
	}
	if !progress {
		now := time.Now()
		if now.Sub(d.until) > d.pause {
			d.pause = 0 // it has been quiet for a while
		}
		d.pause = min(max(2*d.pause, minPause), maxPause)
		d.until = now.Add(d.pause)
	}
	p.leave(d)
}

// serve tries the operations that wait on one side, in order, until one has to go on waiting. It
// reports whether it made progress.
func (p *poller) serve(s *side) (progress bool) {
	for s.head != nil && !s.away {
		r := s.pop()
		sofar, reports := r.sofar, r.reports
		over, blocks := p.try(r)
		if blocks {
			p.hand(s, r)
			return true
		}
		if over {
			progress = true
			continue
		}
		s.pushFront(r)
		return progress || r.sofar > sofar || r.reports > reports
	}
	return progress
}
