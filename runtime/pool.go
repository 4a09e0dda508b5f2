package runtime

import (
	"sync"

	"github.com/weirgo/weir/internal/bubble"
)

// pool runs functions and system calls that block, on at most max goroutines at a time. Idle
// goroutines end.
type pool struct {
	mu      sync.Mutex
	queue   fifo // Completions with a function, or a system call, to run
	running int
	max     int
	worker  func() // serve
}

func newPool(limit int) *pool {
	p := &pool{max: limit}
	p.worker = p.serve
	return p
}

// Blocking runs f on the loop's pool for blocking calls, at most [Options].PoolSize at a time, and
// then c.Callback on the loop's thread. [Loop.Cancel] withdraws c if f has not started; once
// started, f runs to its end. Blocking sets c.Op. The errors are those of [Loop.Submit]. If f
// panics the program ends, as with any goroutine.
func (l *Loop) Blocking(c *Completion, f func()) error {
	if err := c.Block(f); err != nil {
		return err
	}
	return l.Submit(c)
}

// run queues c: its function or, if s is set, the operation of that slot.
func (p *pool) run(c *Completion, s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.rarely().call = s
	p.queue.push(c)
	if p.running < p.max {
		p.running++
		bubble.Go(p.worker)
	}
}

func (p *pool) serve() {
	for {
		p.mu.Lock()
		c := p.queue.pop()
		if c == nil {
			p.running--
			p.mu.Unlock()
			return
		}
		s := c.rare.call
		p.mu.Unlock()
		if s == nil {
			p.work(c)
			continue
		}
		s.sub.do(&s.rec.Op)
		c.signal.Store(true)
		c.nudge()
	}
}

// work runs the function of c and tells the loop that it is over, even if the function ends the
// goroutine by Goexit. In that case another goroutine replaces it.
func (p *pool) work(c *Completion) {
	returned := false
	defer func() {
		if !returned {
			bubble.Go(p.worker)
		}
		c.signal.Store(true)
		c.nudge()
	}()
	c.rare.work()
	returned = true
}

// withdraw takes c out of the queue. It returns false if c has been started.
func (p *pool) withdraw(c *Completion) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queue.remove(c)
}
