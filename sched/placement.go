package sched

import (
	"fmt"
	"sync"
)

// A Placement spreads handles over loops: each new handle goes to the loop that has the fewest. It
// only counts; it knows neither handles nor loops. Any goroutine may call its methods. They hold a
// mutex for as long as it takes to look at each loop's count, and allocate nothing.
type Placement struct {
	mu    sync.Mutex
	loads []int64
	next  int // where the search for the least load starts, so that equal loops are picked in turn
}

// NewPlacement returns a Placement over the loops 0 to loops-1, all empty. It panics if loops < 1.
func NewPlacement(loops int) *Placement {
	if loops < 1 {
		panic(fmt.Sprintf("sched: NewPlacement(%d): want at least 1 loop", loops))
	}
	return &Placement{loads: make([]int64, loops)}
}

// Pick returns the loop with the least load and adds one handle to it. Among equals it picks the
// first after the loop that was picked last.
func (p *Placement) Pick() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := p.next
	i := p.next
	for range p.loads {
		if p.loads[i] < p.loads[best] {
			best = i
		}
		i = p.after(i)
	}
	p.loads[best]++
	p.next = p.after(best)
	return best
}

func (p *Placement) after(i int) int {
	if i++; i < len(p.loads) {
		return i
	}
	return 0
}

// Leave takes one handle off loop i. It panics if loop i has none, because a handle left twice, or
// if there is no loop i.
func (p *Placement) Leave(i int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i < 0 || i >= len(p.loads) || p.loads[i] == 0 {
		panic(fmt.Sprintf("sched: Placement.Leave(%d): no handle there", i))
	}
	p.loads[i]--
}

// Load returns the number of handles on loop i.
func (p *Placement) Load(i int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loads[i]
}
