//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestWaitProcess(t *testing.T) {
	io := eventIO(t)
	spawn := func(script string) *os.Process {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd.Process
	}
	p := spawn("exit 7")
	if s, err := io.WaitProcess(t.Context(), p); err != nil || s.ExitCode() != 7 || s.Pid() != p.Pid {
		t.Errorf("%v, %v", s, err)
	}
	if s, err := io.WaitProcess(t.Context(), p); err == nil {
		t.Error("a second time:", s)
	}
	p = spawn("exec sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for range 2 {
		if s, err := io.WaitProcess(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one that goes on: %v, %v", s, err)
		}
	}
	type exit struct {
		s   *os.ProcessState
		err error
	}
	c := make(chan exit)
	go func() {
		s, err := io.WaitProcess(context.Background(), p)
		c <- exit{s, err}
	}()
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if e := <-c; e.err != nil || e.s.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("killed: %v, %v", e.s, e.err)
	}
	p = spawn("exit 0")
	p.Release()
	if s, err := io.WaitProcess(t.Context(), p); err == nil {
		t.Error("released:", s)
	}
}
