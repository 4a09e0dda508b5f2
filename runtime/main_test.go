package runtime

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/backends/uring/uringtest"
)

// TestMain guards that the tests leave nothing behind: no goroutine, no descriptor, no thread of
// the kernel's.
func TestMain(m *testing.M) {
	uringtest.FromEnv()
	if r, w, err := os.Pipe(); err == nil { // starts Go's netpoller, whose descriptors stay; WASI has no pipes
		r.Close()
		w.Close()
	}
	goleak.VerifyTestMain(leakChecker{m})
}

type leakChecker struct{ m *testing.M }

func (l leakChecker) Run() int {
	before := openFDs()
	code := l.m.Run()
	if code != 0 {
		return code
	}
	if after := openFDs(); len(after) > len(before) {
		fmt.Printf("descriptors leaked:\nbefore %v\nafter  %v\n", before, after)
		return 1
	}
	for end := time.Now().Add(20 * time.Second); len(workers()) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			fmt.Println("kernel threads leaked:", workers())
			return 1
		}
	}
	return 0
}
