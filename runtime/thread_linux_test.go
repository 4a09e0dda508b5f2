package runtime

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// TestOneThread guards that everything of a callback loop happens on one OS thread, and that it
// cannot be run from another goroutine, nor twice at once.
func TestOneThread(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		want := 0
		check := func(what string) {
			if id := sys.ThreadID(); want == 0 {
				want = id
			} else if id != want {
				t.Errorf("%s runs on thread %d, others on %d", what, id, want)
			}
		}
		rd, wr := r.pipe()
		rounds := 0
		reader := r.submit(read(rd, make([]byte, 1)), func(c *Completion) Action {
			check("a read")
			if rounds++; rounds < 200 {
				return Rearm
			}
			return Disarm
		})
		writer := r.submit(write(wr, []byte{1}), func(c *Completion) Action {
			check("a write")
			if rounds < 200 {
				return Rearm
			}
			return Disarm
		})
		var timer Timer
		timer.Start(r.l, time.Microsecond, func(*Timer) Action {
			check("a timer")
			if err := r.l.Run(NoWait); err != ErrRunning {
				t.Errorf("Run in a callback: %v, want ErrRunning", err)
			}
			if err := r.l.Close(); err != ErrRunning {
				t.Errorf("Close in a callback: %v, want ErrRunning", err)
			}
			if reader.InFlight() || writer.InFlight() {
				return Rearm
			}
			return Disarm
		})
		var async Async
		if err := async.Start(r.l, func(*Async) Action { check("an async"); return Disarm }); err != nil {
			t.Fatal(err)
		}
		var elsewhere sync.WaitGroup
		elsewhere.Go(async.Notify)
		var blocking Completion
		blocking.Callback = func(*Completion) Action { check("the callback of a blocking function"); return Disarm }
		if err := r.l.Blocking(&blocking, func() {}); err != nil {
			t.Fatal(err)
		}
		r.run(UntilDone)
		elsewhere.Wait()
		check("the caller of Run")

		other := make(chan error)
		go func() { other <- r.l.Run(NoWait); other <- r.l.Close() }()
		for range 2 {
			if err := <-other; err != ErrWrongThread {
				t.Errorf("Run or Close on another goroutine: %v, want ErrWrongThread", err)
			}
		}
		if err := r.l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.l.Run(NoWait); err != ErrClosed {
			t.Errorf("Run after Close: %v", err)
		}
		if err := r.l.Close(); err != ErrClosed {
			t.Errorf("second Close: %v", err)
		}
	})
}

// threads lists the threads of the process that are not the kernel's.
func threads() []int {
	names, _ := filepath.Glob("/proc/self/task/*")
	var ids []int
	for _, name := range names {
		comm, err := os.ReadFile(name + "/comm")
		if id, bad := strconv.Atoi(filepath.Base(name)); err == nil && bad == nil && !strings.HasPrefix(string(comm),
			"iou-") {
			ids = append(ids, id)
		}
	}
	return ids
}

// storm sends SIGURG to threads without a pause until the function that it returns is called.
func storm(pick func() []int) (stop func() int) {
	var over atomic.Bool
	var sent int
	var wg sync.WaitGroup
	wg.Go(func() {
		for !over.Load() {
			for _, id := range pick() {
				if unix.Tgkill(os.Getpid(), id, syscall.SIGURG) == nil {
					sent++
				}
			}
			yield()
		}
	})
	return func() int {
		over.Store(true)
		wg.Wait()
		return sent
	}
}

// TestSignals guards that signals, which end every wait in the kernel early, are no error: nothing
// fails, no sleep gets shorter, and every sleep ends.
func TestSignals(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		var profile bytes.Buffer
		if err := pprof.StartCPUProfile(&profile); err == nil { // SIGPROF; fails if the tests are being profiled
			defer pprof.StopCPUProfile()
		}
		var list atomic.Pointer[[]int]
		refresh := func() { ids := threads(); list.Store(&ids) }
		refresh()
		stop := storm(func() []int {
			if r.l.drive == driveThread {
				return []int{r.l.thread.id}
			}
			return *list.Load()
		})
		for range scale(10) {
			refresh()
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					const d = 3 * time.Millisecond
					c := &Completion{Op: backends.Op{Code: backends.OpTimeout}}
					begin := r.l.Now()
					c.SetDeadline(begin + int64(d))
					if err := r.l.Do(context.Background(), c); err != nil {
						t.Errorf("sleep: %v", err)
					}
					if took := r.l.Now() - begin; took < int64(d) {
						t.Errorf("a sleep of %v took %v", d, time.Duration(took))
					}
				})
			}
			traffic(r, 4, 50)
			wg.Wait()
		}
		t.Logf("%d signals", stop())
	})
	t.Run("Callback", func(t *testing.T) {
		eachLoop(t, Options{}, func(t *testing.T, r *rig) {
			r.run(NoWait) // makes the thread the loop's
			id := sys.ThreadID()
			stop := storm(func() []int { return []int{id} })
			fired := 0
			begin := r.l.Now()
			var timer Timer
			timer.Start(r.l, time.Millisecond, func(*Timer) Action {
				if fired++; fired < 20 {
					return Rearm
				}
				return Disarm
			})
			r.run(UntilDone)
			if took := r.l.Now() - begin; fired != 20 || took < 20e6 {
				t.Errorf("%d timers in %v", fired, time.Duration(took))
			}
			t.Logf("%d signals", stop())
		})
	})
}

