package uring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
	"github.com/weirgo/weir/internal/sys/systest"
)

func TestExplain(t *testing.T) {
	sysctl := func(content string) string {
		name := filepath.Join(t.TempDir(), "io_uring_disabled")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	defer func(was string) { disabledSysctl = was }(disabledSysctl)
	for _, tt := range []struct {
		errno  syscall.Errno
		sysctl string
		want   []string
	}{
		{syscall.ENOSYS, "", []string{"no io_uring", "Linux 5.1", "gVisor", "seccomp"}},
		{syscall.EPERM, "/nonexistent", []string{"seccomp", "--security-opt", "io_uring_setup", "security module"}},
		// before 6.6
		{syscall.EPERM, sysctl("0\n"), []string{"seccomp", "--security-opt", "io_uring_setup", "security module"}},
		{syscall.EPERM, sysctl("1\n"), []string{"privileged", "kernel.io_uring_disabled=0", "kernel.io_uring_group"}},
		{syscall.EPERM, sysctl("2\n"), []string{"everybody", "kernel.io_uring_disabled=0"}},
		{syscall.EACCES, "", []string{"SELinux"}},
		{syscall.ENOMEM, "", []string{"memory", "RLIMIT_MEMLOCK", "ulimit -l"}},
		{syscall.EMFILE, "", []string{"descriptor", "ulimit -n"}},
		{syscall.ENFILE, "", []string{"descriptor"}},
		{syscall.EINVAL, "", []string{"Linux 5.13"}},
	} {
		disabledSysctl = tt.sysctl
		err := explain(fmt.Errorf("io_uring_setup: %w", tt.errno))
		if !errors.Is(err, tt.errno) {
			t.Errorf("%v is lost in %v", tt.errno, err)
		}
		for _, want := range append(tt.want, "io_uring_setup: ", tt.errno.Error()) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v with %s: %q does not say %q", tt.errno, tt.sysctl, err, want)
			}
		}
	}
	other := fmt.Errorf("io_uring_setup: %w", syscall.EIO)
	if err := explain(other); err != other {
		t.Errorf("an error about which nothing is known became %v", err)
	}
}

// The ladder goes down: each rung has fewer flags than the one above it.
func TestLadder(t *testing.T) {
	for i, flags := range ladder {
		if i > 0 && (flags&^ladder[i-1] != 0 || flags == ladder[i-1]) {
			t.Errorf("rung %d has %s, rung %d below it %s", i-1, flagNames(ladder[i-1]), i, flagNames(flags))
		}
		if flags&always != 0 || flags&(sys.SetupSQPoll|sys.SetupIOPoll) != 0 {
			t.Errorf("rung %d is %#x", i, flags)
		}
	}
	if got := flagNames(ladder[len(ladder)-1]); got != "plain" {
		t.Errorf("the last rung is %s", got)
	}
}

// EINVAL, and nothing else, is a reason to go down a rung.
func TestRungs(t *testing.T) {
	rungs := []uint32{sys.SetupNoSQArray | sys.SetupSubmitAll, sys.SetupSubmitAll, 0}
	for _, tt := range []struct {
		errs []error // of each rung
		name string
	}{
		{[]error{nil}, "SUBMIT_ALL|NO_SQARRAY"},
		{[]error{syscall.EINVAL, nil}, "SUBMIT_ALL"},
		{[]error{fmt.Errorf("setup: %w", syscall.EINVAL), syscall.EINVAL, nil}, "plain"},
		{[]error{syscall.EINVAL, syscall.EINVAL, syscall.EINVAL}, ""},
		{[]error{syscall.EPERM}, ""},
		{[]error{syscall.ENOMEM}, ""},
		{[]error{syscall.EINVAL, syscall.EMFILE}, ""},
	} {
		var tried []uint32
		want := new(ring)
		r, name, err := climb(rungs, func(flags uint32) (*ring, error) {
			tried = append(tried, flags)
			if err := tt.errs[len(tried)-1]; err != nil {
				return nil, err
			}
			return want, nil
		})
		last := tt.errs[len(tt.errs)-1]
		if len(tried) != len(tt.errs) || name != tt.name || err != last || (r == want) != (last == nil) {
			t.Errorf("%v: tried %#x, then %q, %v", tt.errs, tried, name, err)
		}
		for i, flags := range tried {
			if flags != rungs[i]|always {
				t.Errorf("%v: rung %d was tried with %#x", tt.errs, i, flags)
			}
		}
	}
}

