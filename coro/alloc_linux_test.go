//go:build !weir_portable

package coro

import (
	"runtime/debug"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/internal/sys"
)

// TestNoAllocations guards that in steady state nothing that waits allocates, and that a task costs
// one object, its handle.
func TestNoAllocations(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which empties pools
	weir := open(t, aio.Options{})
	r := onSystem(t, Options{IO: weir})
	a, b := pair(t, weir, "tcp")
	r.do(func(task *Task) {
		there, back := NewQueue[int](0), NewQueue[int](1)
		var mu Mutex
		var done Event
		echo := child(task, func(task *Task) {
			c := task.Conn(b)
			buf := make([]byte, 8)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				c.Write(buf[:n])
			}
		})
		pong := child(task, func(task *Task) {
			for {
				v, err := there.Recv(task)
				if err != nil {
					return
				}
				mu.Lock(task)
				task.Yield()
				mu.Unlock()
				back.Send(task, v)
			}
		})
		c := task.Conn(a)
		buf := make([]byte, 8)
		nops := []*op.Op{op.Nop(), op.Nop().Link(), op.Nop()}
		for what, f := range map[string]func(){
			"view": func() { c.Write(buf); c.Read(buf) },
			"queue and mutex": func() {
				there.Send(task, 1)
				mu.Lock(task)
				mu.Unlock()
				back.Recv(task)
			},
			"operations": func() { task.Do(nops...) },
			"sleep":      func() { task.Sleep(time.Microsecond) },
			"yield":      func() { task.Yield() },
			"event":      func() { done.Set(); done.Wait(task); done.Reset() },
		} {
			for range 100 {
				f()
			}
			if n := testing.AllocsPerRun(200, f); n != 0 {
				t.Errorf("%s: %v objects each time", what, n)
			}
		}
		nothing := func(*Task) (int, error) { return 0, nil }
		if n := testing.AllocsPerRun(200, func() { Spawn(task, nothing).Wait(task) }); n != 1 {
			t.Errorf("a task: %v objects", n)
		}
		there.Close()
		pong.Wait(task)
		echo.task.cancel(ErrCanceled)
	})
}
