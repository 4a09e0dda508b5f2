package coro

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"time"
)

// Hog is the report of a task that keeps its scheduler's thread while all others wait: it computes,
// or it blocks in something that parks goroutines (a channel, a sync.Mutex, package net).
type Hog struct {
	Scheduler string        // Options.Name
	Task      string        // name of the task
	Running   time.Duration // how long it had run, at least, when it was found
	Stack     []byte        // stack of the task at that time; empty if it had just ended
	Omitted   int           // hogs found since the last report and not reported
}

// hogPause is the shortest time between two reports: each stops the world to get the stack.
const hogPause = time.Second

// watchdog looks for hogs of a scheduler.
type watchdog struct {
	s      *Scheduler
	since  time.Time // no task has been resumed since the look at this time
	quiet  time.Time // no report before this time
	found  int       // hogs since the last report
	untold *Task     // the newest of those that were found in a pause
}

// watch looks for hogs until the scheduler is over.
func (s *Scheduler) watch() {
	defer s.watcher.Done()
	tick := time.NewTicker(s.o.HogLimit / 4)
	defer tick.Stop()
	for w := (watchdog{s: s}); ; w.look(time.Now()) {
		select {
		case <-s.ended:
			return
		case <-tick.C:
		}
	}
}

// look looks once. If no task has been resumed between two looks, the task that was running at the
// first has run at least for the time between them.
func (w *watchdog) look(now time.Time) {
	s := w.s
	t := s.current.Load()
	if !s.looked.Swap(true) || t == nil {
		w.since = now
		return
	}
	running := now.Sub(w.since)
	if running < s.o.HogLimit {
		return
	}
	if !t.reported.Swap(true) {
		s.count.hogs.Add(1)
		w.found++
		w.untold = t
	}
	if t == w.untold && !now.Before(w.quiet) {
		s.report(t, running, w.found-1)
		w.untold, w.found, w.quiet = nil, 0, now.Add(hogPause)
	}
}

// report reports a task that keeps the thread, and how many were not reported.
func (s *Scheduler) report(t *Task, running time.Duration, omitted int) {
	h := Hog{Scheduler: s.o.Name, Task: t.Name(), Running: running, Omitted: omitted}
	if w := t.employer.Load(); w != nil {
		h.Stack = stackOf(w.goid.Load())
	}
	if !s.looked.Load() || s.current.Load() != t {
		h.Stack = nil // it is the stack of another task, or of the task at another time
	}
	if s.o.OnHog != nil {
		go s.o.OnHog(h)
		return
	}
	s.o.Logger.Warn("coro: a task keeps the thread of its scheduler",
		slog.String("scheduler", h.Scheduler), slog.String("task", h.Task),
		slog.Duration("running", h.Running), slog.Int("omitted", h.Omitted), slog.String("stack", string(h.Stack)))
}

// maxDump bounds the dump in which a stack is searched.
const maxDump = 64 << 20

// stackOf returns the stack of a goroutine, or nil. It stops the world for as long as a dump of all
// stacks takes.
func stackOf(goid int64) []byte {
	for size := 1 << 16; size <= maxDump; size *= 4 {
		buf := make([]byte, size)
		n := runtime.Stack(buf, true)
		_, after, found := bytes.Cut(append([]byte("\n"), buf[:n]...), fmt.Appendf(nil, "\ngoroutine %d [", goid))
		stack, _, whole := bytes.Cut(after, []byte("\n\n"))
		if found && (whole || n < size) {
			return fmt.Appendf(nil, "goroutine %d [%s", goid, bytes.TrimSpace(stack))
		}
		if n < size {
			return nil
		}
	}
	return nil
}
