//go:build !weir_portable

package aio_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// odd is a file that is not what stat says, or that is in blocking mode.
type odd struct {
	open func() (*aio.File, error)
	feed func() // there is something to read then; nil: there never is
}

// streams checks that a read returns what is there, and that its deadline and Close end it.
func streams(t *testing.T, o odd) {
	t.Helper()
	f, err := o.open()
	if err != nil {
		t.Skip("there is none here:", err)
	}
	if o.feed != nil {
		stop := make(chan struct{})
		go func() { // again and again: other readers may take it
			for {
				o.feed()
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		}()
		if n, err := f.Read(make([]byte, 1<<20)); n <= 0 || err != nil {
			t.Errorf("a read of what is there: %d, %v", n, err)
		}
		close(stop)
	}
	for err == nil { // what is left
		if err := f.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal("SetReadDeadline:", err)
		}
		_, err = f.Read(make([]byte, 1<<16))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read beyond its deadline: %v", err)
	}
	f.SetReadDeadline(time.Time{})
	c := make(chan error)
	go func() {
		for {
			if _, err := f.Read(make([]byte, 1<<16)); err != nil {
				c <- err
				return
			}
		}
	}()
	time.Sleep(5 * time.Millisecond)
	if err := f.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-c; !errors.Is(err, os.ErrClosed) {
		t.Errorf("a read that Close ends: %v", err)
	}
}

// TestStreamsThatLookRegular: what stat takes for regular files may be streams; epoll knows
// (go#23943, go#26439).
func TestStreamsThatLookRegular(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for name, o := range map[string]odd{
			"kmsg": {func() (*aio.File, error) { return lib.Open("/proc/kmsg") },
				func() { os.WriteFile("/dev/kmsg", []byte("<6>weir's test\n"), 0) }},
			"kmsg in blocking mode": {func() (*aio.File, error) {
				fd, err := unix.Open("/proc/kmsg", unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return nil, err
				}
				return lib.NewFile(uintptr(fd), "kmsg"), nil
			}, func() { os.WriteFile("/dev/kmsg", []byte("<6>weir's test\n"), 0) }},
			"trace_pipe": {func() (*aio.File, error) {
				unix.Mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, "")
				return lib.Open("/sys/kernel/tracing/trace_pipe")
			}, func() { os.WriteFile("/sys/kernel/tracing/trace_marker", []byte("weir's test\n"), 0) }},
		} {
			t.Run(name, func(t *testing.T) { streams(t, o) })
		}
	})
}

// TestBlockingMode: NewFile leaves a descriptor in the mode it is in, which others share, and in
// blocking mode deadlines and Close end what waits all the same.
func TestBlockingMode(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		var fd int
		var err error
		makers := map[string]func(t *testing.T) (feed func()){
			"pipe": func(t *testing.T) func() {
				var p [2]int
				err = unix.Pipe2(p[:], unix.O_CLOEXEC)
				t.Cleanup(func() { unix.Close(p[1]) })
				fd = p[0]
				return func() { unix.Write(p[1], []byte("x")) }
			},
			"socket": func(t *testing.T) func() {
				var p [2]int
				p, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				t.Cleanup(func() { unix.Close(p[1]) })
				fd = p[0]
				return func() { unix.Write(p[1], []byte("x")) }
			},
			"terminal": func(t *testing.T) func() {
				var m int
				m, fd, err = pseudoTerminal()
				t.Cleanup(func() { unix.Close(m) })
				return func() { unix.Write(m, []byte("line\n")) }
			},
			"inotify": func(t *testing.T) func() {
				dir := t.TempDir()
				fd, err = unix.InotifyInit1(unix.O_CLOEXEC)
				unix.InotifyAddWatch(fd, dir, unix.IN_CREATE)
				return func() { os.WriteFile(filepath.Join(dir, fmt.Sprint(time.Now().UnixNano())), nil, 0o600) }
			},
			"timerfd": func(t *testing.T) func() {
				fd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.O_CLOEXEC)
				timer := fd
				return func() { unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Value: unix.Timespec{Nsec: 1e6}}, nil) }
			},
			"eventfd": func(t *testing.T) func() {
				fd, err = unix.Eventfd(0, unix.O_CLOEXEC)
				event := fd
				return func() { unix.Write(event, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }
			},
			"signalfd": func(t *testing.T) func() {
				var set unix.Sigset_t
				set.Val[0] = 1 << (unix.SIGUSR1 - 1)
				fd, err = unix.Signalfd(-1, &set, unix.O_CLOEXEC)
				return nil
			},
		}
		for name, maker := range makers {
			t.Run(name, func(t *testing.T) {
				feed := maker(t)
				if err != nil {
					t.Skip("there is none here:", err)
				}
				shared, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(shared)
				streams(t, odd{func() (*aio.File, error) {
					f := lib.NewFile(uintptr(fd), name)
					if !blocking(t, uintptr(shared)) {
						t.Error("NewFile has changed the mode")
					}
					return f, nil
				}, feed})
				if !blocking(t, uintptr(shared)) {
					t.Error("the mode has been changed")
				}
			})
		}
	})
}

