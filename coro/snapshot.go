package coro

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/bubble"
	aiort "github.com/weirgo/weir/runtime"
)

// SnapshotOptions say how much a snapshot looks at: see aiort.SnapshotOptions.
type SnapshotOptions = aiort.SnapshotOptions

// Snapshot is what a Scheduler is doing. Its tasks are consistent with each other. Its loop is
// looked at by itself, next to them.
type Snapshot struct {
	Time time.Time `json:"time"`
	Name string    `json:"name"` // Options.Name

	// State is "running", "closing", "stuck" or "ended". Stuck: a task keeps the thread, Current,
	// and Tasks is empty.
	State string `json:"state"`

	// Current is the name of the task that has the thread while State is "stuck".
	Current string `json:"current,omitempty"`

	// CurrentStack is its stack, if SnapshotOptions.Stacks is set.
	CurrentStack string `json:"current_stack,omitempty"`

	Ready   int         `json:"ready"` // tasks that wait for their turn
	Stats   Stats       `json:"stats"`
	Tasks   []TaskState `json:"tasks"`             // parents come before their children
	Omitted int         `json:"omitted,omitempty"` // tasks that are not listed

	Loop aiort.LoopSnapshot `json:"loop"`
}

// TaskState is what one task is doing.
type TaskState struct {
	ID     uint32 `json:"id"`               // number of the task in snapshots of its scheduler
	Parent uint32 `json:"parent,omitempty"` // 0: it has none
	Name   string `json:"name"`
	State  string `json:"state"` // "ready", "running", "waiting" or "done"

	// Waits is what a task in state "waiting" waits for: "operation", "operations", "sleep",
	// "children", "group", "select", "mutex", "queue" and so on.
	Waits string `json:"waits,omitempty"`

	// Kind and FD are of the operation that it waits for; FD is -1 without one.
	Kind string `json:"kind,omitempty"`
	FD   int    `json:"fd"`

	// For is how long it has been so, in nanoseconds, counted from the first snapshot that saw it.
	For time.Duration `json:"for_ns"`

	// Stack is there if SnapshotOptions.Stacks is set and Options.HogLimit is not negative.
	Stack string `json:"stack,omitempty"`
}

// viewing is a question to a scheduler.
type viewing struct {
	limit int
	done  chan struct{}
	next  *viewing

	// The answer. now is when it was given.
	now     time.Time
	closing bool
	ready   int
	tasks   []taskCopy
	omitted int
}

// taskCopy is a task as the loop's thread copies it.
type taskCopy struct {
	t            *Task
	mark, parent uint32
	state        state
	waits, kind  string
	fd           int
	goid         int64
	since        time.Time
}

// viewer is what a scheduler remembers of snapshots, by Task.mark. It belongs to the loop's thread.
type viewer struct {
	newest uint32
	seen   map[uint32]sighting
}

// sighting is when a snapshot first saw that a task, which last ran in a turn, was in a state.
type sighting struct {
	turn  uint32
	state state
	since time.Time
}

// maxVisits is how many tasks a copy looks at, for each one that it may list, to count the others.
const maxVisits = 16

// Schedulers lists the schedulers of an IO that have not ended. Any goroutine may call it.
func Schedulers(io *aio.IO) (all []*Scheduler) {
	known := map[*Scheduler]bool{}
	callers.Range(func(_, v any) bool {
		if s := v.(*Scheduler); s.io == io && !known[s] {
			known[s] = true
			all = append(all, s)
		}
		return true
	})
	slices.SortFunc(all, func(a, b *Scheduler) int {
		return cmp.Or(cmp.Compare(a.o.Name, b.o.Name), cmp.Compare(a.id, b.id))
	})
	return all
}

// Snapshot lists the tasks and what the loop is doing. Any goroutine may call it, at any time, also
// during Close and after it; so may a task, which is then listed as running. It waits for the
// thread for at most [SnapshotOptions].Wait, and as long for the loop. If a task keeps the thread
// the snapshot says which. What it costs the thread is bounded by [SnapshotOptions].Limit.
func (s *Scheduler) Snapshot(o SnapshotOptions) Snapshot {
	s.mustBeMade()
	o = o.Complete()
	v := &viewing{limit: o.Limit}
	if schedulerOfCaller() == s {
		s.copyTo(v)
		return s.present(v, true, s.loop.SnapshotHere(o), o.Stacks)
	}
	answered := false
	var loop aiort.LoopSnapshot
	bubble.Do(func() { // the wait is in real time
		v.done = make(chan struct{})
		for v.next = s.views.Load(); !s.views.CompareAndSwap(v.next, v); v.next = s.views.Load() {
		}
		s.loop.Wake()
		limit := time.NewTimer(o.Wait)
		defer limit.Stop()
		select {
		case <-v.done:
			answered = true
		case <-s.ended:
		case <-limit.C:
			s.forgo(v)
		}
		loop = s.loop.Snapshot(o)
	})
	if !answered {
		v = new(viewing) // the thread may be writing the other one
	}
	return s.present(v, answered, loop, o.Stacks)
}

// forgo takes a question back that has had no answer, so that questions to a scheduler that is
// stuck do not gather.
func (s *Scheduler) forgo(v *viewing) {
	for list := s.views.Swap(nil); list != nil; {
		next := list.next
		if list != v {
			for list.next = s.views.Load(); !s.views.CompareAndSwap(list.next, list); list.next = s.views.Load() {
			}
		}
		list = next
	}
	s.loop.Wake()
}