// When no rung holds, Open says why. A Config that asks for less starts at a lower rung.
func TestClimb(t *testing.T) {
	openOrSkip(t, Config{}).Close()
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EMFILE, syscall.EINVAL} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			systest.Deny(t, systest.Rule{Call: unix.SYS_IO_URING_SETUP, Errno: errno,
				If: []systest.Arg{{N: 0, Value: 16}}})
			b, err := Open(Config{Entries: 16})
			if !errors.Is(err, errno) || b != nil {
				t.Errorf("Open: %v, want %v", err, errno)
			}
			if b, err = Open(Config{Entries: 32, Rung: 99}); err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if b.Detail() != "plain" {
				t.Errorf("a rung below the last is %s", b.Detail())
			}
		})
	}
}

// Where the kernel has no memory for a ring there may be some for one of half or a quarter of the
// size.
func TestSmaller(t *testing.T) {
	openOrSkip(t, Config{}).Close()
	var rules []systest.Rule
	for _, tt := range []struct{ denied, got uint32 }{{64, 32}, {32, 16}, {16, 0}} {
		rules = append(rules, systest.Rule{Call: unix.SYS_IO_URING_SETUP, Errno: syscall.ENOMEM,
			If: []systest.Arg{{N: 0, Value: tt.denied}}})
		t.Run(fmt.Sprint(tt.denied), func(t *testing.T) {
			systest.Deny(t, rules...)
			b, err := Open(Config{Entries: 64, CQEntries: 1024})
			if tt.got == 0 {
				if !errors.Is(err, syscall.ENOMEM) {
					t.Errorf("Open: %v, want ENOMEM", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			// giouring does not pass the size on
			if sq, cq := b.ring.SQEntries(), b.ring.CQEntries(); sq != tt.got || cq != 16*tt.got &&
				RingImplementation == "weir" {
				t.Errorf("the ring has %d and %d entries, want %d and %d", sq, cq, tt.got, 16*tt.got)
			}
		})
	}
}

func TestFeatureNames(t *testing.T) {
	if got := featureNames(sys.FeatNoDrop | sys.FeatExtArg | sys.FeatNoIowait); !slices.Equal(got,
		[]string{"NODROP", "EXT_ARG", "NO_IOWAIT"}) {
		t.Errorf("%q", got)
	}
	b := openOrSkip(t, Config{Hide: sys.FeatNoIowait})
	defer b.Close()
	if got := b.Features(); !slices.Contains(got, "EXT_ARG") || slices.Contains(got, "NO_IOWAIT") {
		t.Errorf("%q", got)
	}
}

func TestSizes(t *testing.T) {
	openOrSkip(t, Config{}).Close()
	for _, tt := range []struct{ entries, cqEntries, sq, cq uint32 }{
		{0, 0, 256, 2048},
		{1, 0, 2, 16},
		{1, 1, 2, 2},
		{2, 0, 2, 16},
		{3, 5, 4, 8},
		{100, 100, 128, 128},
		{64, 3, 64, 64},
		{32768, 0, 32768, 65536},
		{32769, 0, 32768, 65536},
		{1 << 29, 1 << 29, 32768, 65536},
		{1<<32 - 1, 1<<32 - 1, 32768, 65536},
	} {
		t.Run(fmt.Sprint(tt.entries, ",", tt.cqEntries), func(t *testing.T) {
			r := newRig(t, Config{Entries: tt.entries, CQEntries: tt.cqEntries})
			if RingImplementation == "giouring" {
				tt.cq = 2 * tt.sq
			}
			if sq, cq := r.ring.SQEntries(), r.ring.CQEntries(); sq != tt.sq || cq != tt.cq {
				t.Errorf("queues of %d and %d entries, want %d and %d", sq, cq, tt.sq, tt.cq)
			}
			for range 3 {
				nops := r.nops(5)
				for batch := nops; len(batch) > 0; {
					batch = batch[r.Submit(batch):]
					r.poll(backends.NoWait)
				}
				r.want(0, nops...)
				r.woken()
			}
		})
	}
}

// A ring is for one thread. A Bind for none is refused, and has done nothing.
func TestBind(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b := openOrSkip(t, Config{})
	defer b.Close()
	calls := b.Counters().Syscalls
	if err := b.Bind(false); !errors.Is(err, errors.ErrUnsupported) ||
		!strings.Contains(err.Error(), "thread of its own") {
		t.Errorf("Bind(false): %v", err)
	}
	if n := b.Counters().Syscalls - calls; n != 0 {
		t.Errorf("Bind(false) made %d system calls", n)
	}
	if err := b.Bind(true); err != nil {
		t.Errorf("Bind(true): %v", err)
	}
}

// A ring belongs to the thread that called Bind, wherever it was opened; that another uses it is an
// error, where the kernel can tell.
func TestForeignThread(t *testing.T) {
	b := openOrSkip(t, Config{}) // here
	if b.ring.Flags()&sys.SetupSingleIssuer == 0 {
		b.Close()
		t.Skip("this kernel does not tell")
	}
	bound, done := make(chan error), make(chan bool)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		bound <- b.Bind(true) // there
		<-done
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		done <- true
	}()
	if err := <-bound; err != nil {
		t.Errorf("Bind on another thread: %v", err)
	}
	b.Submit([]*backends.Completion{{ID: backends.MakeID(1, 1)}})
	if n, err := b.Poll(make([]backends.Event, 1), backends.NoWait); n != 0 || !errors.Is(err, syscall.EEXIST) {
		t.Errorf("Poll on a foreign thread = %d, %v, want EEXIST", n, err)
	}
	done <- true
	<-done
}

// What container runtimes do to a whole process.
func TestBlocked(t *testing.T) {
	openOrSkip(t, Config{}).Close()
	seccomp := "seccomp"
	if v, err := os.ReadFile(disabledSysctl); err == nil && strings.TrimSpace(string(v)) != "0" {
		seccomp = "io_uring_disabled"
	}
	const (
		setup    = unix.SYS_IO_URING_SETUP
		enter    = unix.SYS_IO_URING_ENTER
		register = unix.SYS_IO_URING_REGISTER
	)
	for _, tt := range []struct {
		name  string
		rule  systest.Rule
		bind  bool // Open works, Bind fails
		errno syscall.Errno
		want  string
		least time.Duration
	}{
		{name: "SetupEPERM", rule: systest.Rule{Call: setup, Errno: syscall.EPERM}, errno: syscall.EPERM,
			want: seccomp},
		{name: "SetupENOSYS", rule: systest.Rule{Call: setup, Errno: syscall.ENOSYS}, errno: syscall.ENOSYS,
			want: "gVisor"},
		{name: "SetupEACCES", rule: systest.Rule{Call: setup, Errno: syscall.EACCES}, errno: syscall.EACCES,
			want: "SELinux"},
		{name: "SetupENOMEM", rule: systest.Rule{Call: setup, Errno: syscall.ENOMEM}, errno: syscall.ENOMEM,
			want: "ulimit -l"},
		{name: "EventfdEMFILE", rule: systest.Rule{Call: unix.SYS_EVENTFD2, Errno: syscall.EMFILE},
			errno: syscall.EMFILE, want: "eventfd"},
		{name: "RegisterEPERM", rule: systest.Rule{Call: register, Errno: syscall.EPERM}, bind: true,
			errno: syscall.EPERM, want: seccomp},
		{name: "RegisterENOSYS", rule: systest.Rule{Call: register, Errno: syscall.ENOSYS}, bind: true,
			errno: syscall.ENOSYS, want: "io_uring_register"},
		{name: "EnterEPERM", rule: systest.Rule{Call: enter, Errno: syscall.EPERM}, bind: true, errno: syscall.EPERM,
			want: "io_uring_enter"},
		{name: "EnterENOSYS", rule: systest.Rule{Call: enter, Errno: syscall.ENOSYS}, bind: true, errno: syscall.ENOSYS,
			want: "io_uring_enter"},
		{name: "EnterEINTR", rule: systest.Rule{Call: enter, Errno: syscall.EINTR}, bind: true, want: "self-test",
			least: 900 * time.Millisecond},
		{name: "EnterNothing", rule: systest.Rule{Call: enter}, bind: true, want: "self-test",
			least: 900 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			systest.Child(t, func() {
				systest.DenyAll(t, tt.rule)
				fds := systest.Descriptors(t)
				runtime.LockOSThread()
				start := time.Now()
				b, err := Open(Config{})
				if tt.bind {
					if err != nil {
						t.Fatalf("Open: %v", err)
					}
					err = b.Bind(true)
					if err := b.Close(); err != nil {
						t.Errorf("Close after a Bind that failed: %v", err)
					}
				} else if b != nil {
					t.Error("Open returned a backend with its error")
				}
				took := time.Since(start)
				t.Logf("after %v: %v", took, err)
				if err == nil || tt.errno != 0 && !errors.Is(err, tt.errno) || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %v and something about %s", err, tt.errno, tt.want)
				}
				if took < tt.least || took > tt.least+3*time.Second {
					t.Errorf("that took %v", took)
				}
				if n := systest.Descriptors(t); n != fds {
					t.Errorf("%d descriptors are open, %d were", n, fds)
				}
			})
		})
	}
}

