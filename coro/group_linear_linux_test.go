package coro

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestGroupLinear guards that a Group costs each of its tasks the same however many there are,
// whether they end by themselves, are waited for, are cancelled, or wait for room in it.
func TestGroupLinear(t *testing.T) {
	each(t, Options{HogLimit: -1}, func(t *testing.T, r *rig) {
		most := 200000
		if testing.Short() {
			most = 20000
		}
		r.do(func(task *Task) {
			for what, how := range map[string]struct {
				sleep time.Duration
				room  int // the limit is so many times smaller than the number of tasks; 0: there is none
			}{
				"ended": {0, 0}, "cancelled": {time.Hour * 1e4, 0}, "limited": {0, most / 10},
				"limited, and full": {time.Millisecond, 2},
			} {
				for try := 1; ; try++ {
					few, many := groupCPU(t, task, most/10, how.sleep, how.room), groupCPU(t, task, most, how.sleep,
						how.room)
					if many < 40*max(few, 10*time.Millisecond) { // it takes 100 times as long, if the time is a square
						break
					}
					if try == 5 { // a busy machine makes some times long
						t.Errorf("%s: %v of CPU for %d tasks, %v for %d", what, few, most/10, many, most)
						break
					}
				}
			}
		})
	})
}

// groupCPU is the CPU time that a group of n tasks takes.
func groupCPU(t *testing.T, task *Task, n int, sleep time.Duration, room int) time.Duration {
	before := processCPU(t)
	g := NewGroup(task)
	running, most := 0, n
	if room > 0 {
		most = n / room
		g.SetLimit(most)
	}
	for range n {
		if err := g.Go(func(task *Task) error {
			if running++; running > most {
				t.Errorf("%d tasks run, the limit is %d", running, most)
			}
			if sleep > 0 {
				task.Sleep(sleep)
			}
			running--
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if sleep > time.Second {
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
