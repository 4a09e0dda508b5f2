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