// answerViews answers questions. It runs on the loop's thread.
func (s *Scheduler) answerViews(v *viewing) {
	for v != nil {
		next := v.next
		s.copyTo(v)
		close(v.done)
		v = next
	}
}

// copyTo copies the tasks. It runs on the loop's thread, by the loop's goroutine or a coroutine.
func (s *Scheduler) copyTo(v *viewing) {
	v.now, v.ready, v.closing = time.Now(), s.ready.len(), s.closed.Load()
	visits := maxVisits*v.limit + 64
	seen := make(map[uint32]sighting, len(s.viewer.seen))
	var of []*Task // whose children are still to come
	list := func(f *family) {
		for t := f.youngest; t != nil && visits > 0; t = t.older {
			visits--
			if len(v.tasks) == v.limit {
				return
			}
			v.tasks = append(v.tasks, s.copyTask(t, v.now, seen))
			if t.children > 0 {
				of = append(of, t)
			}
		}
	}
	list(&s.family)
	for len(of) > 0 {
		t := of[0]
		of = of[1:]
		list(&t.family)
	}
	v.omitted = max(int(s.count.spawned.Load()-s.count.ended.Load())-len(v.tasks), 0)
	s.viewer.seen = seen
}

func (s *Scheduler) copyTask(t *Task, now time.Time, seen map[uint32]sighting) taskCopy {
	if t.mark == 0 {
		if s.viewer.newest++; s.viewer.newest == 0 {
			s.viewer.newest = 1
		}
		t.mark = s.viewer.newest
	}
	c := taskCopy{t: t, mark: t.mark, state: t.state, fd: -1, since: now}
	if at, ok := s.viewer.seen[t.mark]; ok && at.turn == t.turn && at.state == t.state {
		c.since = at.since
	}
	seen[t.mark] = sighting{t.turn, t.state, c.since}
	if t.parent != nil {
		c.parent = t.parent.mark
	}
	if w := t.employer.Load(); w != nil {
		c.goid = w.goid.Load()
	}
	if t.state == stateWaiting {
		c.waits = waitsFor(t)
		if o := t.op.c; o != nil && (c.waits == "operation" || c.waits == "pool") {
			c.kind = o.Op.Code.String()
			if !o.Op.Code.OfLoop() {
				c.fd = o.Op.FD
			}
		}
	}
	return c
}

// waitsFor names what a task in state waiting waits for.
func waitsFor(t *Task) string {
	switch w := t.waiting.(type) {
	case nil:
		return "wake-up"
	case *opWait:
		if w.c == nil {
			return "operations"
		}
		return "operation"
	case *blockingWait:
		return "pool"
	case *sleep:
		return "sleep"
	case *family:
		return "children"
	case *Group:
		return "group"
	case *selecting:
		return "select"
	case *viewWait:
		return "turn"
	case *syncWait:
		switch w.on.(type) {
		case *Mutex, *RWMutex:
			return "mutex"
		case *Event:
			return "event"
		case *Semaphore:
			return "semaphore"
		case *WaitGroup:
			return "waitgroup"
		}
		return "queue"
	}
	return "unknown"
}

// present makes a copy what callers see.
func (s *Scheduler) present(v *viewing, answered bool, loop aiort.LoopSnapshot, stacks bool) Snapshot {
	all := Snapshot{
		Time: time.Now(), Name: s.o.Name, State: "running", Stats: s.Stats(), Loop: loop, Ready: v.ready,
		Omitted: v.omitted, Tasks: make([]TaskState, 0, len(v.tasks)),
	}
	var dump map[int64]string
	if stacks {
		dump = allStacks()
	}
	switch {
	case !answered && s.isOver():
		all.State = "ended"
	case !answered:
		all.State = "stuck"
		if t := s.current.Load(); t != nil {
			all.Current = t.Name()
			if w := t.employer.Load(); w != nil {
				all.CurrentStack = dump[w.goid.Load()]
			}
		}
	case v.closing:
		all.State = "closing"
	}
	if !answered {
		all.Ready, all.Omitted = 0, 0
		return all
	}
	for i := range v.tasks {
		c := &v.tasks[i]
		all.Tasks = append(all.Tasks, TaskState{
			ID: c.mark, Parent: c.parent, Name: c.t.Name(), State: c.state.String(), Waits: c.waits, Kind: c.kind,
			FD:  c.fd,
			For: max(v.now.Sub(c.since), 0), Stack: dump[c.goid],
		})
	}
	return all
}

func (s *Scheduler) isOver() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// allStacks returns the stacks of all goroutines by their numbers in stack dumps, as far as a dump
// of maxDump bytes holds them. It stops the world meanwhile.
func allStacks() map[int64]string {
	all := map[int64]string{}
	var dump []byte
	for size := 1 << 16; size <= maxDump; size *= 4 {
		dump = make([]byte, size)
		n := runtime.Stack(dump, true)
		dump = dump[:n]
		if n < size {
			break
		}
	}
	for one := range bytes.SplitSeq(dump, []byte("\n\n")) {
		number, ok := bytes.CutPrefix(one, []byte("goroutine "))
		end := bytes.IndexByte(number, ' ')
		if !ok || end < 0 {
			continue
		}
		if id, err := strconv.ParseInt(string(number[:end]), 10, 64); err == nil {
			all[id] = string(one)
		}
	}
	return all
}
