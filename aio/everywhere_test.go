package aio_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// The tests of this file run on every system that Go runs on, those without threads included.

func anywhere(t *testing.T) *aio.IO {
	t.Helper()
	lib, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lib.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return lib
}

func TestTimeEverywhere(t *testing.T) {
	lib := anywhere(t)
	if i := lib.Info(); i.Backend == "" || i.Reason == "" {
		t.Errorf("Info is %+v", i)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			d := time.Duration(i) * 100 * time.Microsecond
			start := time.Now()
			if err := lib.Sleep(t.Context(), d); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took < d {
				t.Errorf("a sleep of %v took %v", d, took)
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := lib.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a sleep whose context ended: %v", err)
	}
	timer := lib.NewTimer(time.Hour)
	if !timer.Reset(time.Millisecond) {
		t.Error("the timer was not running")
	}
	<-timer.C
	ticker := lib.NewTicker(time.Millisecond)
	for range 3 {
		<-ticker.C
	}
	ticker.Stop()
}

func TestFileEverywhere(t *testing.T) {
	lib := anywhere(t)
	name := filepath.Join(t.TempDir(), "file")
	f, err := lib.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("weir"), 10_000)
	if n, err := f.Write(data); n != len(data) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
	if n, err := f.WriteAtContext(t.Context(), []byte("WEIR"), 4); n != 4 || err != nil {
		t.Fatalf("WriteAtContext: %d, %v", n, err)
	}
	copy(data[4:], "WEIR")
	if err := f.Sync(); err != nil {
		t.Error(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v, want the %d that were written", len(got), err, len(data))
	}
	ended, cancel := context.WithCancelCause(t.Context())
	because := errors.New("because")
	cancel(because)
	// from the page cache
	if _, err := f.ReadAtContext(ended, make([]byte, 1), 0); !errors.Is(err, because) && !(ownTypes && err == nil) {
		t.Errorf("ReadAtContext with a context that is over: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Read of a closed file: %v", err)
	}
	if _, err := lib.Open(name + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open of what is not there: %v", err)
	}
}

// On js/wasm and wasip1 package net has a network of its own, inside the process.
func TestConnEverywhere(t *testing.T) {
	lib := anywhere(t)
	ln, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skipf("no network on %s: %v", runtime.GOOS, err)
	}
	defer ln.Close()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v", err)
				}
				return
			}
			wg.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	for i := range 10 {
		c, err := lib.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		msg := bytes.Repeat([]byte{byte(i)}, 100)
		if _, err := c.Write(msg); err != nil {
			t.Errorf("Write: %v", err)
		}
		got := make([]byte, len(msg))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, msg) {
			t.Errorf("the echo is % x, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := c.(*aio.TCPConn).ReadContext(ctx, got); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a read whose context ended: %v", err)
		}
		cancel()
		if _, err := c.Write(msg[:1]); err != nil { // the connection is none the worse for it
			t.Errorf("Write: %v", err)
		}
		if n, err := c.Read(got); n != 1 || err != nil {
			t.Errorf("Read after one whose context ended: %d, %v", n, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	ln.Close()
	wg.Wait()
}

// TestContextLeavesDeadline guards that a context that ends removes no deadline, however close
// together the two come, and ends no call but its own.
func TestContextLeavesDeadline(t *testing.T) {
	lib := anywhere(t)
	ln, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skipf("no network on %s: %v", runtime.GOOS, err)
	}
	defer ln.Close()
	conn, err := lib.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := conn.(*aio.TCPConn)
	defer c.Close()
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	b := make([]byte, 10)
	for i := range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 20 * time.Microsecond)
			cancel()
		})
		wg.Go(func() { // while that happens
			time.Sleep(500 * time.Microsecond)
			if err := c.SetReadDeadline(time.Now().Add(2 * time.Millisecond)); err != nil {
				t.Error(err)
			}
		})
		if _, err := c.ReadContext(ctx, b); !errors.Is(err, context.Canceled) &&
			!errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ReadContext: %v", err)
		}
		wg.Wait()
		if _, err := c.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) { // hangs if the deadline is gone
			t.Errorf("Read after the deadline: %v", err)
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Error(err)
		}
	}
	// One reader's context ends while another waits: the other goes on.
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.ReadContext(ctx, b[:1]); !errors.Is(err, context.Canceled) {
			t.Errorf("ReadContext: %v", err)
		}
	})
	time.Sleep(5 * time.Millisecond) // most likely it reads now, and the next waits for its turn
	other := make([]byte, 1)
	wg.Go(func() {
		if n, err := c.Read(other); n != 1 || err != nil {
			t.Errorf("Read beside one whose context ended: %d, %v", n, err)
		}
	})
	time.Sleep(5 * time.Millisecond)
	cancel()
	time.Sleep(5 * time.Millisecond)
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// TestDescriptorEverywhere guards that calls on descriptors do not hang where there are none.
func TestDescriptorEverywhere(t *testing.T) {
	lib := anywhere(t)
	_, err := lib.Read(t.Context(), -1, make([]byte, 1))
	switch runtime.GOOS {
	case "windows", "plan9", "js", "wasip1", "aix":
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Read of a descriptor: %v, want errors.ErrUnsupported", err)
		}
	default:
		if err == nil {
			t.Error("Read of descriptor -1: no error")
		}
	}
}

// TestOnEverywhere: an operation On a file is done where files have descriptors of weir's, and is
// errors.ErrUnsupported elsewhere; the file stays as it was.
func TestOnEverywhere(t *testing.T) {
	lib := anywhere(t)
	f, err := lib.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := op.Write(-1, []byte("data"), 0).On(f)
	err = lib.Do(context.Background(), write)
	if native := embeds(f); native != errors.Is(err, errors.ErrUnsupported) || !native && err != nil {
		t.Errorf("%d, %v; the file is one of package os's: %v", write.N, err, native)
	}
	want := int64(4)
	if err != nil {
		want = 0
	}
	if st, err := f.Stat(); err != nil || st.Size() != want {
		t.Errorf("the file has %d bytes, %v, want %d", st.Size(), err, want)
	}
}
