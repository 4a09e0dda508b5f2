//go:build !weir_portable

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/sys/systest"
)

// The tests of this file spoil the set-up of io_uring in a process of their own. Their numbers are
// those of the list of faults in docs/testing.md.

// everyday does a little of everything: it says hello on a connection, waits for one until a
// deadline, sleeps, and keeps a file in the current directory.
func everyday(t *testing.T, lib *aio.IO) {
	t.Helper()
	a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
	go io.Copy(b, b)
	for i := range 20 {
		want := fmt.Appendf(nil, "hello %d", i)
		got := make([]byte, len(want))
		if _, err := a.Write(want); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q came back, %v", got, err)
		}
	}
	a.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := a.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read beyond its deadline: %d, %v", n, err)
	}
	if err := lib.Sleep(context.Background(), time.Millisecond); err != nil {
		t.Errorf("a sleep: %v", err)
	}
	f, err := lib.OpenFile("everyday", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("content"); err != nil {
		t.Error(err)
	}
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	var got [7]byte
	if n, err := f.ReadAt(got[:], 0); string(got[:n]) != "content" || err != nil {
		t.Errorf("the file has %q, %v", got[:n], err)
	}
	if err := errors.Join(f.Close(), os.Remove("everyday"), a.Close(), b.Close()); err != nil {
		t.Error(err)
	}
}

// inChild runs inside in a process of its own, in a directory that is writable for all users. Only
// inside decides which backend there is.
func inChild(t *testing.T, inside func()) {
	t.Helper()
	systest.Child(t, inside, func(cmd *exec.Cmd) {
		cmd.Dir = t.TempDir()
		if err := os.Chmod(cmd.Dir, 0o777); err != nil {
			t.Fatal(err)
		}
		cmd.Env = append(cmd.Env, "WEIR_BACKEND=")
	})
}

// wantRing skips tests of what is denied of a ring where there is none.
func wantRing(t *testing.T) {
	t.Helper()
	lib, err := aio.New(aio.Options{Backend: "io_uring"})
	if err != nil {
		t.Skip(err)
	}
	lib.Close()
}

// wantEpoll guards that everything works where io_uring does not, that Info says why, and that so
// does one line of the log, and no more.
func wantEpoll(t *testing.T, because ...string) {
	t.Helper()
	for _, drive := range drives {
		t.Run(drive, func(t *testing.T) {
			var log bytes.Buffer
			lib := open(t, aio.Options{Drive: drive, Loops: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			everyday(t, lib)
			i := lib.Info()
			for _, because := range append(because, "fallback: ") {
				if i.Backend != "epoll" || !strings.Contains(i.Reason, because) {
					t.Errorf("the backend is %s, %q: want epoll because of %q", i.Backend, i.Reason, because)
				}
				if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), because) {
					t.Errorf("%d lines in the log, want one about %q:\n%s", n, because, log.String())
				}
			}
		})
	}
}

// TestFault43SetupDenied: no ring can be set up, for any of the reasons there are.
func TestFault43SetupDenied(t *testing.T) {
	for _, errno := range []unix.Errno{
		unix.ENOSYS, unix.EPERM, unix.EACCES, unix.EINVAL, unix.ENOMEM, unix.EMFILE, unix.ENFILE,
	} {
		t.Run(unix.ErrnoName(errno), func(t *testing.T) {
			inChild(t, func() {
				systest.DenyAll(t, systest.Rule{Call: unix.SYS_IO_URING_SETUP, Errno: errno})
				wantEpoll(t, errno.Error())
				if _, err := aio.New(aio.Options{Backend: "io_uring"}); !errors.Is(err, errno) {
					t.Errorf("io_uring by force: %v, want %v", err, errno)
				}
			})
		})
	}
}

// TestFault43NoDescriptors: descriptors are so short that no backend but the last can start, or not
// even that one. It is said what is short, none is lost, and when there are some again all is well.
func TestFault43NoDescriptors(t *testing.T) {
	inChild(t, func() {
		for _, drive := range drives {
			t.Run(drive, func(t *testing.T) {
				var was unix.Rlimit
				if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
					t.Fatal(err)
				}
				before := systest.Descriptors(t)
				lowest, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
				if err != nil {
					t.Fatal(err)
				}
				unix.Close(lowest)
				for spare := range 4 {
					if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest + spare),
						Max: was.Max}); err != nil {
						t.Fatal(err)
					}
					lib, err := aio.New(aio.Options{Drive: drive, Loops: 1})
					if err == nil {
						err = errors.Join(lib.Sleep(context.Background(), time.Millisecond), lib.Close())
					} else if !errors.Is(err, syscall.EMFILE) {
						t.Errorf("with %d descriptors to spare: %v, want EMFILE", spare, err)
					} else {
						err = nil
					}
					if err := errors.Join(err, unix.Setrlimit(unix.RLIMIT_NOFILE, &was)); err != nil {
						t.Errorf("with %d descriptors to spare: %v", spare, err)
					}
					if n := systest.Descriptors(t); n != before {
						t.Errorf("with %d descriptors to spare: %d are open, %d were", spare, n, before)
					}
				}
				everyday(t, open(t, aio.Options{Drive: drive}))
			})
		}
	})
}

