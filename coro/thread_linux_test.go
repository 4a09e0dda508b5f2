package coro

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// TestLockOSThread guards what LockOSThread does in a coroutine: undone before the next wait it is
// harmless; left in force it ends the program, with words and with the stack that waits.
func TestLockOSThread(t *testing.T) {
	if how := os.Getenv("WEIR_CORO_LOCK"); how != "" {
		r := onSystem(t, Options{})
		r.do(func(task *Task) {
			if how == "lock" {
				runtime.LockOSThread()
			} else {
				runtime.UnlockOSThread()
			}
			task.Yield()
		})
		return
	}
	r := onSystem(t, Options{})
	r.do(func(task *Task) {
		for range 10 {
			runtime.LockOSThread()
			runtime.UnlockOSThread()
			task.Yield()
		}
	})
	for _, how := range []string{"lock", "unlock"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLockOSThread$")
		cmd.Env = append(os.Environ(), "WEIR_CORO_LOCK="+how)
		out, err := cmd.CombinedOutput()
		for _, want := range []string{"OS thread locking must match locking at coroutine creation",
			"coro.TestLockOSThread", "Yield"} {
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: %v, no %q in\n%s", how, err, want, out)
			}
		}
	}
}
