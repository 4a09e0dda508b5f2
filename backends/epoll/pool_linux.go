package epoll

import (
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
)

// pool does operations with calls that may block, in order of arrival, on at most max goroutines at
// a time. A goroutine that finds nothing to do ends.
type pool struct {
	notify func() // called when a result is ready and none was before
	serve  func() // the method loop as a value made once, so that starting it allocates nothing
	ready  atomic.Bool

	mu      sync.Mutex
	todo    ring
	done    ring
	running int
	max     int
}

// links are an entry's place in todo or done.
type links struct {
	prev, next *entry
	begun      bool // it has been taken out of todo
}

// ring is a list linked through entry.work.
type ring struct{ head, tail *entry }

func (r *ring) push(e *entry) {
	e.work.prev, e.work.next = r.tail, nil
	if r.tail == nil {
		r.head = e
	} else {
		r.tail.work.next = e
	}
	r.tail = e
}

func (r *ring) remove(e *entry) {
	if e.work.prev == nil {
		r.head = e.work.next
	} else {
		e.work.prev.work.next = e.work.next
	}
	if e.work.next == nil {
		r.tail = e.work.prev
	} else {
		e.work.next.work.prev = e.work.prev
	}
	e.work.prev, e.work.next = nil, nil
}

func (p *pool) init(max int, notify func()) {
	p.max, p.notify, p.serve = max, notify, p.loop
}

// run queues e.
func (p *pool) run(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.work.begun = false
	p.todo.push(e)
	if p.running < p.max {
		p.running++
		bubble.Go(p.serve)
	}
}

func (p *pool) loop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.todo.head != nil {
		e := p.todo.head
		p.todo.remove(e)
		e.work.begun = true
		p.mu.Unlock()
		e.res = e.perform()
		p.mu.Lock()
		first := p.done.head == nil
		p.done.push(e)
		if first {
			p.ready.Store(true)
			p.mu.Unlock()
			p.notify()
			p.mu.Lock()
		}
	}
	p.running--
}

// perform does the operation, or as much of it as does not wait for other parties.
func (e *entry) perform() int32 {
	op := &e.c.Op
	if !e.ready || op.Code != backends.OpWrite && op.Code != backends.OpWritev {
		return backends.Perform(op)
	}
	// A blocking descriptor takes all data or waits. One that is ready for writing takes at least a
	// page: pipe(7).
	const page = 4096
	brief := *op
	brief.Code, brief.Bufs = backends.OpWrite, nil
	for _, buf := range op.Bufs {
		if brief.Buf = buf; len(buf) > 0 {
			break
		}
	}
	brief.Buf = brief.Buf[:min(len(brief.Buf), page)]
	return backends.Perform(&brief)
}

// withdraw takes e back. It returns false if e has been begun.
func (p *pool) withdraw(e *entry) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.work.begun {
		return false
	}
	p.todo.remove(e)
	return true
}

// collect returns what has been done: a list linked by work.next.
func (p *pool) collect() *entry {
	if !p.ready.Load() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready.Store(false)
	e := p.done.head
	p.done = ring{}
	return e
}