// A process without descriptors to spare is told so, and loses none.
func TestNoDescriptors(t *testing.T) {
	openOrSkip(t, Config{}).Close()
	systest.Child(t, func() {
		var was unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: was.Max}); err != nil {
			t.Fatal(err)
		}
		defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
		var fill []int
		for {
			fd, err := unix.Dup(0)
			if err == unix.EMFILE {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			fill = append(fill, fd)
		}
		for spare, want := range []string{"io_uring_setup", "eventfd", ""} {
			for range 3 { // no descriptor is lost on the way
				b, err := Open(Config{})
				if want == "" {
					if err != nil {
						t.Fatalf("with %d descriptors to spare: %v", spare, err)
					}
					b.Close()
					continue
				}
				if !errors.Is(err, syscall.EMFILE) || b != nil || RingImplementation == "weir" &&
					!strings.Contains(err.Error(), want) {
					t.Errorf("with %d descriptors to spare: %v, want an EMFILE of %s", spare, err, want)
				}
			}
			unix.Close(fill[spare])
		}
		for _, fd := range fill[3:] {
			unix.Close(fd)
		}
	})
}

// Nothing stays open, whatever a backend did.
func TestDescriptors(t *testing.T) {
	newRig(t, Config{}).want(0) // starts what the runtime itself opens
	fds := systest.Descriptors(t)
	for i := range 30 {
		t.Run("", func(t *testing.T) {
			r := newRig(t, Config{Rung: i / 2 % len(ladder)})
			if i%2 == 0 {
				return
			}
			r.want(0, r.submitted(r.nops(10)...)...)
			r.woken()
		})
	}
	if n := systest.Descriptors(t); n != fds {
		t.Errorf("%d descriptors are open, %d were", n, fds)
	}
}
