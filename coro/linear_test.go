package coro

import (
	"testing"
	"time"
)

// TestLinear guards that what is done for each of very many tasks does not depend on how many there
// are: taking them out of the line takes as long from the end as from the front, and what is to be
// looked through is looked through a few times.
func TestLinear(t *testing.T) {
	tasks := make([]Task, 1<<13)
	var q taskQueue
	fastest := func(order func(i int) int) time.Duration { // a busy machine makes some times long
		best := time.Hour
		for range 7 {
			for i := range tasks {
				q.push(&tasks[i])
			}
			start := time.Now()
			for i := range tasks {
				q.remove(&tasks[order(i)])
			}
			best = min(best, max(time.Since(start), time.Microsecond))
		}
		return best
	}
	oldest := fastest(func(i int) int { return i })
	newest := fastest(func(i int) int { return len(tasks) - 1 - i })
	if ratio := newest / oldest; ratio > 50 { // thousands, if each is searched for from the front
		t.Errorf("newest first takes %d times as long as oldest first", ratio)
	}
	if !q.empty() || q.last != nil {
		t.Error("not empty")
	}

	var p panics
	times, full := 0, 0
	for i := range tasks {
		p.add(&tasks[i])
		if p.full != full {
			times, full = times+1, p.full
		}
	}
	if len(p.tasks) != len(tasks) || times > 15 {
		t.Errorf("%d of %d are kept, looked through %d times", len(p.tasks), len(tasks), times)
	}
}

// TestPanicsSeen guards that tasks whose panics have been seen are not kept.
func TestPanicsSeen(t *testing.T) {
	var p panics
	unseen := new(Task)
	p.add(unseen)
	for range 1000 {
		task := new(Task)
		p.add(task)
		task.seePanic()
	}
	if n := len(p.tasks); n > 30 || p.tasks[0] != unseen {
		t.Errorf("%d are kept, the unseen one first: %v", n, p.tasks[0] == unseen)
	}
}

// TestTaskQueue guards the queue of tasks that are to submit: what is left of it when others are
// taken out, in any place.
func TestTaskQueue(t *testing.T) {
	for out := range 1 << 4 {
		tasks := make([]Task, 4)
		var q taskQueue
		for i := range tasks {
			q.push(&tasks[i])
		}
		for i := range tasks {
			if out>>i&1 != 0 {
				q.remove(&tasks[i])
			}
		}
		q.push(new(Task))
		for i := range tasks {
			if out>>i&1 == 0 && q.pop() != &tasks[i] {
				t.Fatalf("%04b: the order is lost", out)
			}
		}
		if q.pop() == nil || q.pop() != nil || !q.empty() || q.last != nil {
			t.Errorf("%04b: not empty", out)
		}
	}
}
