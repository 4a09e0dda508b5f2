package systest

import (
	"os"
	"strings"
	"testing"
)

// Descriptors counts the process's open descriptors.
func Descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// Workers counts the threads that io_uring has started for the process.
func Workers(t testing.TB) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, task := range tasks {
		name, _ := os.ReadFile("/proc/self/task/" + task.Name() + "/comm") // it may be gone by now
		if strings.HasPrefix(string(name), "iou-wrk") {
			n++
		}
	}
	return n
}
