package coro

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"
)

// TestWatchdog guards that a task that keeps the thread is reported once, with its name and the
// stack that it has then, whether it computes or blocks; and that tasks that wait, or run often but
// briefly, are not.
func TestWatchdog(t *testing.T) {
	hogs := make(chan Hog, 100)
	o := Options{Name: "watched", HogLimit: 20 * time.Millisecond, OnHog: func(h Hog) { hogs <- h }}
	r := onSystem(t, o)
	innocent := Spawn(r.Scheduler, func(task *Task) (int, error) {
		for task.Yield() == nil {
			if err := task.Sleep(time.Millisecond); err != nil {
				return 0, err
			}
		}
		return 0, nil
	}, Name("innocent"))
	for what, hog := range map[string]func(c chan bool){"spin": spin, "block": block} {
		release := make(chan bool)
		h := Spawn(r.Scheduler, func(task *Task) (int, error) {
			for range 2 { // twice, and reported once
				hog(release)
				task.Yield()
			}
			return 0, nil
		}, Name(what))
		got := <-hogs
		if got.Scheduler != "watched" || got.Task != what || got.Running < o.HogLimit {
			t.Errorf("%s: reported %s of %s after %v", what, got.Task, got.Scheduler, got.Running)
		}
		if !strings.Contains(string(got.Stack), "coro."+what+"(") || strings.Contains(string(got.Stack), "\n\n") {
			t.Errorf("%s: the stack is not the task's:\n%s", what, got.Stack)
		}
		release <- true
		time.Sleep(2 * o.HogLimit)
		release <- true
		r.wait(h)
	}
	innocent.Cancel()
	innocent.Wait(context.Background())
	r.Close()
	for len(hogs) > 0 {
		if h := <-hogs; h.Task != "innocent" { // which a slow machine can make one
			t.Errorf("%s was reported again", h.Task)
		}
	}
	if n := r.Stats().Hogs; n < 2 {
		t.Errorf("Stats counts %d", n)
	}
}

//go:noinline
func spin(c chan bool) {
	for {
		select {
		case <-c:
			return
		default: //lint:ignore SA5004 it is to spin
		}
	}
}

//go:noinline
func block(c chan bool) { <-c }

// TestHogStack guards that a report has the stack of the turn that it is about, or none.
func TestHogStack(t *testing.T) {
	for name, tt := range map[string]struct {
		looked, others, want bool
	}{
		"its turn": {looked: true, want: true}, "a later turn": {}, "another's turn": {looked: true, others: true},
	} {
		hogs := make(chan Hog, 1)
		r := onSystem(t, Options{HogLimit: time.Hour, OnHog: func(h Hog) { hogs <- h }})
		r.do(func(task *Task) {
			r.looked.Store(tt.looked)
			of := task
			if tt.others {
				of = &Task{name: "other"}
				of.employer.Store(task.worker)
			}
			r.report(of, time.Hour, 0)
		})
		if h := <-hogs; (h.Stack != nil) != tt.want {
			t.Errorf("%s: the stack is %q", name, h.Stack)
		}
	}
}

// TestHogsOmitted guards that reports come in bounded numbers: in the pause after one, hogs are
// counted, and one that still runs when it is over is reported then.
func TestHogsOmitted(t *testing.T) {
	const limit = hogPause / 8
	hogs := make(chan Hog, 10)
	r := onSystem(t, Options{HogLimit: -1, OnHog: func(h Hog) { hogs <- h }}) // this test is the watchdog
	r.o.HogLimit = limit
	r.do(func(task *Task) {
		now := time.Unix(1, 0)
		w := watchdog{s: r.Scheduler}
		run := func(name Name, d time.Duration) {
			r.current.Store(&Task{name: string(name)})
			r.looked.Store(false)
			w.look(now)
			for range 4 {
				now = now.Add(d / 4)
				w.look(now)
			}
		}
		run("brief", limit-1)
		run("first", limit)
		run("second", limit)
		run("third", 2*limit)
		run("fourth", hogPause*3/2)
		run("fifth", limit)
		run("sixth", 3*hogPause)
		r.current.Store(task)
	})
	got := map[string]int{}
	for range 3 {
		h := <-hogs
		got[h.Task] = h.Omitted
	}
	if n, first := got["first"]; !first || n != 0 {
		t.Errorf("reported: %v", got)
	}
	if n, fourth := got["fourth"]; !fourth || n != 2 {
		t.Errorf("reported: %v", got)
	}
	if n, sixth := got["sixth"]; !sixth || n != 1 {
		t.Errorf("reported: %v", got)
	}
	if n := r.Stats().Hogs; n != 6 {
		t.Errorf("%d were counted", n)
	}
	r.Close()
	if len(hogs) > 0 {
		t.Errorf("%+v was reported", <-hogs)
	}
}

