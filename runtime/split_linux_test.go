package runtime

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"github.com/weirgo/weir/backends"
)

// TestSplit guards where operations run when io_uring is the backend and goroutines use the
// scheduler drive: waits on loops of readiness, work on rings that have a thread each, and none of
// these threads before there is work. Completions that are seen late: libevpl#162.
func TestSplit(t *testing.T) {
	if err := (linuxKernel{candidates[0]}).starts(true); err != nil {
		t.Skip("no io_uring here:", err)
	}
	for _, tt := range []struct{ drive, ask, waits string }{
		{DriveAuto, "", "epoll"},
		{DriveAuto, "io_uring", "epoll"},
		{DriveScheduler, "io_uring", "epoll"},
		{DriveAuto, "-epoll", "portable"},
		{DriveAuto, "io_uring,portable", "portable"},
		{DriveThread, "io_uring", "io_uring"},
		{DriveAuto, "epoll", "epoll"},
	} {
		t.Run(tt.drive+" "+tt.ask, func(t *testing.T) {
			rt, err := New(Options{Backend: tt.ask, Drive: tt.drive, Loops: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer rt.Close()
			work := "io_uring"
			if tt.ask == "epoll" {
				work = "epoll"
			}
			if i := rt.Info(); i.Backend != work || i.Waits != tt.waits || i.Drive != tt.drive || i.Detail == "" &&
				work == "io_uring" {
				t.Errorf("info: %+v", i)
			}
			if n := len(rt.loops()); tt.drive != DriveThread && n != 2 {
				t.Errorf("%d loops before there is work", n)
			}
			runs := func(what string, l *Loop, err error, want string) {
				t.Helper()
				if err != nil {
					t.Fatal(what, ": ", err)
				}
				if got := l.be.Name(); got != want {
					t.Errorf("%s: on %s, want %s", what, got, want)
				}
				c := Completion{Op: backends.Op{Code: backends.OpNop}}
				if err := l.Do(context.Background(), &c); err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			for n := range uint32(3) {
				l, err := rt.Any(n)
				runs("a wait", l, err, tt.waits)
				l, err = rt.AnyWorker(n)
				runs("work", l, err, work)
			}
			for _, polled := range []bool{true, false} {
				l, i, err := rt.Place(polled)
				want := work
				if polled {
					want = tt.waits
				}
				runs("a handle", l, err, want)
				rt.Release(i)
			}
		})
	}
}

// TestSplitDenied guards that a ring which is denied is found out when the Runtime starts, not when
// a file is first used, whatever has been found out before; and that no backend of readiness is an
// error.
func TestSplitDenied(t *testing.T) {
	w := machine{bind: map[string]error{}}
	w.among(t, "io_uring", "epoll")
	candidates[0].onThread = true
	if l, err := NewLoop(Options{Backend: "io_uring"}); err != nil {
		t.Fatal(err)
	} else if err := l.Close(); err != nil { // proven
		t.Fatal(err)
	}
	w.bind["io_uring"] = syscall.EPERM
	if rt, err := New(Options{Backend: "io_uring"}); !errors.Is(err, syscall.EPERM) {
		t.Errorf("New: %v, %v, want EPERM", rt, err)
	}
	if w.opened.Load() != w.closed.Load() {
		t.Errorf("%d backends were opened, %d closed", w.opened.Load(), w.closed.Load())
	}
}
