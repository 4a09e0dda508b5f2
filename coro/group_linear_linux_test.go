package coro

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGroupLinear guards that a Group costs each of its tasks the same however many there are, whether they end by
// themselves, are waited for, or are cancelled.
func TestGroupLinear(t *testing.T) {
	each(t, Options{HogLimit: -1}, func(t *testing.T, r *rig) {
		most := 200000
		if testing.Short() {
			most = 20000
		}
		r.do(func(task *Task) {
			for what, sleep := range map[string]time.Duration{"ended": 0, "cancelled": time.Hour * 1e4} {
				few := min(groupCPU(t, task, most/10, sleep), groupCPU(t, task, most/10, sleep))
				many := groupCPU(t, task, most, sleep)
				if ratio := float64(many) / float64(max(few, 10*time.Millisecond)); ratio > 40 { // 100, if the time is a square
					t.Errorf("%s: %v of CPU for %d tasks, %v for %d", what, few, most/10, many, most)
				}
			}
		})
	})
}

// groupCPU is the CPU time that a group of n tasks takes.
func groupCPU(t *testing.T, task *Task, n int, sleep time.Duration) time.Duration {
	before := processCPU(t)
	g := NewGroup(task)
	for range n {
		if err := g.Go(func(task *Task) error {
			if sleep > 0 {
				task.Sleep(sleep)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if sleep > 0 {
		task.Yield()
		g.Cancel()
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	return processCPU(t) - before
}

// processCPU is the CPU time that the process has used.
func processCPU(t *testing.T) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Error(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
