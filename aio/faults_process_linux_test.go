//go:build !weir_portable

package aio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/sys/systest"
)

// The tests of this file do to a process, while it is at work, what happens to processes. Their
// numbers are those of the list of faults in docs/testing.md.

// traffic keeps lib busy until the function that it returns is called: connections are dialed,
// accepted, echo and are closed, and files are opened.
func traffic(t *testing.T, lib *aio.IO) (stop func() (rounds int64)) {
	t.Helper()
	ln, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var workers, servers sync.WaitGroup
	servers.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v", err)
				}
				return
			}
			servers.Go(func() {
				defer c.Close()
				if _, err := io.Copy(c, c); err != nil {
					t.Errorf("the echo: %v", err)
				}
			})
		}
	})
	var over atomic.Bool
	var rounds atomic.Int64
	round := func() error {
		c, err := lib.Dial("tcp", ln.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		for range 10 {
			if _, err := c.Write([]byte("hello")); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
				return err
			}
		}
		f, err := lib.Open("/proc/self/status")
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.ReadAll(f)
		return err
	}
	for range 2 {
		workers.Go(func() {
			for !over.Load() {
				if err := round(); err != nil {
					t.Error(err)
					return
				}
				rounds.Add(1)
				time.Sleep(100 * time.Microsecond) // leave something of the machine
			}
		})
	}
	stop = sync.OnceValue(func() int64 {
		over.Store(true)
		workers.Wait()
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		servers.Wait()
		return rounds.Load()
	})
	t.Cleanup(func() { stop() })
	return stop
}

// TestFault57Signals: children that end send SIGCHLD, and writes to a peer that has gone would send
// SIGPIPE, in the midst of everything. No call fails for that, except with EPIPE. (SIGURG and
// SIGPROF: package runtime's TestSignals.)
func TestFault57Signals(t *testing.T) {
	systest.Child(t, func() {
		each(t, func(t *testing.T, lib *aio.IO) {
			signals := make(chan os.Signal, 1000)
			signal.Notify(signals, unix.SIGCHLD, unix.SIGPIPE)
			defer signal.Stop(signals)
			stop := traffic(t, lib)
			for range 20 {
				if err := exec.Command("/proc/self/exe", "-test.run=^$").Run(); err != nil {
					t.Error(err)
				}
				a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
				b.Close()
				var err error
				for limit := time.Now().Add(20 * time.Second); err == nil && time.Now().Before(limit); {
					_, err = a.Write([]byte("is anybody there?")) // the first is answered with a reset
				}
				if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
					t.Errorf("a write to a connection whose other end has gone: %v", err)
				}
				if _, err := a.Write([]byte("no")); !errors.Is(err, unix.EPIPE) {
					t.Errorf("another one: %v, want EPIPE", err)
				}
				a.Close()
			}
			t.Logf("%d rounds", stop())
			count := map[os.Signal]int{}
			for len(signals) > 0 {
				count[<-signals]++
			}
			if count[unix.SIGCHLD] == 0 || count[unix.SIGPIPE] != 0 {
				t.Errorf("the signals were %v: want SIGCHLD and no SIGPIPE", count)
			}
		})
	})
}

