package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	stdruntime "runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/internal/sys/systest"
)

// The numbers of these tests are those of the list of faults in docs/testing.md.

// TestFault48NoThreads: the process may have no more threads, so the kernel starts no workers for a
// ring. What needs one is done on weir's pool.
func TestFault48NoThreads(t *testing.T) {
	for _, d := range picked(systemDrives()) {
		t.Run(d.name, func(t *testing.T) {
			systest.Child(t, func() {
				if err := errors.Join(unix.Mkfifo("fifo", 0o666), os.Chmod("fifo", 0o666)); err != nil {
					t.Fatal(err)
				}
				systest.Nobody(t)
				spareThreads(40)
				r := startRuntime(t, d, Options{KernelWorkers: 4})
				systest.Limit(t, unix.RLIMIT_NPROC, 1)
				file, err := unix.MemfdCreate("file", unix.MFD_CLOEXEC)
				if err != nil {
					t.Fatal(err)
				}
				r.own(file)
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() { r.mustDo(backends.Op{Code: backends.OpFsync, FD: file}) })
				}
				wg.Wait()
				// This blocks, in the pool, and blocks nothing else.
				path, err := backends.PathOf("fifo")
				if err != nil {
					t.Fatal(err)
				}
				var ends [2]int
				open := func(i, flags int) {
					ends[i] = r.mustDo(backends.Op{Code: backends.OpOpen, FD: backends.AtCWD,
						Args: &backends.Args{Path: path}, Flags: uint32(flags | unix.O_CLOEXEC)})
				}
				wg.Go(func() { open(0, unix.O_RDONLY) })
				r.settled(1)
				for range 10 {
					r.mustDo(nop())
				}
				wg.Go(func() { open(1, unix.O_WRONLY) })
				wg.Wait()
				for _, fd := range ends {
					r.closeFD(r.own(fd))
				}
				if n := systest.Workers(t); n != 0 {
					t.Errorf("there are %d workers of the kernel's: this test has tested nothing", n)
				}
				n := r.l.Stats().Resubmitted
				t.Logf("%d operations were submitted again", n)
				if n == 0 && r.name() == "io_uring" && os.Getenv("WEIR_URING") == "" {
					t.Error("no operation was refused: this test has tested nothing")
				}
			}, func(cmd *exec.Cmd) { cmd.Dir = t.TempDir() })
		})
	}
}

// spareThreads makes Go's runtime start so many threads, which it keeps, and uses before it starts
// another: that it cannot do so ends a program.
func spareThreads(n int) {
	var all, ready sync.WaitGroup
	ready.Add(n)
	for range n {
		all.Go(func() {
			stdruntime.LockOSThread()
			defer stdruntime.UnlockOSThread()
			ready.Done()
			ready.Wait()
		})
	}
	all.Wait()
}

// TestFault50WorkerFlood: far more work than there are workers, most of which does not end by
// itself. The kernel starts no more of them than it may, the loop goes on, and so does work on
// files.
func TestFault50WorkerFlood(t *testing.T) {
	const (
		bound = 4
		many  = 30
	)
	for _, d := range picked(systemDrives()) {
		t.Run(d.name, func(t *testing.T) {
			// In a process of its own: the kernel counts workers for each thread that submits, and
			// a thread that has used another ring keeps the bound of that one.
			systest.Child(t, func() {
				r := startRuntime(t, d, Options{KernelWorkers: bound})
				file, err := unix.MemfdCreate("file", unix.MFD_CLOEXEC)
				if err != nil {
					t.Fatal(err)
				}
				r.own(file)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var wg sync.WaitGroup
				block := func(op backends.Op) {
					wg.Go(func() {
						n, err := r.do(ctx, op)
						if err == nil && op.Code == backends.OpOpen {
							r.kernel.closeFD(n) // a call that had begun
						} else if err != context.Canceled {
							t.Errorf("%s: %d, %v, want it to be cancelled", op.Code, n, err)
						}
					})
				}
				for i := range many {
					name := fmt.Sprint("fifo", i)
					if err := unix.Mkfifo(name, 0o600); err != nil {
						t.Fatal(err)
					}
					path, err := backends.PathOf(name)
					if err != nil {
						t.Fatal(err)
					}
					block(backends.Op{Code: backends.OpOpen, FD: backends.AtCWD, Args: &backends.Args{Path: path},
						Flags: unix.O_CLOEXEC})
					rd, _ := r.pipe()
					_, wr := r.pipe()
					block(backends.Op{Code: backends.OpSplice, FD: wr, Off: backends.Stream,
						Args: &backends.Args{FD: rd, Off: backends.Stream, Len: 100}})
				}
				most := 0
				a, b := r.socketPair()
				for range 20 {
					var syncs sync.WaitGroup
					for range many {
						syncs.Go(func() { r.mustDo(backends.Op{Code: backends.OpFsync, FD: file}) })
					}
					r.mustDo(backends.Op{Code: backends.OpSend, FD: a, Buf: []byte("x")})
					r.mustDo(backends.Op{Code: backends.OpRecv, FD: b, Buf: make([]byte, 1)})
					most = max(most, systest.Workers(t))
					syncs.Wait()
				}
				t.Logf("%d workers of the kernel's", most)
				if d.drive == DriveThread && most > 2*bound { // of each of two kinds
					t.Errorf("%d workers of the kernel's, want at most %d", most, 2*bound)
				}
				cancel()
				for i := range many { // where an open has begun on a thread, it goes on until there is another end
					fd, err := unix.Open(fmt.Sprint("fifo", i), unix.O_RDWR|unix.O_CLOEXEC, 0)
					if err != nil {
						t.Fatal(err)
					}
					r.own(fd)
				}
				wg.Wait()
			}, func(cmd *exec.Cmd) { cmd.Dir = t.TempDir() })
		})
	}
}