// TestThreadsThatDie guards against a rule of the kernel: what a thread has submitted is cancelled
// when the thread ends. Goroutines that exit while they are locked to their thread end it, and with
// it operations of the other goroutines whose ticks they happened to run. Not one of them may fail.
func TestThreadsThatDie(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		const readers = 32
		kill := func(f func()) { // runs f on a thread that ends with it
			done := make(chan struct{})
			go func() {
				defer close(done)
				lockThread()
				f()
			}()
			<-done
		}
		rounds := scale(30)
		for round := range rounds {
			rd, wr := r.pipe()
			polled, pollwr := r.pipe()
			fd, addr := r.listener()
			var wg sync.WaitGroup
			sum := atomic.Int64{}
			// Operations that stay in flight, submitted by a thread that ends at once.
			var sent [readers]Completion
			bufs := make([]byte, readers)
			kill(func() {
				for i := range sent {
					c := &sent[i]
					c.Op = read(rd, bufs[i:i+1:i+1])
					wg.Add(1)
					c.Callback = func(c *Completion) Action {
						defer wg.Done()
						if c.Err() != nil || c.N() != 1 {
							t.Errorf("round %d: read: %d, %v", round, c.N(), c.Err())
						}
						sum.Add(int64(c.Op.Buf[0]))
						return Disarm
					}
					if err := r.l.Submit(c); err != nil {
						t.Error(err)
					}
				}
			})
			var acceptC, pollC Completion
			kill(func() {
				acceptC.Op = backends.Op{Code: backends.OpAccept, FD: fd, Flags: unix.SOCK_CLOEXEC}
				pollC.Op = poll(polled, pollIn, false)
				for _, c := range []*Completion{&acceptC, &pollC} {
					wg.Add(1)
					c.Callback = func(c *Completion) Action {
						defer wg.Done()
						if c.Err() != nil {
							t.Errorf("round %d: %s: %v", round, c.Op.Code, c.Err())
						} else if c.Op.Code == backends.OpAccept {
							r.kernel.closeFD(c.N())
						}
						return Disarm
					}
					if err := r.l.Submit(c); err != nil {
						t.Error(err)
					}
				}
			})
			// Operations of goroutines that live on, some of which leave through threads that end.
			for range readers {
				wg.Go(func() {
					buf := make([]byte, 1)
					if n := r.mustDo(read(rd, buf)); n != 1 {
						t.Errorf("round %d: a read of %d bytes", round, n)
					}
					sum.Add(int64(buf[0]))
				})
			}
			for range 4 {
				kill(func() { r.mustDo(nop()) })
			}
			r.settled(2*readers + 2)
			r.put(wr, bytes.Repeat([]byte{3}, 2*readers)...)
			r.put(pollwr, 1)
			r.mustDo(backends.Op{Code: backends.OpConnect, FD: r.socket(), Addr: addr})
			wg.Wait()
			if sum.Load() != 2*readers*3 {
				t.Errorf("round %d: the bytes add up to %d, want %d", round, sum.Load(), 2*readers*3)
			}
		}
		if r.l.drive == driveScheduler && r.name() == "io_uring" { // elsewhere operations belong to no thread
			n := r.l.Stats().Resubmitted
			t.Logf("%d operations were submitted again", n)
			if n == 0 {
				t.Error("no operation was lost to the end of a thread: this test has tested nothing")
			}
		}
	})
}

// TestSyscallsPerOp guards that a loop does not spin: it enters the kernel as often as there is
// something to hand over or to wait for. (A ring's TASKRUN flag can stay set with nothing behind
// it.)
func TestSyscallsPerOp(t *testing.T) {
	for _, d := range picked(systemDrives()) {
		t.Run(d.name, func(t *testing.T) {
			worst := uint64(0)
			n := scale(500)
			for range 40 {
				r := startRuntime(t, d, Options{})
				c := &Completion{Op: nop()}
				for range n {
					if err := r.l.Do(context.Background(), c); err != nil {
						t.Fatal(err)
					}
				}
				worst = max(worst, r.l.Stats().Syscalls)
				r.rt.Close()
			}
			if limit := uint64(5*n + 100); worst > limit {
				t.Errorf("%d operations took %d system calls, want at most %d", n, worst, limit)
			}
		})
	}
}

// TestBusyNeighbours guards that operations complete in good time beside goroutines that compute
// without a pause.
func TestBusyNeighbours(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		setProcs(t, 2)
		var stop atomic.Bool
		var spinners sync.WaitGroup
		for range 2 {
			spinners.Go(func() {
				for x := uint64(1); !stop.Load(); {
					for range 1000 {
						x = x*6364136223846793005 + 1
					}
				}
			})
		}
		defer spinners.Wait()
		defer stop.Store(true)
		a, b := r.socketPair()
		var took []time.Duration
		whole := time.Now()
		for i := range scale(20) {
			begin := time.Now()
			got := make(chan int, 1)
			buf := make([]byte, 1)
			go func() { got <- r.mustDo(backends.Op{Code: backends.OpRecv, FD: b, Buf: buf}) }()
			if i%2 == 0 {
				r.settled(1)
			}
			r.mustDo(backends.Op{Code: backends.OpSend, FD: a, Buf: []byte{byte(i)}})
			if n := <-got; n != 1 || buf[0] != byte(i) {
				t.Fatalf("received %d bytes, %d", n, buf[0])
			}
			took = append(took, time.Since(begin))
		}
		slices.Sort(took)
		t.Logf("%d round trips in %v: median %v, worst %v", len(took), time.Since(whole).Round(time.Millisecond),
			took[len(took)/2], took[len(took)-1])
		if total := time.Since(whole); total > 30*time.Second {
			t.Errorf("%d round trips took %v", len(took), total)
		}
	})
}