// TestFault60Exec: programs that are started in the midst of everything get no descriptor that is
// not theirs, and nothing fails for them.
func TestFault60Exec(t *testing.T) {
	ls, err := exec.LookPath("ls")
	if err != nil {
		t.Skip(err)
	}
	rounds := 60
	if testing.Short() {
		rounds = 20
	}
	inherited := func() map[string]string { // by number, without the directory that ls reads
		out, err := exec.Command(ls, "-l", "/proc/self/fd").Output()
		if err != nil {
			t.Fatal(err)
		}
		fds := map[string]string{}
		for line := range strings.Lines(string(out)) {
			if left, target, ok := strings.Cut(strings.TrimSpace(line), " -> "); ok && !strings.HasPrefix(target,
				"/proc/") {
				fds[left[strings.LastIndexByte(left, ' ')+1:]] = target
			}
		}
		return fds
	}
	before := inherited()
	if len(before) < 3 {
		t.Fatalf("ls sees no descriptors but %v", before)
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		stop := traffic(t, lib)
		for i := range rounds {
			if i%10 == 0 { // descriptors of rings and the like come and go, too
				another, err := aio.New(aio.Options{Backend: lib.Info().Backend, Drive: lib.Info().Drive})
				if err != nil {
					t.Fatal(err)
				}
				defer another.Close()
				if err := another.Sleep(t.Context(), time.Microsecond); err != nil {
					t.Error(err)
				}
			}
			for fd, target := range inherited() {
				if _, ok := before[fd]; !ok {
					t.Fatalf("a program that was started has inherited descriptor %s, %s", fd, target)
				}
			}
		}
		if n := stop(); n == 0 {
			t.Error("nothing went on meanwhile")
		}
	})
}

// busy starts operations of all sorts that do not end by themselves, and reports the address of a
// listener with a connection.
func busy(t *testing.T, lib *aio.IO, dir string) net.Addr {
	ln, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			accepted <- c
		}
	}()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	go lib.Read(context.Background(), p[0], make([]byte, 10))
	go lib.Splice(context.Background(), p[0], -1, p[1], -1, 100)
	go lib.Sleep(context.Background(), time.Hour)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	go lib.Open(fifo)
	for range 3 {
		dialed, err := lib.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := <-accepted
		go io.Copy(c, c)
		go dialed.Read(make([]byte, 10))
	}
	go func() {
		for { // and some that do
			lib.Sleep(context.Background(), 10*time.Microsecond)
		}
	}()
	for lib.Stats().InFlight == 0 {
		time.Sleep(time.Millisecond)
	}
	return ln.Addr()
}

// TestFault61Exit: a process ends with operations in flight, in each of the ways there are. It does
// end, kernel threads included, and another one can have its address at once, although there are
// connections left of the old one.
func TestFault61Exit(t *testing.T) {
	for _, drive := range drives {
		t.Run(drive, func(t *testing.T) {
			for _, way := range []string{"exit", "panic", "kill"} {
				t.Run(way, func(t *testing.T) {
					if systest.InChild(t) {
						dieBusy(t)
						return
					}
					lib := open(t, aio.Options{Drive: drive})
					cmd := systest.Command(t)
					cmd.Env = append(cmd.Env, "WEIR_TEST_DIR="+t.TempDir())
					out, err := cmd.StdoutPipe()
					if err != nil {
						t.Fatal(err)
					}
					in, err := cmd.StdinPipe()
					if err != nil {
						t.Fatal(err)
					}
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					address := ""
					for lines := bufio.NewScanner(out); address == "" && lines.Scan(); {
						_, address, _ = strings.Cut(lines.Text(), "address ")
					}
					if address == "" {
						cmd.Process.Kill()
						t.Fatalf("the child has no address: %v", cmd.Wait())
					}
					client, err := net.Dial("tcp", address)
					if err != nil {
						t.Fatal(err)
					}
					defer client.Close()
					begin := time.Now()
					if way == "kill" {
						cmd.Process.Kill()
					} else {
						in.Close()
					}
					io.Copy(io.Discard, out)
					err = cmd.Wait()
					if want := map[string]string{"exit": "exit status 7", "panic": "exit status 2",
						"kill": "signal: killed"}[way]; err == nil || err.Error() != want {
						t.Errorf("it ended with %v, want %s", err, want)
					}
					if tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", cmd.Process.Pid)); err == nil {
						t.Errorf("%d of its threads are left", len(tasks))
					}
					ended := time.Since(begin)
					var ln net.Listener
					for limit := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
						if ln, err = lib.Listen("tcp", address); err == nil || time.Now().After(limit) {
							break
						}
					}
					if err != nil {
						t.Fatalf("its address cannot be had: %v", err)
					}
					ln.Close()
					t.Logf("it ended in %v, and its address was free after %v", ended, time.Since(begin))
				})
			}
		})
	}
}