// TestFault59OneClock: time is what the backend's clock says. On a simulated kernel, whose clock
// has nothing to do with any other, everything ends when it is due there, and an hour is over at
// once.
func TestFault59OneClock(t *testing.T) {
	r := startRuntime(t, simLane(DriveThread), Options{})
	rd, _ := r.pipe()
	for _, op := range []backends.Op{{Code: backends.OpTimeout}, read(rd, make([]byte, 1))} {
		for _, d := range []time.Duration{time.Microsecond, time.Second, time.Hour, 1000 * time.Hour} {
			c := &Completion{Op: op}
			deadline := r.l.Now() + int64(d)
			c.SetDeadline(deadline)
			err := r.l.Do(context.Background(), c)
			if want := map[backends.Code]error{backends.OpRead: os.ErrDeadlineExceeded}[op.Code]; err != want {
				t.Errorf("%s: %v, want %v", op.Code, err, want)
			}
			// which a step of that clock may be
			if late := time.Duration(r.l.Now() - deadline); late < 0 || late > time.Microsecond {
				t.Errorf("%s was over %v after its deadline", op.Code, late)
			}
		}
	}
}

// threadLog is what a backend's methods find out about the threads that call them.
type threadLog struct {
	sync.Mutex
	calls map[int]int
}

func (l *threadLog) note() {
	l.Lock()
	defer l.Unlock()
	l.calls[sys.ThreadID()]++
}

// TestFault62OneThread: a loop that has a thread keeps it: what the thread has submitted would end
// with it. (On the callback lane: TestOneThread. Threads that submit and end: TestThreadsThatDie.)
func TestFault62OneThread(t *testing.T) {
	log := threadLog{calls: map[int]int{}}
	o := withShim(Options{}, func(s *shim) {
		log.Lock()
		clear(log.calls)
		log.Unlock()
		s.submit = func(batch []*backends.Completion) int { log.note(); return s.Backend.Submit(batch) }
		s.cancel = func(id backends.ID) bool { log.note(); return s.Backend.Cancel(id) }
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			log.note()
			return s.Backend.Poll(dst, deadline)
		}
	})
	for _, d := range drives() {
		if d.drive != DriveThread {
			continue // the other one has none
		}
		t.Run(d.name, func(t *testing.T) {
			r := startRuntime(t, d, o)
			for range 20 {
				gone := make(chan struct{})
				go func() { // on a thread that ends with it
					defer close(gone)
					lockThread()
					r.mustDo(nop())
				}()
				<-gone
				traffic(r, 2, 5)
				rd, _ := r.pipe()
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					if _, err := r.do(ctx, read(rd, make([]byte, 1))); err != context.Canceled {
						t.Errorf("a read that was cancelled: %v", err)
					}
				})
				stdruntime.GC()
				cancel()
				wg.Wait()
			}
			want := r.l.thread.id
			if err := r.rt.Close(); err != nil {
				t.Error(err)
			}
			log.Lock()
			defer log.Unlock()
			for id, n := range log.calls {
				if id != want {
					t.Errorf("%d calls on thread %d, the loop's is %d", n, id, want)
				}
			}
			if log.calls[want] == 0 {
				t.Error("no calls on the loop's thread")
			}
		})
	}
}
