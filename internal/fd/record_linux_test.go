//go:build !weir_portable

package fd

import (
	"context"
	"errors"
	"net"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// recorded returns an FD of a socket that nothing is written to, whose loop is driven by Go's
// scheduler or a thread.
func recorded(t *testing.T, drive string) *FD {
	t.Helper()
	rt, err := aiort.New(aiort.Options{Drive: drive, Backend: os.Getenv("WEIR_BACKEND")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Shutdown(context.Background()) })
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	shared := &Shared{RT: rt, Direct: rt.Info().Drive == aiort.DriveAuto}
	t.Cleanup(shared.Close)
	f := new(FD)
	if err := shared.Adopt(f, fds[0], Kind{Polled: true, IsStream: true, ZeroReadIsEOF: true}); err != nil {
		t.Fatal(err)
	}
	return f
}

// A read that has begun when Close comes, and has its record made only then, ends all the same, and
// so does Close.
func TestRecordWhileClosing(t *testing.T) {
	for _, drive := range []string{"thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			h := recorded(t, drive)
			if err := h.Begin(context.Background(), &h.R); err != nil {
				t.Fatal(err)
			}
			closed := make(chan error)
			go func() { closed <- h.Close() }()
			for !h.Closing() {
				runtime.Gosched()
			}
			h.mu.Lock() // Close comes after, or has been there: either way it does not know of the record
			//lint:ignore SA2001 it is to wait for Close
			h.mu.Unlock()
			n, err := h.do(context.Background(), &h.R, &backends.Op{Code: backends.OpRecv, FD: h.Sysfd,
				Buf: make([]byte, 1)})
			if n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("a read that meets Close: %d, %v", n, err)
			}
			h.End(&h.R)
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// A deadline is that of the record, whether it was set before the record was made or after.
func TestRecordDeadline(t *testing.T) {
	for _, drive := range []string{"thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			h := recorded(t, drive)
			defer h.Close()
			read := func() {
				t.Helper()
				n, err := h.do(context.Background(), &h.R, &backends.Op{Code: backends.OpRecv, FD: h.Sysfd,
					Buf: make([]byte, 1)})
				if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a read past its deadline: %d, %v", n, err)
				}
			}
			if err := h.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if h.R.completion.Load() != nil {
				t.Error("there is a record before anything has gone to the loop")
			}
			read()
			if h.R.completion.Load() == nil || h.W.completion.Load() != nil {
				t.Error("a read needs one record, that of reads")
			}
			if err := h.setDeadline(0, &h.R); err != nil {
				t.Fatal(err)
			}
			if d := h.R.completion.Load().Deadline(); d != 0 {
				t.Errorf("the record has the deadline %d after it was removed", d)
			}
			go func() {
				for !h.R.completion.Load().InFlight() {
					runtime.Gosched()
				}
				h.setDeadline(1, &h.R)
			}()
			read()
		})
	}
}

// A deadline moves if it is another one for any of the sides that it is for, and only theirs.
func TestSetDeadlineSides(t *testing.T) {
	h := recorded(t, "auto")
	defer h.Close()
	for _, tt := range []struct {
		when        int64
		sides       []*Side
		read, write int64 // what it is then
	}{
		{1, []*Side{&h.W}, 0, 1},
		{0, []*Side{&h.R, &h.W}, 0, 0},
		{1, []*Side{&h.R}, 1, 0},
		{0, []*Side{&h.R, &h.W}, 0, 0},
		{1, []*Side{&h.R, &h.W}, 1, 1},
		{1, []*Side{&h.R, &h.W}, 1, 1},
		{1, []*Side{&h.W}, 1, 1},
		{0, []*Side{&h.W}, 1, 0},
	} {
		if err := h.setDeadline(tt.when, tt.sides...); err != nil {
			t.Fatal(err)
		}
		if r, w := h.R.deadline.Load(), h.W.deadline.Load(); r != tt.read || w != tt.write {
			t.Errorf("%d for %d sides: reads have %d, writes %d, want %d and %d", tt.when, len(tt.sides), r, w, tt.read,
				tt.write)
		}
	}
}

