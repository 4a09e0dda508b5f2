package runtime

import (
	"slices"
	"sync"
)

// pool runs functions that block, on at most max goroutines at a time; idle ones leave.
type pool struct {
	mu      sync.Mutex
	queue   []*Completion
	running int
	max     int
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

func (p *pool) run(c *Completion) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, c)
	if p.running < p.max {
		p.running++
		go p.serve()
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
		c := p.queue[0]
		p.queue = slices.Delete(p.queue, 0, 1)
		p.mu.Unlock()
		p.work(c)
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
	c.work()
	returned = true
}

// withdraw takes c out of the queue; false: it has been started.
func (p *pool) withdraw(c *Completion) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.queue, c)
	if i < 0 {
		return false
	}
	p.queue = slices.Delete(p.queue, i, i+1)
	return true
}
