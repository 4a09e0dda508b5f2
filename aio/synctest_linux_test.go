//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// bubbleUse is what a program does with an IO, in a bubble of testing/synctest or not: everything
// in it ends.
func bubbleUse(t *testing.T, lib *aio.IO) {
	t.Helper()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	r, w, err := lib.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	var b [4]byte
	for range 3 {
		go w.Write([]byte("x"))
		_, err := r.Read(b[:])
		check("Read", err)
		ctx, cancel := context.WithCancel(context.Background())
		go w.Write([]byte("y"))
		_, err = r.ReadContext(ctx, b[:])
		check("ReadContext", err)
		go cancel()
		if _, err := r.ReadContext(ctx, b[:]); !errors.Is(err, context.Canceled) {
			t.Errorf("ReadContext with a context that ends: %v", err)
		}
	}

	ln, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		for c, err := range ln.(*aio.TCPListener).Accepts(ctx) {
			if err != nil {
				return
			}
			io.Copy(c, c)
			c.Close()
			return
		}
	})
	c, err := lib.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		_, err := c.Write([]byte("ping"))
		check("Write", err)
		_, err = io.ReadFull(c, b[:])
		check("ReadFull", err)
	}
	check("CloseWrite", c.(*aio.TCPConn).CloseWrite())
	if _, err := c.Read(b[:]); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	check("Close", c.Close())
	served.Wait()
	check("Close of the listener", ln.Close())

	batch := lib.Start(op.Nop(), op.Write(int(w.Fd()), []byte("z"), -1))
	<-batch.Done()
	check("Start", batch.Wait(context.Background()))
	check("Do", lib.Do(context.Background(), op.Read(int(r.Fd()), b[:1], -1)))
	event := lib.NewEvent()
	go event.Notify()
	check("Event", event.Wait(context.Background()))
	check("Event.Close", event.Close())
	_, err = lib.ReadFile("/proc/self/stat")
	check("ReadFile", err)

	before := time.Now()
	check("SetReadDeadline", r.SetReadDeadline(before.Add(10*time.Millisecond)))
	if _, err := r.Read(b[:]); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read with a deadline: %v", err)
	}
	check("SetReadDeadline", r.SetReadDeadline(time.Time{}))
}

// within ends the test program if f lasts.
func within(t *testing.T, f func()) {
	stop := time.AfterFunc(40*time.Second, func() { panic(t.Name() + ": it does not end") })
	defer stop.Stop()
	f()
}

// TestBubble: in a bubble of testing/synctest an IO does what it does elsewhere, one that was made
// outside and one that was made inside, which can be used outside afterwards; and a bubble is over
// although loops go on.
func TestBubble(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		within(t, func() {
			var inner *aio.IO
			info := lib.Info()
			for range 2 {
				synctest.Test(t, func(t *testing.T) { bubbleUse(t, lib) })
				bubbleUse(t, lib)
				synctest.Test(t, func(t *testing.T) {
					var err error
					if inner, err = aio.New(aio.Options{Backend: info.Backend, Drive: info.Drive}); err != nil {
						t.Fatal(err)
					}
					bubbleUse(t, inner)
				})
				bubbleUse(t, inner)
				synctest.Test(t, func(t *testing.T) {
					bubbleUse(t, inner)
					if err := inner.Close(); err != nil {
						t.Error(err)
					}
				})
			}
		})
	})
}

// TestBubbleBeside: what a bubble does, to its clock too, disturbs nothing outside: sleeps and
// deadlines there end when they should, and the loop does not spin.
func TestBubbleBeside(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		within(t, func() {
			stop := make(chan struct{})
			var outside sync.WaitGroup
			r, w, err := lib.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			defer w.Close()
			loop := func(f func()) {
				outside.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							f()
						}
					}
				})
			}
			loop(func() {
				begin := time.Now()
				if err := lib.Sleep(context.Background(), 5*time.Millisecond); err != nil {
					t.Error(err)
				}
				if d := time.Since(begin); d < 5*time.Millisecond {
					t.Errorf("a sleep of 5 ms took %v", d)
				}
			})
			loop(func() {
				r.SetReadDeadline(time.Now().Add(3 * time.Millisecond))
				if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Read with a deadline: %v", err)
				}
			})
			for range 3 {
				synctest.Test(t, func(t *testing.T) {
					bubbleUse(t, lib)
					time.Sleep(1000 * time.Hour)
					bubbleUse(t, lib)
				})
			}
			close(stop)
			outside.Wait()
		})
	})
}

// TestBubbleClock: inside, Sleep, Timer and Ticker are on the bubble's clock, as those of package
// time are; deadlines are in real time, as those of package net are: while a call waits for one the
// bubble's clock stands still.
func TestBubbleClock(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		within(t, func() {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				passed := func(what string, want time.Duration) {
					t.Helper()
					if d := time.Since(begin); d != want {
						t.Errorf("%s took %v of the bubble's time, want %v", what, d, want)
					}
					begin = time.Now()
				}
				if err := lib.Sleep(t.Context(), time.Hour); err != nil {
					t.Error(err)
				}
				passed("Sleep", time.Hour)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := lib.Sleep(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Sleep with a context: %v", err)
				}
				passed("Sleep with a context", time.Minute)
				<-lib.NewTimer(time.Hour).C
				passed("Timer", time.Hour)
				ticker := lib.NewTicker(time.Second)
				<-ticker.C
				<-ticker.C
				ticker.Stop()
				passed("Ticker", 2*time.Second)

				r, w, err := lib.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				defer w.Close()
				r.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Read with a deadline: %v", err)
				}
				passed("a deadline", 0)
				r.SetReadDeadline(time.Now().Add(-time.Second))
				if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("Read after its deadline: %v", err)
				}
				r.SetReadDeadline(time.Now().Add(time.Hour))
				go w.Write([]byte("x"))
				if _, err := r.Read(make([]byte, 1)); err != nil {
					t.Errorf("Read before its deadline: %v", err)
				}
			})
		})
	})
}

// TestCloseHeldInBubble: Close in a bubble asks what holds the descriptor to end until it does, in
// real time: the bubble's clock stands still while Close waits.
func TestCloseHeldInBubble(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, b := pipe(t, "unix", lib.Dial, lib.Listen)
		defer b.Close()
		raw, err := a.(*aio.UnixConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(t *testing.T) {
			asked, let := 0, func() {}
			_, release, err := raw.(interface {
				Hold(end func()) (int, func(), error)
			}).Hold(func() {
				if asked++; asked == 4 { // it could not be ended before
					let()
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			let = release
			if err := a.Close(); err != nil || asked != 4 {
				t.Errorf("Close: %v, asked %d times", err, asked)
			}
		})
	})
}