// dieBusy is the child of TestFault61Exit: it ends in the way that its test is named after.
func dieBusy(t *testing.T) {
	parts := strings.Split(t.Name(), "/")
	lib, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: parts[len(parts)-2]})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("address", busy(t, lib, os.Getenv("WEIR_TEST_DIR")))
	io.Copy(io.Discard, os.Stdin) // until the parent says so
	switch parts[len(parts)-1] {
	case "exit":
		os.Exit(7)
	case "panic":
		go func() { panic("on purpose") }()
	}
	select {}
}

// TestFault58Stopped: a process is stopped for a while. What is in flight goes on when it does, and
// what has been due meanwhile is over at once, not after the pause and once more its time.
func TestFault58Stopped(t *testing.T) {
	const (
		limit = 400 * time.Millisecond
		later = 300 * time.Millisecond // how long after the pause every wait must be over
	)
	// A wait that is started again for all of its time ends too late each time; a wait on a slow
	// machine does so now and then.
	const attempts = 3
	if systest.InChild(t) {
		each(t, func(t *testing.T, lib *aio.IO) {
			a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
			defer a.Close()
			defer b.Close()
			continued := make(chan os.Signal, 10)
			signal.Notify(continued, unix.SIGCONT)
			defer signal.Stop(continued)
			for attempt := range attempts {
				begin := time.Now()
				due, read := make(chan error, 2), make(chan error)
				go func() { due <- lib.Sleep(context.Background(), limit) }()
				a.SetReadDeadline(begin.Add(limit))
				go func() {
					if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
						due <- fmt.Errorf("a read beyond its deadline: %w", err)
						return
					}
					due <- nil
				}()
				go func() {
					_, err := io.ReadFull(b, make([]byte, 1))
					read <- err
				}()
				for lib.Stats().InFlight < 3 && time.Since(begin) < limit/2 {
					time.Sleep(time.Millisecond)
				}
				fmt.Println("stop me") // for longer than limit
				<-continued
				tooLate := time.After(later)
				paused := time.Since(begin)
				inTime := true
				for range 2 {
					select {
					case err := <-due:
						if err != nil {
							t.Error(err)
						}
						continue
					case <-tooLate:
						inTime = false
					}
					if err := <-due; err != nil {
						t.Error(err)
					}
				}
				if _, err := a.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				if err := <-read; err != nil {
					t.Errorf("a read that was in flight: %v", err)
				}
				if inTime && paused > limit {
					return
				}
				t.Logf("attempt %d: stopped for %v, in time: %v, over after %v", attempt, paused, inTime,
					time.Since(begin))
			}
			t.Errorf("what was due while the process was stopped was late in each of %d attempts", attempts)
		})
		return
	}
	cmd := systest.Command(t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []string
	pauses := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		all = append(all, lines.Text())
		if strings.HasSuffix(lines.Text(), "stop me") {
			pauses++
			if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
				t.Error(err)
			}
			time.Sleep(limit + 50*time.Millisecond)
			if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || pauses == 0 {
		t.Errorf("%v, after %d pauses\n%s", err, pauses, strings.Join(all, "\n"))
	}
	t.Logf("%d pauses\n%s", pauses, strings.Join(all, "\n"))
}