// TestWatchdogBusy guards that a thread which is never idle is no hog's: its tasks take turns.
func TestWatchdogBusy(t *testing.T) {
	const limit = 200 * time.Millisecond
	hogs := make(chan Hog, 100)
	r := onSystem(t, Options{HogLimit: limit, OnHog: func(h Hog) { hogs <- h }})
	var longest time.Duration // between two resumptions: all of this is of one thread
	last := time.Now()
	end := last.Add(3 * limit)
	var all []*Handle[int]
	for range 2 {
		all = append(all, Spawn(r.Scheduler, func(task *Task) (int, error) {
			for now := last; now.Before(end); last = now {
				if err := task.Yield(); err != nil {
					return 0, err
				}
				now = time.Now()
				longest = max(longest, now.Sub(last))
			}
			return 0, nil
		}))
	}
	for _, h := range all {
		r.wait(h)
	}
	r.Close()
	if longest > limit/2 {
		t.Skipf("the thread stood still for %v", longest)
	}
	if len(hogs) > 0 {
		t.Errorf("%+v was reported; the longest turn took %v", <-hogs, longest)
	}
}

// TestWatchdogLogs guards that without OnHog reports go to the Logger.
func TestWatchdogLogs(t *testing.T) {
	var buf lockedBuffer
	logger := slog.New(slog.NewTextHandler(&buf, nil))
	r := onSystem(t, Options{HogLimit: time.Millisecond, Logger: logger})
	release := make(chan bool)
	h := Spawn(r.Scheduler, func(*Task) (int, error) { block(release); return 0, nil }, Name("the hog"))
	for !strings.Contains(buf.String(), `task="the hog"`) {
		time.Sleep(time.Millisecond)
	}
	release <- true
	r.wait(h)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestFairness guards that tasks that are always ready do not keep the loop from timers, operations
// and other threads.
func TestFairness(t *testing.T) {
	r := onSystem(t, Options{}) // a simulated clock stands still while no goroutine waits for it
	r.do(func(task *Task) {
		stop := false
		for range 3 {
			child(task, func(task *Task) {
				for !stop {
					task.Yield()
				}
			})
		}
		for range 10 {
			if err := task.Sleep(time.Microsecond); err != nil {
				t.Error(err)
			}
		}
		var e Event
		go e.Set()
		if err := e.Wait(task); err != nil {
			t.Error(err)
		}
		if err := task.Blocking(func() {}); err != nil {
			t.Error(err)
		}
		stop = true
	})
}

// TestHundredThousand guards that so many tasks can wait at one time, be woken, be cancelled, and
// leave nothing behind.
func TestHundredThousand(t *testing.T) {
	n := 100_000
	if testing.Short() || sys.RaceEnabled {
		n = 20_000
	}
	r := onSystem(t, Options{})
	r.do(func(task *Task) {
		var gate Event
		ended, canceled := 0, 0
		hs := make([]*Handle[int], n)
		for i := range hs {
			hs[i] = child(task, func(task *Task) {
				if gate.Wait(task) != nil {
					canceled++
				}
				if task.Sleep(time.Duration(i%1000)*time.Microsecond) != nil {
					canceled++
				}
				ended++
			})
		}
		task.Yield()
		if got := r.Stats(); got.Tasks != int64(n)+1 || got.Workers < uint64(n) {
			t.Errorf("%+v", got)
		}
		for i := 0; i < n; i += 10 {
			hs[i].task.cancel(ErrCanceled)
		}
		gate.Set()
		for _, h := range hs {
			h.Wait(task)
		}
		if ended != n || canceled != n/10*2 {
			t.Errorf("%d are over, %d waits were cancelled", ended, canceled)
		}
	})
	if got := r.Stats(); got.Spawned != uint64(n)+1 || got.Resumed < uint64(2*n) {
		t.Errorf("%+v", got)
	}
}

// TestOptions guards the checks of options.
func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{"Budget": {Budget: -1}, "HogLimit": {HogLimit: 1}} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	r := onSystem(t, Options{IdleWorkers: -1, HogLimit: -1, Budget: 1})
	for range 10 {
		r.do(func(task *Task) { task.Yield() })
	}
	if n := r.Stats().Workers; n != 10 {
		t.Errorf("%d workers for 10 tasks that nothing is kept for", n)
	}
	if r.IO() == nil {
		t.Error("no IO")
	}
}
