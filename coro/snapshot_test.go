package coro

import (
	"context"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// byName returns the tasks of a snapshot by their names.
func byName(s Snapshot) map[string]TaskState {
	all := map[string]TaskState{}
	for _, t := range s.Tasks {
		all[t.Name] = t
	}
	return all
}

// until takes snapshots until one is as it should be.
func until(t *testing.T, s *Scheduler, want func(map[string]TaskState) bool) Snapshot {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		now := s.Snapshot(SnapshotOptions{Wait: time.Minute})
		if want(byName(now)) {
			return now
		}
		if time.Now().After(end) {
			t.Fatalf("not as it should be: %+v", now)
		}
	}
}

// TestSnapshot guards what a snapshot says of tasks that wait for each kind of thing.
func TestSnapshot(t *testing.T) {
	each(t, Options{Name: "lane"}, func(t *testing.T, r *rig) {
		var mutex Mutex
		var event Event
		queue, semaphore := NewQueue[int](0), NewSemaphore(1)
		if err := semaphore.Acquire(context.Background(), 1); err != nil {
			t.Fatal(err)
		}
		if err := mutex.Lock(context.Background()); err != nil {
			t.Fatal(err)
		}
		wait := map[string]func(*Task) error{
			"mutex":     func(t *Task) error { return mutex.Lock(t) },
			"event":     func(t *Task) error { return event.Wait(t) },
			"queue":     func(t *Task) error { _, err := queue.Recv(t); return err },
			"semaphore": func(t *Task) error { return semaphore.Acquire(t, 1) },
		}
		parent := Spawn(r.Scheduler, func(p *Task) (int, error) {
			for name, f := range wait {
				Spawn(p, func(t *Task) (int, error) { return 0, f(t) }, Name(name))
			}
			return 0, nil
		}, Name("parent"))
		s := until(t, r.Scheduler, func(m map[string]TaskState) bool {
			return len(m) == len(wait)+1 && m["queue"].State == "waiting" && m["mutex"].State == "waiting" &&
				m["event"].State == "waiting" && m["semaphore"].State == "waiting"
		})
		if s.State != "running" || s.Name != "lane" || s.Stats.Tasks != int64(len(s.Tasks)) || s.Omitted != 0 {
			t.Errorf("scheduler: %+v", s)
		}
		m := byName(s)
		for name := range wait {
			if m[name].Waits != name || m[name].Parent != m["parent"].ID || m[name].FD != -1 {
				t.Errorf("%s: %+v", name, m[name])
			}
		}
		if p := m["parent"]; p.Waits != "children" || p.Parent != 0 || p.ID == 0 {
			t.Errorf("parent: %+v", p)
		}
		time.Sleep(2 * time.Millisecond)
		later := byName(r.Snapshot(SnapshotOptions{Wait: time.Minute, Stacks: true}))
		for name := range wait {
			if later[name].ID != m[name].ID || later[name].For < m[name].For+2*time.Millisecond {
				t.Errorf("%s: %+v, then %+v", name, m[name], later[name])
			}
			if !strings.Contains(later[name].Stack, "TestSnapshot") {
				t.Errorf("stack of %s: %q", name, later[name].Stack)
			}
		}
		if few := r.Snapshot(SnapshotOptions{Wait: time.Minute, Limit: 2}); len(few.Tasks) != 2 ||
			few.Omitted != len(wait)-1 {
			t.Errorf("limit 2: %d tasks, %d omitted", len(few.Tasks), few.Omitted)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Error(err)
		}
		parent.Cancel()
	})
}

// TestSnapshotStuck guards that a snapshot of a scheduler whose thread a task keeps returns, names
// the task, and leaves no question behind.
func TestSnapshotStuck(t *testing.T) {
	each(t, Options{HogLimit: time.Hour}, func(t *testing.T, r *rig) {
		release, begun := make(chan struct{}), make(chan struct{})
		h := Spawn(r.Scheduler, func(*Task) (int, error) { close(begun); <-release; return 0, nil }, Name("hog"))
		<-begun
		for range 3 {
			s := r.Snapshot(SnapshotOptions{Wait: 5 * time.Millisecond, Stacks: true})
			if s.State != "stuck" || s.Current != "hog" || len(s.Tasks) != 0 || s.Loop.State != "stuck" {
				t.Errorf("snapshot: %+v", s)
			}
			if !strings.Contains(s.CurrentStack, "TestSnapshotStuck") {
				t.Errorf("stack: %q", s.CurrentStack)
			}
		}
		if r.views.Load() != nil {
			t.Error("a question waits for its answer though it has been given up")
		}
		close(release)
		h.Wait(context.Background())
		if s := r.Snapshot(SnapshotOptions{Wait: time.Minute}); s.State != "running" || s.Current != "" {
			t.Errorf("after that: %+v", s)
		}
	})
}

// TestSnapshotHere guards a snapshot that a task takes of its own scheduler.
func TestSnapshotHere(t *testing.T) {
	each(t, Options{}, func(t *testing.T, r *rig) {
		h := Spawn(r.Scheduler, func(me *Task) (Snapshot, error) { return r.Snapshot(SnapshotOptions{}), nil },
			Name("me"))
		s, _ := h.Wait(context.Background())
		if me := byName(s)["me"]; me.State != "running" || s.State != "running" || s.Loop.State != "running" {
			t.Errorf("snapshot: %+v", s)
		}
	})
}

// TestSnapshotStorm guards, above all under the race detector, that snapshots may be taken while
// tasks begin, wait, are cancelled, and the scheduler is closed; and what is said after its end.
func TestSnapshotStorm(t *testing.T) {
	for range 5 {
		io, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
		if err != nil {
			t.Skip("no backend can start here:", err)
		}
		s, err := New(Options{IO: io})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		done := make(chan struct{})
		for g := range 4 {
			wg.Go(func() {
				for {
					now := s.Snapshot(SnapshotOptions{Limit: 1 + 10*g, Stacks: g == 3})
					if len(now.Tasks) > 1+10*g {
						t.Errorf("%d tasks, limit %d", len(now.Tasks), 1+10*g)
					}
					select {
					case <-done:
						return
					default:
					}
				}
			})
		}
		var event Event
		for range 200 {
			h := Spawn(s, func(p *Task) (int, error) {
				Spawn(p, func(t *Task) (int, error) { return 0, t.Sleep(100 * time.Microsecond) })
				return 0, event.Wait(p)
			})
			h.Cancel()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if now := s.Snapshot(SnapshotOptions{}); now.State != "ended" || len(now.Tasks) != 0 ||
			now.Loop.State != "ended" {
			t.Errorf("after the end: %+v", now)
		}
		close(done)
		wg.Wait()
		if err := io.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSnapshotCostsNothing guards that what each turn writes for snapshots lies in what was
// padding, beside what each turn writes anyway.
func TestSnapshotCostsNothing(t *testing.T) {
	task := reflect.TypeFor[Task]()
	turn, _ := task.FieldByName("turn")
	direct, _ := task.FieldByName("direct")
	next, _ := task.FieldByName("sitter")
	if turn.Offset/8 != direct.Offset/8 || next.Offset != (direct.Offset/8+1)*8 {
		t.Errorf("turn lies at %d, direct at %d and what follows at %d", turn.Offset, direct.Offset, next.Offset)
	}
}