// TestFault44UseDenied: a ring can be set up, and then not be used.
func TestFault44UseDenied(t *testing.T) {
	wantRing(t)
	for _, call := range []struct {
		name string
		nr   uintptr
	}{{"io_uring_enter", unix.SYS_IO_URING_ENTER}, {"io_uring_register", unix.SYS_IO_URING_REGISTER}} {
		for _, errno := range []unix.Errno{unix.EPERM, unix.ENOSYS} {
			t.Run(call.name+"_"+unix.ErrnoName(errno), func(t *testing.T) {
				inChild(t, func() {
					systest.DenyAll(t, systest.Rule{Call: call.nr, Errno: errno})
					wantEpoll(t, call.name, errno.Error())
				})
			})
		}
	}
}

// TestFault46Disabled: a system administrator has switched io_uring off for all users, or for those
// without rights. For the child alone another file covers the file of the sysctl and says so, and a
// filter does what the kernel would.
func TestFault46Disabled(t *testing.T) {
	const sysctl = "/proc/sys/kernel/io_uring_disabled"
	if _, err := os.Stat(sysctl); err != nil {
		t.Skip("this kernel has no such sysctl: ", err)
	}
	for value, because := range map[string]string{"1": "privileged processes only", "2": "switched off for everybody"} {
		t.Run(value, func(t *testing.T) {
			systest.Child(t, func() {
				name := filepath.Join(".", "io_uring_disabled")
				if err := os.WriteFile(name, []byte(value+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := unix.Mount(name, sysctl, "", unix.MS_BIND, ""); err != nil {
					t.Skip("the sysctl's file cannot be covered: ", err)
				}
				systest.DenyAll(t, systest.Rule{Call: unix.SYS_IO_URING_SETUP, Errno: unix.EPERM})
				wantEpoll(t, because)
			}, func(cmd *exec.Cmd) {
				cmd.Dir = t.TempDir()
				cmd.Env = append(cmd.Env, "WEIR_BACKEND=")
				if os.Getuid() == 0 {
					cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
				}
			})
		})
	}
}

// TestFault49NoLockedMemory: no memory may be locked. Linux before 5.12 counts rings as such, and
// so does 6.18: where they cannot be had, that is why; elsewhere nothing changes.
func TestFault49NoLockedMemory(t *testing.T) {
	wantRing(t)
	inChild(t, func() {
		systest.Nobody(t)
		systest.Limit(t, unix.RLIMIT_MEMLOCK, 0)
		if err := unix.Mlock(make([]byte, os.Getpagesize())); err == nil {
			t.Fatal("memory can be locked: this test has tested nothing")
		}
		lib, err := aio.New(aio.Options{Backend: "io_uring"})
		if err != nil {
			wantEpoll(t, unix.ENOMEM.Error(), "RLIMIT_MEMLOCK")
			return
		}
		lib.Close()
		each(t, everyday)
	})
}

// TestFault47Descriptors: the process runs out of descriptors, and gets some back. Accept and open
// say so with errors that are package net's and os's, and the listener goes on.
func TestFault47Descriptors(t *testing.T) {
	systest.Child(t, func() {
		each(t, func(t *testing.T, lib *aio.IO) {
			ln, err := lib.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			client, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			var was unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
				t.Fatal(err)
			}
			lowest, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(lowest)
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest), Max: was.Max}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				c, err := ln.Accept()
				//lint:ignore SA1019 what callers of net still ask
				if e := (net.Error)(nil); !errors.Is(err, syscall.EMFILE) || !errors.As(err, &e) || !e.Temporary() ||
					c != nil {
					t.Errorf("Accept: %v, %v: want a temporary EMFILE", c, err)
				}
				for _, err := range ln.(*aio.TCPListener).Accepts(t.Context()) {
					if !errors.Is(err, syscall.EMFILE) {
						t.Errorf("Accepts: %v, want EMFILE", err)
					}
					break
				}
				f, err := lib.Open("/dev/null")
				if e := (*os.PathError)(nil); !errors.Is(err, syscall.EMFILE) || !errors.As(err, &e) || f != nil {
					t.Errorf("Open: %v, %v: want an *os.PathError of EMFILE", f, err)
				}
				if _, err := lib.Dial("tcp", ln.Addr().String()); !errors.Is(err, syscall.EMFILE) {
					t.Errorf("Dial: %v, want EMFILE", err)
				}
			}
			if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
				t.Fatal(err)
			}
			c, err := ln.Accept()
			if err != nil {
				t.Fatalf("Accept, when there are descriptors again: %v", err)
			}
			defer c.Close()
			if _, err := client.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("a read from it: %d, %v", n, err)
			}
			f, err := lib.Open("/dev/null")
			if err != nil {
				t.Fatalf("Open, when there are descriptors again: %v", err)
			}
			f.Close()
		})
	})
}
