package runtime

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	stdruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys/systest"
)

// poolGoroutines counts the goroutines on which the backends without a kernel's workers make calls
// that block.
func poolGoroutines() int {
	buf := make([]byte, 1<<20)
	for n := stdruntime.Stack(buf, true); n == len(buf); n = stdruntime.Stack(buf, true) {
		buf = make([]byte, 2*len(buf))
	}
	n := 0
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "epoll.(*pool).loop(") || strings.Contains(g, "portable.(*engine).work(") {
			n++
		}
	}
	return n
}

// TestKernelWorkers: each loop has as many kernel workers of each kind, or goroutines in their
// place, as Options.KernelWorkers says and no more: on every drive, on the loops of both halves of
// a split, and on rings whose thread starts long after the Runtime.
func TestKernelWorkers(t *testing.T) {
	const (
		bound = 3
		loops = 2
		many  = 20
	)
	for _, tt := range []struct{ drive, backend string }{
		{DriveAuto, "io_uring"}, {DriveScheduler, "io_uring"}, {DriveThread, "io_uring"},
		{DriveAuto, "io_uring,portable"},
		{DriveAuto, "epoll"}, {DriveScheduler, "epoll"}, {DriveThread, "epoll"},
		{DriveAuto, "portable"}, {DriveScheduler, "portable"}, {DriveThread, "portable"},
	} {
		t.Run(tt.drive+"/"+tt.backend, func(t *testing.T) {
			if env := os.Getenv("WEIR_URING"); strings.Contains(env, "=all") && strings.HasPrefix(tt.backend,
				"io_uring") {
				t.Skipf("WEIR_URING=%s makes system calls of what this test looks at", env)
			}
			// In a process of its own: a thread that has used another ring keeps the bound of that
			// one.
			systest.Child(t, func() {
				rt, err := New(Options{Backend: tt.backend, Drive: tt.drive, Loops: loops, KernelWorkers: bound})
				if err != nil {
					t.Skip("the backend cannot start here: ", err)
				}
				file, err := unix.MemfdCreate("file", unix.MFD_CLOEXEC)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(file)
				var wg sync.WaitGroup
				var fifos []string
				defer func() {
					for _, name := range fifos { // an open goes on until there is another end
						fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
						if err != nil {
							panic(err)
						}
						defer unix.Close(fd)
					}
					wg.Wait()
					if err := rt.Close(); err != nil {
						t.Error(err)
					}
				}()
				for i := range uint32(loops) {
					if _, err := rt.AnyWorker(i); err != nil {
						t.Fatal(err)
					}
				}
				// An open of a FIFO blocks its worker until there is another end. The gate would
				// let in half as many as there are workers.
				rings, pools := 0, 0
				for _, l := range rt.loops() {
					if l.be.Name() == "io_uring" {
						rings++
					} else {
						pools++
					}
					l.gate.max = many
					for range many {
						name := fmt.Sprint("fifo", len(fifos))
						if err := unix.Mkfifo(name, 0o600); err != nil {
							t.Fatal(err)
						}
						fifos = append(fifos, name)
						path, err := backends.PathOf(name)
						if err != nil {
							t.Fatal(err)
						}
						wg.Go(func() {
							c := &Completion{Op: backends.Op{
								Code: backends.OpOpen, FD: backends.AtCWD, Flags: unix.O_CLOEXEC,
								Args: &backends.Args{Path: path},
							}}
							if err := l.Do(context.Background(), c); err != nil {
								t.Errorf("open of a FIFO on %s: %v", l.be.Name(), err)
							} else {
								unix.Close(c.N())
							}
						})
						for range 5 { // which takes workers of another kind, where there are two
							wg.Go(func() {
								if err := l.Do(context.Background(),
									&Completion{Op: backends.Op{Code: backends.OpFsync, FD: file}}); err != nil {
									t.Errorf("fsync on %s: %v", l.be.Name(), err)
								}
							})
						}
					}
				}
				full := func() bool { return systest.Workers(t) >= rings*bound && poolGoroutines() >= pools*bound }
				for limit := time.Now().Add(patience); !full(); time.Sleep(time.Millisecond) {
					if time.Now().After(limit) {
						t.Fatalf("%d workers of %d rings, %d goroutines of %d pools", systest.Workers(t), rings,
							poolGoroutines(), pools)
					}
				}
				for range 20 {
					for _, l := range rt.loops() { // all go on
						if err := l.Do(context.Background(), &Completion{Op: nop()}); err != nil {
							t.Error(err)
						}
					}
					if n, most := systest.Workers(t), 2*bound*rings; n > most {
						t.Fatalf("%d workers of the kernel's for %d rings, want at most %d", n, rings, most)
					}
					if n, most := poolGoroutines(), bound*pools; n > most {
						t.Fatalf("%d goroutines of %d pools, want at most %d", n, pools, most)
					}
					time.Sleep(time.Millisecond)
				}
			}, func(cmd *exec.Cmd) { cmd.Dir = t.TempDir() })
		})
	}
}
