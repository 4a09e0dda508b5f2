//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/sys/systest"
)

// TestPageFaults guards that a call on memory of which a page is missing makes nothing wait but
// itself.
func TestPageFaults(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, make([]byte, 1<<16), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := lib.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		r, w, err := lib.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		u, err := lib.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		a, b := tcpPair(t, lib)
		send := func() { u.WriteTo([]byte("packet"), u.LocalAddr()) }
		for _, c := range []struct {
			name   string
			before func() // makes the call find something
			call   func(p []byte) (int, error)
		}{
			{"ReadAt", nil, func(p []byte) (int, error) { return file.ReadAt(p, 4096) }},
			{"WriteAt", nil, func(p []byte) (int, error) { return file.WriteAt(p, 4096) }},
			{"Read of a file", nil, file.Read},
			{"Read of a pipe", func() { w.Write([]byte("in the pipe")) }, r.Read},
			{"Write to a pipe", nil, w.Write},
			{"ReadFrom", send, func(p []byte) (int, error) { n, _, err := u.ReadFrom(p); return n, err }},
			{"ReadFrom that waits", func() { time.AfterFunc(20*time.Millisecond, send) },
				func(p []byte) (int, error) { n, _, err := u.ReadFrom(p); return n, err }},
			{"WriteTo", nil, func(p []byte) (int, error) { return u.WriteTo(p, u.LocalAddr()) }},
			{"Read of a stream", func() { b.Write([]byte("data")) }, a.Read},
			{"Write to a stream", nil, a.Write},
			{"Writev", nil, func(p []byte) (int, error) {
				n,
					err := a.Writev([][]byte{[]byte("head"), p})
				return int(n), err
			}},
		} {
			t.Run(c.name, func(t *testing.T) {
				mem, faults, err := systest.Userfault(1)
				if err != nil {
					t.Skip("no page can be made to be missing here:", err)
				}
				defer unix.Munmap(mem)
				defer faults.Close()
				if c.before != nil {
					c.before()
				}
				over := make(chan error)
				go func() {
					_, err := c.call(mem)
					over <- err
				}()
				faults.SetReadDeadline(time.Now().Add(10 * time.Second))
				page, err := systest.Accessed(faults)
				if err != nil {
					t.Fatal("nothing waits for the page:", err)
				}
				beside := make(chan error)
				go func() {
					defer close(beside)
					lib.Sleep(context.Background(), time.Millisecond)
					conn, err := lib.Dial("tcp", listener(t, lib))
					if err == nil {
						_, err = conn.Read(make([]byte, 1))
						conn.Close()
					}
					beside <- err
				}()
				select {
				case err := <-beside:
					if err != nil {
						t.Error(err)
					}
				case <-time.After(10 * time.Second):
					t.Error("the page that one call waits for holds up others")
				}
				if err := systest.Give(faults, page); err != nil {
					t.Fatal(err)
				}
				if err := <-over; err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// listener answers one connection with a byte.
func listener(t *testing.T, lib *aio.IO) string {
	l, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return ""
	}
	go func() {
		defer l.Close()
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		c.Write([]byte("x"))
		c.Close()
	}()
	return l.Addr().String()
}

// TestMissingPageInBlockingMode guards that a write of memory that is missing to a full pipe in
// blocking mode obeys its deadline. The caller must not make that call: it would block.
func TestMissingPageInBlockingMode(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		drain := os.NewFile(uintptr(fds[0]), "|0")
		w := lib.NewFile(uintptr(fds[1]), "|1")
		defer drain.Close()
		defer w.Close()
		if _, err := w.Write(make([]byte, 1<<16)); err != nil { // all that there is room for
			t.Fatal(err)
		}
		mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Munmap(mem)
		w.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		over := make(chan error, 1)
		go func() {
			_, err := w.Write(mem)
			over <- err
		}()
		select {
		case err := <-over:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("at its deadline: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("it does not end at its deadline")
			drain.Close()
			<-over
		}
	})
}
