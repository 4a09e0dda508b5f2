package fixed

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// TestFileClose: Close stops what is in flight, waits for the last of it, and then says once that
// the file is gone.
func TestFileClose(t *testing.T) {
	var order []string
	stopped := make(chan struct{})
	why := errors.New("from close")
	f := NewFile(3, 7, func(f *File) {
		order = append(order, "stop")
		if !FileOf(f).Closed.Load() {
			t.Error("stop is called before operations are refused")
		}
		close(stopped)
	}, func(f *File) error { order = append(order, "gone"); return why })
	if r := FileOf(f); r.Index != 3 || r.FD != 7 || f.FD() != 7 || r.Closed.Load() {
		t.Errorf("place %d, descriptor %d and %d, closed %v", r.Index, r.FD, f.FD(), r.Closed.Load())
	}
	for range 2 {
		if err := HoldFile(f); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() { done <- f.Close() }()
	<-stopped
	if f.FD() != -1 {
		t.Errorf("descriptor %d after Close began", f.FD())
	}
	if err := HoldFile(f); err != net.ErrClosed {
		t.Errorf("HoldFile of one that is being closed: %v", err)
	}
	if err := f.Close(); err != net.ErrClosed {
		t.Errorf("second Close: %v", err)
	}
	DropFile(f)
	select {
	case <-done:
		t.Fatal("Close did not wait for the last operation")
	default:
	}
	if len(order) != 1 {
		t.Errorf("with an operation in flight: %q", order)
	}
	DropFile(f)
	if err := <-done; err != why {
		t.Errorf("Close: %v", err)
	}
	if err := HoldFile(f); err != net.ErrClosed {
		t.Errorf("HoldFile after Close: %v", err)
	}
	if err := f.Close(); err != net.ErrClosed {
		t.Errorf("Close after Close: %v", err)
	}
	if len(order) != 2 || order[1] != "gone" {
		t.Errorf("stop and gone were called in this order: %q", order)
	}
}

// TestFileReasons: the first reason stays.
func TestFileReasons(t *testing.T) {
	f := NewFile(0, 0, nil, nil)
	if !f.Registered() || f.Reason() != nil {
		t.Error("not registered from the start")
	}
	one, two := errors.New("one"), errors.New("two")
	FailFile(f, one)
	FailFile(f, two)
	if f.Registered() || f.Reason() != one {
		t.Errorf("reason %v", f.Reason())
	}
}

// TestFileDrop: to drop a file that is not held is a fault of this module.
func TestFileDrop(t *testing.T) {
	f := NewFile(0, 0, nil, nil)
	if panics(func() { DropFile(f) }) == nil {
		t.Error("no panic")
	}
}

// TestFileRace: many goroutines close a file while others use it. One succeeds, and the file is not
// in use when it is gone.
func TestFileRace(t *testing.T) {
	for range 200 {
		var users, gone, closed atomic.Int32
		f := NewFile(0, 0, func(*File) {}, func(*File) error {
			if gone.Add(1) != 1 || users.Load() != 0 {
				t.Errorf("gone %d times, with %d users", gone.Load(), users.Load())
			}
			return nil
		})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for HoldFile(f) == nil {
					users.Add(1)
					users.Add(-1)
					DropFile(f)
				}
			})
			wg.Go(func() {
				if f.Close() == nil {
					closed.Add(1)
				}
			})
		}
		wg.Wait()
		if gone.Load() != 1 || closed.Load() != 1 {
			t.Fatalf("gone %d times, closed %d times", gone.Load(), closed.Load())
		}
	}
}
