package runtime

import (
	"slices"
	"sync"
)

// pool runs functions and system calls that block, on at most max goroutines at a time; idle ones leave.
type pool struct {
	mu      sync.Mutex
	queue   []job
	running int
	max     int
	worker  func() // serve
}

func newPool(limit int) *pool {
	p := &pool{max: limit}
	p.worker = p.serve
	return p
}

// job is an OpBlocking, or an operation that is done as a system call.
type job struct {
	c *Completion
	s *slot // nil for an OpBlocking
}

// Blocking runs f on the loop's pool for blocking calls, at most Options.PoolSize at a time, and then c.Callback
// on the loop's thread. Cancel withdraws it if f has not started; once it has, it is done anyway. c.Op is set by
// Blocking. Errors are those of Submit. If f panics the program ends, as with any goroutine.
func (l *Loop) Blocking(c *Completion, f func()) error {
	if err := c.Block(f); err != nil {
		return err
	}
	return l.Submit(c)
}

func (p *pool) run(j job) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, j)
	if p.running < p.max {
		p.running++
		go p.worker()
	}
}

func (p *pool) serve() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.running--
			p.mu.Unlock()
			return
		}
		j := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		p.mu.Unlock()
		if j.s == nil {
			p.work(j.c)
			continue
		}
		j.s.sub.do(&j.s.rec.Op)
		j.c.signal.Store(true)
		j.c.nudge()
	}
}

// work runs the function of c and tells the loop that it is over, also if that ends the goroutine by Goexit: then
// another one takes its place.
func (p *pool) work(c *Completion) {
	returned := false
	defer func() {
		if !returned {
			go p.serve()
		}
		c.signal.Store(true)
		c.nudge()
	}()
	c.rare.work()
	returned = true
}

// withdraw takes c out of the queue; false: it has been started.
func (p *pool) withdraw(c *Completion) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.queue, func(j job) bool { return j.c == c })
	if i < 0 {
		return false
	}
	p.queue = slices.Delete(p.queue, i, i+1)
	return true
}
