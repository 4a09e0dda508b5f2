//go:build !weir_portable

package aio_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/sys/systest"
)

// fullTable lets the process open no more descriptors, until the function it returns is called. It
// is for child processes.
func fullTable(t *testing.T) (restore func()) {
	t.Helper()
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
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWaitProcessLikeOS: what cannot be waited for fails at once and with the errors of package os,
// though there is a process of that number (libuv#1911).
func TestWaitProcessLikeOS(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		start := func() *exec.Cmd {
			cmd := exec.Command("/bin/true")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			return cmd
		}
		stranger := func() *os.Process { // of this process's parent, not of this one
			p, err := os.FindProcess(os.Getppid())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		for _, c := range []struct {
			name string
			make func() *os.Process
		}{
			{"waited for", func() *os.Process {
				cmd := start()
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
				return cmd.Process
			}},
			{"no child", stranger},
			{"released", func() *os.Process {
				cmd := start()
				t.Cleanup(func() { syscall.Wait4(-1, nil, 0, nil) })
				cmd.Process.Release()
				return cmd.Process
			}},
			{"of another's number", func() *os.Process { return numberTaken(t) }},
		} {
			t.Run(c.name, func(t *testing.T) {
				p := c.make()
				_, want := p.Wait()
				s, err := lib.WaitProcess(t.Context(), p)
				if s != nil || want == nil || err == nil || err.Error() != want.Error() {
					t.Errorf("%v, %v, want the error %v", s, err, want)
				}
			})
		}
		cmd := exec.Command("/bin/echo", "hello")
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if s, err := lib.WaitProcess(t.Context(), cmd.Process); err != nil || !s.Success() {
			t.Errorf("%v, %v", s, err)
		}
		if err := cmd.Wait(); !errors.Is(err, syscall.ECHILD) || out.String() != "hello\n" {
			t.Errorf("Cmd.Wait after WaitProcess: %v, output %q", err, out.String())
		}
	})
}

// numberTaken is a process that has been waited for and whose number is that of another child.
func numberTaken(t *testing.T) *os.Process {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	last := []byte(strconv.Itoa(cmd.Process.Pid - 1))
	for range 100 {
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", last, 0); err != nil {
			t.Skip("numbers cannot be chosen here:", err)
		}
		other := exec.Command("/bin/sleep", "1000")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			other.Process.Kill()
			other.Wait()
		})
		if other.Process.Pid == cmd.Process.Pid {
			return cmd.Process
		}
	}
	t.Skip("others took the number each time")
	return nil
}

// TestNoDescriptors: what package os does without a free descriptor weir does so, too (libuv#1911).
func TestNoDescriptors(t *testing.T) {
	systest.Child(t, func() {
		each(t, func(t *testing.T, lib *aio.IO) {
			if err := lib.Sleep(context.Background(), 1); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/bin/cat")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			dir, err := lib.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer dir.Close()
			restore := fullTable(t)
			defer restore()
			if info, err := dir.Stat(); err != nil || !info.IsDir() {
				t.Errorf("Stat: %v, %v", info, err)
			}
			if list, err := dir.ReadDir(-1); err != nil || len(list) != 0 {
				t.Errorf("ReadDir: %v, %v", list, err)
			}
			in.Close()
			if s, err := lib.WaitProcess(t.Context(), cmd.Process); err != nil || !s.Success() {
				t.Errorf("WaitProcess: %v, %v", s, err)
			}
		})
	})
}
