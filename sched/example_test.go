package sched_test

import (
	"errors"
	"fmt"

	"github.com/weirgo/weir/sched"
)

// A loop takes operations from an intake that a limit bounds.
func Example() {
	type op struct {
		node sched.Node[op]
		name string
	}
	var intake sched.Intake[op]
	limit := sched.NewLimit(128)

	// Any goroutine:
	submit := func(name string) (wake bool, err error) {
		if !limit.TryAcquire() {
			return false, errors.New("busy")
		}
		o := &op{name: name}
		o.node.Value = o
		return intake.Push(&o.node), nil
	}
	for _, name := range []string{"read", "write"} {
		wake, err := submit(name)
		fmt.Println("submit", name, wake, err)
	}

	// The loop:
	done := int64(0)
	for n := intake.Take(); n != nil; {
		next := n.Next()
		n.Release()
		fmt.Println("carry out", n.Value.name)
		done++
		n = next
	}
	limit.Release(done)
	fmt.Println("in use", limit.InUse())
	// Output:
	// submit read true <nil>
	// submit write false <nil>
	// carry out read
	// carry out write
	// in use 0
}

// The caller waits until Next, by whatever means it has, and then pops all that has expired.
func ExampleWheel() {
	type conn struct {
		name     string
		deadline sched.Timer[conn]
	}
	const second = 1e9
	w := sched.NewWheel[conn](0)
	for i, name := range []string{"a", "b", "c"} {
		c := &conn{name: name}
		c.deadline.Owner = c
		w.Add(&c.deadline, int64(3-i)*second)
	}
	for {
		now, ok := w.Next()
		if !ok {
			break
		}
		for t, ok := w.Pop(now); ok; t, ok = w.Pop(now) {
			fmt.Println(t.Owner.name, "at", t.When(), "late by", now-t.When())
		}
	}
	// Output:
	// c at 1000000000 late by 511
	// b at 2000000000 late by 1023
	// a at 3000000000 late by 511
}

// A Parker is where one goroutine waits for one wake-up, which may come first.
func ExampleParker() {
	p := sched.NewParker()
	ready := make(chan struct{})
	go func() {
		<-ready
		fmt.Println("wake")
		p.Unpark()
	}()
	close(ready)
	p.Park()
	fmt.Println("awake")
	// Output:
	// wake
	// awake
}

// A wait may end with a channel, too. Its result says which it was.
func ExampleParker_ParkUntil() {
	p := sched.NewParker()
	over := make(chan struct{})
	close(over)
	fmt.Println(p.ParkUntil(over))
	// Output:
	// false
}

// A Limit has a fixed number of tokens.
func ExampleLimit() {
	l := sched.NewLimit(2)
	fmt.Println(l.TryAcquire(), l.TryAcquire(), l.TryAcquire())
	l.Release(1)
	fmt.Println(l.TryAcquire(), l.InUse(), l.Max())
	// Output:
	// true true false
	// true 2 2
}

// An Intake delivers a node once, however often it is pushed before the consumer takes it.
func ExampleIntake() {
	type item struct {
		node sched.Node[item]
		name string
	}
	var q sched.Intake[item]
	it := &item{name: "once"}
	it.node.Value = it
	fmt.Println(q.Push(&it.node), q.Push(&it.node)) // the first found the intake empty
	for n := q.Take(); n != nil; {
		next := n.Next()
		n.Release()
		fmt.Println(n.Value.name)
		n = next
	}
	fmt.Println(q.Empty())
	// Output:
	// true false
	// once
	// true
}

// Placement gives new handles to the loop that has the fewest.
func ExamplePlacement() {
	p := sched.NewPlacement(2)
	a, b := p.Pick(), p.Pick()
	fmt.Println(a != b)
	p.Leave(a)
	fmt.Println(p.Pick() == a)
	// Output:
	// true
	// true
}
