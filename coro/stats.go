package coro

import (
	"sync/atomic"

	aiort "github.com/weirgo/weir/runtime"
)

// Stats are counters since the start, except Tasks, which is a level.
type Stats struct {
	Tasks   int64       // tasks that are not over
	Spawned uint64      // tasks that were started
	Workers uint64      // coroutines of the Go runtime that were made for tasks: few, if tasks follow each other
	Resumed uint64      // how often a task was resumed
	Hogs    uint64      // tasks that were found to keep the thread: see Hog
	Loop    aiort.Stats // counters of the loop
}

type counters struct{ spawned, ended, workers, hogs, resumed atomic.Uint64 }

// Stats returns the counters.
func (s *Scheduler) Stats() Stats {
	s.mustBeMade()
	c := &s.count
	ended := c.ended.Load() // first, so that Tasks is not negative
	spawned := c.spawned.Load()
	return Stats{
		Tasks: int64(spawned - ended), Spawned: spawned, Workers: c.workers.Load(), Resumed: c.resumed.Load(),
		Hogs: c.hogs.Load(),
		Loop: s.loop.Stats(),
	}
}
