package sched_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"
)

// The package promises no I/O, no system call and no clock: these are all the imports it gets by
// with.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		"context": true, "errors": true, "fmt": true, "math/bits": true, "sync": true, "sync/atomic": true,
		"github.com/weirgo/weir/internal/park": true, "github.com/weirgo/weir/internal/bubble": true,
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob = %v, %v", files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			if path, _ := strconv.Unquote(spec.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}

// mustPanic calls f and checks that it panics with a text that holds want.
func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		if v == nil {
			t.Errorf("no panic, want one with %q", want)
		} else if got := fmt.Sprint(v); !strings.Contains(got, want) {
			t.Errorf("panic %q, want one with %q", got, want)
		}
	}()
	f()
}

// mustNotAllocate checks that f does not allocate in steady state.
func mustNotAllocate(t *testing.T, what string, f func()) {
	t.Helper()
	if sys.RaceEnabled {
		t.Log("skipped: the race detector changes what allocates")
		return
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}

// eventually polls until ok or until far too much time has passed.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for start := time.Now(); !ok(); {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("timed out waiting until %s", what)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// within runs f and fails if it does not return: a wake-up or a token that got lost shows as a
// name, not as the dump of a test binary that timed out.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s: not done after %v", what, d)
	}
}