// pseudoTerminal opens both ends of one, in blocking mode.
func pseudoTerminal() (master, slave int, err error) {
	if master, err = unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0); err != nil {
		return -1, -1, err
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		unix.Close(master)
		return -1, -1, err
	}
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		slave, err = unix.Open(fmt.Sprintf("/dev/pts/%d", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	}
	return master, slave, err
}

// TestDeadlinesLikeOS: there are deadlines for the same files as with package os.
func TestDeadlinesLikeOS(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, name := range []string{"/dev/null", "/dev/zero", "/dev/urandom", "/dev/ptmx", "/proc/self/maps",
			"/proc/mounts",
			"/proc/sys/kernel/pid_max", "/sys/kernel/mm/transparent_hugepage/enabled", ".", "/etc/passwd"} {
			std, err := os.Open(name)
			if err != nil {
				t.Log(err)
				continue
			}
			defer std.Close()
			f, err := lib.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			want, got := std.SetDeadline(time.Time{}), f.SetDeadline(time.Time{})
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Errorf("%s: %v, package os says %v", name, got, want)
			}
		}
	})
}

// TestOneRead: a Read of a file that is made up by the kernel returns what one read gives, and
// ReadFile all of it.
func TestOneRead(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		child := exec.Command("/bin/sleep", "1000")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		defer child.Wait()
		defer child.Process.Kill()
		// no poll, and more than one read gives
		smaps := fmt.Sprintf("/proc/%d/smaps", child.Process.Pid)
		for was := ""; was == "" || was != readAll(t, smaps); time.Sleep(5 * time.Millisecond) { // loaded
			was = readAll(t, smaps)
		}
		for _, name := range []string{smaps, "/proc/self/status", "/proc/kallsyms", "/proc/mounts",
			"/proc/sys/kernel/pid_max",
			"/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/notes"} {
			std, err := os.Open(name)
			if err != nil {
				t.Log(err)
				continue
			}
			defer std.Close()
			f, err := lib.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for range 2 {
				want, wantErr := std.Read(make([]byte, 1<<20))
				got, err := f.Read(make([]byte, 1<<20))
				if name == "/proc/self/status" { // which changes
					want, got = min(want, 1), min(got, 1)
				}
				if got != want || err != wantErr {
					t.Errorf("%s: %d, %v; package os reads %d, %v", name, got, err, want, wantErr)
				}
			}
			if want, _ := os.ReadFile(name); name != "/proc/self/status" && name != smaps {
				if got, err := lib.ReadFile(name); err != nil || string(got) != string(want) {
					t.Errorf("ReadFile of %s: %d bytes, %v, want %d", name, len(got), err, len(want))
				}
			}
		}
	})
}

// readAll is what package os reads of a file.
func readAll(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestWriteSysctl: what looks like a regular file and can be polled is written to.
func TestWriteSysctl(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		const name = "/proc/self/comm"
		was, err := os.ReadFile(name)
		if err != nil {
			t.Skip(err)
		}
		defer os.WriteFile(name, was, 0)
		for _, name := range []string{name, "/proc/sys/net/core/somaxconn"} {
			want, err := lib.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			f, err := lib.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Log(err)
				continue
			}
			if n, err := f.Write(want); n != len(want) || err != nil {
				t.Errorf("%s: %d, %v", name, n, err)
			}
			p := make([]byte, 100)
			if n, err := f.ReadAt(p, 0); n == 0 || err != io.EOF {
				t.Errorf("ReadAt of %s: %d, %v", name, n, err)
			}
			f.Close()
		}
	})
}