// TestFault63Credentials: a process gives up the rights of a root user. From then on nothing is
// done with them, on whatever thread it is done; what was opened before stays open, and what was in
// flight goes on.
func TestFault63Credentials(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has rights to give up")
	}
	for _, drive := range drives {
		t.Run(drive, func(t *testing.T) {
			systest.Child(t, func() {
				lib := open(t, aio.Options{Drive: drive})
				const name = "secret"
				if err := os.WriteFile(name, []byte("secret"), 0o600); err != nil {
					t.Fatal(err)
				}
				early, err := lib.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer early.Close()
				a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
				defer a.Close()
				defer b.Close()
				inFlight := make(chan error)
				go func() {
					_, err := io.ReadFull(b, make([]byte, 1))
					inFlight <- err
				}()
				everyday(t, lib) // threads that do the work are there
				systest.Nobody(t)
				for range 50 {
					if f, err := lib.Open(name); !errors.Is(err, fs.ErrPermission) {
						t.Fatalf("a file of root's can be opened: %v, %v", f, err)
					}
					if f, err := lib.Create("new"); !errors.Is(err, fs.ErrPermission) {
						t.Fatalf("a file in a directory of root's can be made: %v, %v", f, err)
					}
					if ln, err := lib.Listen("tcp", "127.0.0.1:1"); !errors.Is(err, fs.ErrPermission) {
						t.Fatalf("a port of root's can be had: %v, %v", ln, err)
					}
				}
				var got [6]byte
				if n, err := early.ReadAt(got[:], 0); string(got[:n]) != "secret" || err != nil {
					t.Errorf("what was open reads %q, %v", got[:n], err)
				}
				if _, err := a.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				if err := <-inFlight; err != nil {
					t.Errorf("a read that was in flight: %v", err)
				}
			}, func(cmd *exec.Cmd) {
				cmd.Dir = t.TempDir()
				if err := os.Chmod(cmd.Dir, 0o755); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

// TestFault59TimeNamespace: the clock that deadlines are on is far from the kernel's own, as in a
// container that was moved here from another machine. A wait is as long as it is elsewhere.
func TestFault59TimeNamespace(t *testing.T) {
	const nsFile, outer = "/proc/self/ns/time", "WEIR_TEST_TIME_NS"
	for name, seconds := range map[string]int{"later": 10 * 24 * 3600, "earlier": -60} {
		t.Run(name, func(t *testing.T) {
			if !systest.InChild(t) {
				ns, err := os.Readlink(nsFile)
				if err != nil {
					t.Skip("this kernel has no time namespaces: ", err)
				}
				t.Setenv(outer, ns)
				runtime.LockOSThread() // for good: the thread's children will be elsewhere
				if err := unix.Unshare(unix.CLONE_NEWTIME); err != nil {
					t.Skip("no time namespace can be made: ", err)
				}
				offset := fmt.Appendf(nil, "monotonic %d 0\n", seconds)
				if err := os.WriteFile(fmt.Sprintf("/proc/%d/timens_offsets", unix.Gettid()), offset, 0); err != nil {
					t.Skip("the clock cannot be moved: ", err)
				}
			}
			systest.Child(t, func() {
				if ns, err := os.Readlink(nsFile); err != nil || ns == os.Getenv(outer) {
					t.Skip("this kernel does not change the namespace of a program that it starts: ", ns, err)
				}
				each(t, func(t *testing.T, lib *aio.IO) {
					const d = 100 * time.Millisecond
					a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
					defer a.Close()
					defer b.Close()
					begin := time.Now()
					over := make(chan error, 2)
					go func() { over <- lib.Sleep(context.Background(), d) }()
					a.SetReadDeadline(begin.Add(d))
					go func() {
						_, err := a.Read(make([]byte, 1))
						if errors.Is(err, os.ErrDeadlineExceeded) {
							err = nil
						}
						over <- err
					}()
					for range 2 {
						select {
						case err := <-over:
							if err != nil {
								t.Error(err)
							}
						case <-time.After(20 * time.Second):
							panic("waits that end never")
						}
					}
					if took := time.Since(begin); took < d {
						t.Errorf("waits of %v took %v", d, took)
					}
					if n := lib.Stats().Syscalls; n > 300 {
						t.Errorf("they took %d system calls: the loop spins", n)
					}
				})
			})
		})
	}
}
