package aio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"github.com/weirgo/weir/aio"
)

func gc() { runtime.GC() }

// Bad options are named, and a backend that cannot be had says why.
func TestNewErrors(t *testing.T) {
	for _, c := range []struct {
		o    aio.Options
		want string
	}{
		{aio.Options{Backend: "steam"}, "no backend is called"},
		{aio.Options{Backend: "uring"}, "did you mean io_uring?"},
		{aio.Options{Drive: "sideways"}, "Options.Drive"},
		{aio.Options{Drive: "threads"}, "did you mean thread?"},
		{aio.Options{Loops: -1}, "Options.Loops"},
		{aio.Options{QueueEntries: 1 << 20}, "Options.QueueEntries"},
		{aio.Options{QueueEntries: 64, CompletionEntries: 8}, "Options.CompletionEntries"},
		{aio.Options{MaxInFlight: 1 << 30}, "Options.MaxInFlight"},
	} {
		_, err := aio.New(c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("New(%+v) = %v, want %q in it", c.o, err, c.want)
		}
	}
}

// Default starts by itself, and again after it was closed.
func TestDefault(t *testing.T) {
	open(t, aio.Options{}) // skips where nothing can start
	for range 2 {
		d := aio.Default()
		if d != aio.Default() {
			t.Error("Default returned two")
		}
		if err := aio.Sleep(context.Background(), time.Millisecond); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Setenv("WEIR_BACKEND", "steam")
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), `"steam"`) || !strings.Contains(r.(string),
			"WEIR_BACKEND") {
			t.Errorf("Default with WEIR_BACKEND=steam: %v", r)
		}
	}()
	aio.Default()
}

// Shutdown ends what is in flight with an error that is net.ErrClosed and os.ErrClosed; connections
// can be closed afterwards; further calls fail at once; a second Close is net.ErrClosed.
func TestShutdown(t *testing.T) {
	for _, d := range drives {
		t.Run(d, func(t *testing.T) {
			lib, err := aio.New(aio.Options{Drive: d})
			if err != nil {
				t.Skip("no backend can start here:", err)
			}
			ln, err := lib.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			a, b := pipe(t, "tcp", lib.Dial, lib.Listen)
			var wg sync.WaitGroup
			for _, f := range []func() error{
				func() error { _, err := ln.Accept(); return err },
				func() error { return readOne(a) },
				func() error { return readOne(b) },
				func() error { return lib.Sleep(context.Background(), time.Hour) },
				func() error { _, err := io.Copy(io.Discard, a); return err },
			} {
				wg.Add(1)
				go func() {
					defer wg.Done()
					if err := f(); !errors.Is(err, net.ErrClosed) || !errors.Is(err, os.ErrClosed) {
						t.Errorf("in flight: %v", err)
					}
				}()
			}
			time.Sleep(20 * time.Millisecond)
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := lib.Shutdown(ctx); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if err := readOne(a); !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Shutdown: %v", err)
			}
			if _, err := lib.Dial("tcp", ln.Addr().String()); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Dial after Shutdown: %v", err)
			}
			for _, c := range []io.Closer{a, b, ln} {
				if err := c.Close(); err != nil {
					t.Errorf("Close of a handle after Shutdown: %v", err)
				}
			}
			if err := lib.Close(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("second Close: %v", err)
			}
		})
	}
}

// Sleep never ends early, ends with its context, and is precise below a millisecond, as far as a
// loaded machine lets it: the shortest of many is looked at.
func TestSleep(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		best := time.Hour
		for range 50 {
			start := time.Now()
			if err := io.Sleep(context.Background(), 200*time.Microsecond); err != nil {
				t.Fatal(err)
			}
			d := time.Since(start)
			if d < 200*time.Microsecond {
				t.Fatalf("slept %v", d)
			}
			best = min(best, d)
		}
		t.Logf("the shortest sleep of 200us took %v", best)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		if err := io.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep whose context ends: %v", err)
		}
		if err := io.Sleep(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Sleep(0) with a context that has ended: %v", err)
		}
		if err := io.Sleep(context.Background(), -1); err != nil {
			t.Errorf("Sleep(-1): %v", err)
		}
		var wg sync.WaitGroup
		for i := range 2000 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				d := time.Duration(i%40) * time.Millisecond
				start := time.Now()
				if err := io.Sleep(context.Background(), d); err != nil || time.Since(start) < d {
					t.Errorf("Sleep(%v) took %v, %v", d, time.Since(start), err)
				}
			}()
		}
		wg.Wait()
	})
}

// Timers and tickers behave as those of package time.
func TestTimer(t *testing.T) {
	each(t, func(t *testing.T, io *aio.IO) {
		start := time.Now()
		tm := io.NewTimer(5 * time.Millisecond)
		<-tm.C
		if d := time.Since(start); d < 5*time.Millisecond {
			t.Errorf("fired after %v", d)
		}
		if tm.Stop() {
			t.Error("Stop of a timer that fired reports true")
		}
		if tm.Reset(time.Hour) {
			t.Error("Reset of a timer that fired reports true")
		}
		if !tm.Reset(time.Millisecond) {
			t.Error("Reset of a running timer reports false")
		}
		<-tm.C
		tm.Reset(0)
		time.Sleep(5 * time.Millisecond)
		tm.Stop() // fired and unread: no stale value may be left
		select {
		case <-tm.C:
			t.Error("a stale time was received after Stop")
		case <-time.After(5 * time.Millisecond):
		}
		for range 200 { // races with firing
			tm.Reset(50 * time.Microsecond)
			time.Sleep(45 * time.Microsecond)
			tm.Reset(time.Hour)
			select {
			case <-tm.C:
				t.Fatal("fired before its new time")
			default:
			}
		}
		tm.Stop()

		tk := io.NewTicker(time.Millisecond)
		for range 5 {
			<-tk.C
		}
		tk.Reset(2 * time.Millisecond)
		<-tk.C
		tk.Stop()
		select {
		case <-tk.C:
			t.Error("ticked after Stop")
		case <-time.After(10 * time.Millisecond):
		}
	})
}

// Reading, writing and sleeping allocate nothing once they have warmed up.
func TestAllocs(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	each(t, func(t *testing.T, io *aio.IO) {
		a, b := tcpPair(t, io)
		buf := make([]byte, 64)
		bufs := [][]byte{buf[:20], buf[20:]}
		go func() {
			echo := make([]byte, 64)
			for {
				n, err := b.Read(echo)
				if err != nil {
					return
				}
				b.Write(echo[:n])
			}
		}()
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		f.Write(make([]byte, 4096))
		f.Close()
		file, err := io.OpenFile(f.Name(), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"round trip", func() { a.Write(buf); a.Read(buf) }},
			{"round trip of a Writev", func() { a.Writev(bufs); a.Read(buf) }},
			{"ReadAt", func() { file.ReadAt(buf, 0) }},
			{"WriteAt", func() { file.WriteAt(buf, 0) }},
			{"Sleep", func() { io.Sleep(context.Background(), time.Microsecond) }},
			{"SetDeadline", func() { a.SetDeadline(time.Now().Add(time.Hour)) }},
		} {
			for range 100 {
				c.f()
			}
			// net.Buffers
			if n := testing.AllocsPerRun(1000, c.f); n >= 1 && (ownTypes || c.name != "round trip of a Writev") {
				t.Errorf("%s: %v allocations", c.name, n)
			}
		}
	})
}
