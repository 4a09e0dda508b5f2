//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// What was reported of other runtimes, and no other test holds.

// TestAppendSetLater: a copy to a file that has become one of O_APPEND since it was opened goes on
// (go#79660).
func TestAppendSetLater(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "from"), []byte("appended"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "to"), []byte("here, "), 0o600); err != nil {
			t.Fatal(err)
		}
		from, err := lib.Open(filepath.Join(dir, "from"))
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		to, err := lib.OpenFile(filepath.Join(dir, "to"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		if _, err := unix.FcntlInt(to.Fd(), unix.F_SETFL, unix.O_APPEND); err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(to, from)
		got, _ := os.ReadFile(filepath.Join(dir, "to"))
		if n != 8 || err != nil || string(got) != "here, appended" {
			t.Errorf("%d, %v; the file holds %q", n, err, got)
		}
	})
}

// TestWriteBeyondInt32: a write of more than one system call takes is whole (go#16266, odin#4042).
func TestWriteBeyondInt32(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("int has 32 bits")
	}
	size := int64(5 << 30)
	huge, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Skip("no room for so many addresses: ", err)
	}
	defer unix.Munmap(huge)
	each(t, func(t *testing.T, lib *aio.IO) {
		f, err := lib.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if n, err := f.Write(huge); n != len(huge) || err != nil {
			t.Errorf("%d of %d, %v", n, len(huge), err)
		}
	})
}

// TestListenAgain: an address is free when Close of its listener, and of what that accepted, has
// returned (ngo#64).
func TestListenAgain(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		addr := "127.0.0.1:0"
		for round := range 50 {
			l, err := lib.Listen("tcp", addr)
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			addr = l.Addr().String()
			waits := make(chan error, 1)
			go func() {
				_, err := l.Accept()
				if err == nil {
					_, err = l.Accept()
				}
				waits <- err
			}()
			if round%2 == 0 {
				c, err := lib.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if err := <-waits; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept: %v", err)
			}
		}
	})
}

// TestRawCallbackEnds: a panic or Goexit in a callback of a RawConn's leaves no turn taken
// (go#29828, go#53445).
func TestRawCallbackEnds(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := tcpPair(t, lib)
		raw, err := a.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		for _, end := range []func(){func() { panic("on purpose") }, runtime.Goexit} {
			for what, call := range map[string]func(){
				"Read":    func() { raw.Read(func(uintptr) bool { end(); return true }) },
				"Write":   func() { raw.Write(func(uintptr) bool { end(); return true }) },
				"Control": func() { raw.Control(func(uintptr) { end() }) },
			} {
				over := make(chan struct{})
				go func() {
					defer close(over)
					defer func() { recover() }()
					call()
				}()
				<-over
				a.SetDeadline(time.Now().Add(20 * time.Second))
				if _, err := fmt.Fprint(a, "x"); err != nil {
					t.Errorf("%s: write: %v", what, err)
				}
				if _, err := fmt.Fprint(b, "x"); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(a, make([]byte, 1)); err != nil {
					t.Errorf("%s: read: %v", what, err)
				}
			}
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

// oddContext has a deadline of which its Done knows nothing.
type oddContext struct {
	context.Context
	deadline time.Time
}

func (c oddContext) Deadline() (time.Time, bool) { return c.deadline, true }

// TestDialOddDeadline: a Dial with a context whose Deadline has nothing to do with its Done is as
// package net's (go#35594).
func TestDialOddDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, deadline := range []time.Time{{}, time.Unix(1, 0), time.Now().Add(-time.Second),
			time.Now().Add(time.Hour), time.Unix(1<<40, 0)} {
			ctx := oddContext{context.Background(), deadline}
			theirs, err1 := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
			ours, err2 := lib.DialContext(ctx, "tcp", l.Addr().String())
			if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
				t.Errorf("deadline %v: %v, net: %v", deadline, err2, err1)
			}
			for _, c := range []net.Conn{theirs, ours} {
				if c != nil {
					c.Close()
				}
			}
		}
	})
}