// A caller that finds a deadline at a side may take it for that of its operations. So setDeadline
// need not wait for another caller that is setting the same one.
func TestSetDeadlineTogether(t *testing.T) {
	h := recorded(t, "auto")
	defer h.Close()
	c := h.Completion(&h.R)
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		h.setDeadline(1, &h.R)
		seen := make(chan int64)
		go func() {
			for n := 0; h.R.deadline.Load() != 0; n++ {
				if n%1024 == 0 {
					runtime.Gosched()
				}
			}
			seen <- c.Deadline()
		}()
		runtime.Gosched() // it looks already, as a rule
		h.setDeadline(0, &h.R)
		if d := <-seen; d != 0 {
			t.Fatalf("the side has no deadline any more, operations have %d", d)
		}
	}
}

// There may be very many connections, most of them idle: what each holds must not grow by accident.
// The sizes are those of the allocator's classes that they fit into.
func TestSizes(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the sizes are those of 64-bit systems")
	}
	for _, c := range []struct {
		v     any
		limit uintptr
	}{
		{new(FD), 88}, {new(descriptor), 128}, {new(aiort.Completion), 240},
	} {
		if typ := reflect.TypeOf(c.v).Elem(); typ.Size() > c.limit {
			t.Errorf("%v has %d bytes, want %d at most", typ, typ.Size(), c.limit)
		}
	}
}

// The handles of a descriptor come and go in any order; the first stays.
func TestHandles(t *testing.T) {
	h := recorded(t, "scheduler")
	defer h.Close()
	var views [3]FD
	check := func(want ...*FD) {
		t.Helper()
		var got []*FD
		h.each(func(o *FD) { got = append(got, o) })
		if !slices.Equal(got, append([]*FD{h}, want...)) {
			t.Errorf("the handles are %p, want %p and %p", got, want, h)
		}
	}
	for i := range views {
		views[i].attach(h.Loop, nil, h)
	}
	check(&views[2], &views[1], &views[0])
	views[1].detachView()
	check(&views[2], &views[0])
	views[1].detachView() // it has gone
	check(&views[2], &views[0])
	views[2].detachView()
	views[0].detachView()
	check()
}

// TestHandlesDropped guards that a descriptor keeps no view that is dropped, nor the places of very
// many of them, and that those which are kept stay.
func TestHandlesDropped(t *testing.T) {
	h := recorded(t, "scheduler")
	defer h.Close()
	kept := make([]*FD, 20)
	for i := range 1000 {
		v := new(FD)
		v.attach(h.Loop, nil, h)
		if i%50 == 0 {
			kept[i/50] = v
		}
		if i%100 == 99 {
			runtime.GC()
		}
	}
	runtime.GC()
	dead := kept[7].view.viewEntry
	kept[7] = nil
	for dead.of.Value() != nil {
		runtime.GC()
	}
	if !dead.Gone() || kept[3].view.viewEntry.Gone() {
		t.Error("what is kept has gone, or what is dropped has not")
	}
	dead.Detach() // nothing is left to do
	ended := kept[8]
	ended.view.viewEntry.Detach()
	kept[8] = nil
	seen := map[*FD]bool{}
	h.each(func(o *FD) { seen[o] = true })
	if seen[ended] {
		t.Error("a view that was detached is one of the descriptor's")
	}
	for i, v := range kept {
		if v != nil && !seen[v] {
			t.Errorf("view %d is lost", i)
		}
	}
	if n := h.views.n; n > 400 {
		t.Errorf("%d places are kept for 20 views", n)
	}
	v := new(FD)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	v.attach(h.Loop, nil, h)
	if h.views != nil || !v.view.viewEntry.Gone() {
		t.Error("a descriptor that is closed has views")
	}
	v.detachView()
}
