//go:build !js && !wasip1

package coro

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestCrash guards that an error of this package's own, after the function of a task is over, ends
// the program and says where, whichever goroutine would go on.
func TestCrash(t *testing.T) {
	if yields, err := strconv.Atoi(os.Getenv("WEIR_CORO_CRASH")); err == nil {
		r := onSystem(t, Options{})
		r.do(func(task *Task) {
			for range 2 {
				child(task, func(task *Task) {
					for task.cancelled() == nil {
						task.Yield()
					}
				})
			}
			for range yields { // the tasks that could go on have come there in one way or the other
				task.Yield()
			}
			task.state = stateWaiting // in which it cannot wait
		})
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Skip("the program cannot be run once more:", err)
	}
	for yields := range 4 {
		cmd := exec.Command(exe, "-test.run=^TestCrash$", "-test.timeout=30s")
		cmd.Env = append(os.Environ(), fmt.Sprint("WEIR_CORO_CRASH=", yields))
		out, err := cmd.CombinedOutput()
		for _, want := range []string{"goes from waiting to waiting", "panic: ", "coro.(*Task).finish"} {
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("after %d yields: %v, no %q in\n%s", yields, err, want, out)
			}
		}
	}
}
