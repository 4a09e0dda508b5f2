//go:build !weir_portable

package aio

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

// recorded returns a handle of a socket that nobody writes to, whose loop is driven by Go's
// scheduler or a thread.
func recorded(t *testing.T, drive string) *handle { return &recordedConn(t, drive).h }

// recordedConn is the connection that such a handle is part of.
func recordedConn(t *testing.T, drive string) *conn {
	t.Helper()
	lib, err := New(Options{Drive: drive})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lib.Close() })
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fds[1]) })
	c := &conn{socket{sotype: unix.SOCK_STREAM}}
	if err := lib.adopt(&c.h, fds[0], false, true); err != nil {
		t.Fatal(err)
	}
	return c
}

// A read that has begun when Close comes, and has its record made only then, ends all the same, and
// so does Close.
func TestRecordWhileClosing(t *testing.T) {
	for _, drive := range []string{"thread", "scheduler"} {
		t.Run(drive, func(t *testing.T) {
			h := recorded(t, drive)
			if err := h.begin(context.Background(), &h.r); err != nil {
				t.Fatal(err)
			}
			closed := make(chan error)
			go func() { closed <- h.close() }()
			for !h.closing() {
				runtime.Gosched()
			}
			h.mu.Lock() // Close comes after, or has been there: either way it does not know of the record
			//lint:ignore SA2001 it is to wait for Close
			h.mu.Unlock()
			n, err := h.do(context.Background(), &h.r, &backends.Op{Code: backends.OpRecv, FD: h.fd,
				Buf: make([]byte, 1)})
			if n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Errorf("a read that meets Close: %d, %v", n, err)
			}
			h.end(&h.r)
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
			defer h.close()
			read := func() {
				t.Helper()
				n, err := h.do(context.Background(), &h.r, &backends.Op{Code: backends.OpRecv, FD: h.fd,
					Buf: make([]byte, 1)})
				if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("a read past its deadline: %d, %v", n, err)
				}
			}
			if err := h.setDeadline(loopTime(h.loop, time.Now().Add(time.Millisecond)), &h.r); err != nil {
				t.Fatal(err)
			}
			if h.r.c.Load() != nil {
				t.Error("there is a record before anything has gone to the loop")
			}
			read()
			if h.r.c.Load() == nil || h.w.c.Load() != nil {
				t.Error("a read needs one record, that of reads")
			}
			if err := h.setDeadline(0, &h.r); err != nil {
				t.Fatal(err)
			}
			if d := h.r.c.Load().Deadline(); d != 0 {
				t.Errorf("the record has the deadline %d after it was removed", d)
			}
			go func() {
				for !h.r.c.Load().InFlight() {
					runtime.Gosched()
				}
				h.setDeadline(1, &h.r)
			}()
			read()
		})
	}
}

// A deadline moves if it is another one for any of the sides that it is for, and only theirs.
func TestSetDeadlineSides(t *testing.T) {
	h := recorded(t, "auto")
	defer h.close()
	for _, tt := range []struct {
		when        int64
		sides       []*side
		read, write int64 // what it is then
	}{
		{1, []*side{&h.w}, 0, 1},
		{0, []*side{&h.r, &h.w}, 0, 0},
		{1, []*side{&h.r}, 1, 0},
		{0, []*side{&h.r, &h.w}, 0, 0},
		{1, []*side{&h.r, &h.w}, 1, 1},
		{1, []*side{&h.r, &h.w}, 1, 1},
		{1, []*side{&h.w}, 1, 1},
		{0, []*side{&h.w}, 1, 0},
	} {
		if err := h.setDeadline(tt.when, tt.sides...); err != nil {
			t.Fatal(err)
		}
		if r, w := h.r.deadline.Load(), h.w.deadline.Load(); r != tt.read || w != tt.write {
			t.Errorf("%d for %d sides: reads have %d, writes %d, want %d and %d", tt.when, len(tt.sides), r, w, tt.read,
				tt.write)
		}
	}
}

// Who finds a side to have a deadline may take it for that of its operations: so setDeadline need
// not wait for somebody who is just setting the same.
func TestSetDeadlineTogether(t *testing.T) {
	h := recorded(t, "auto")
	defer h.close()
	c := h.record(&h.r)
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		h.setDeadline(1, &h.r)
		seen := make(chan int64)
		go func() {
			for n := 0; h.r.deadline.Load() != 0; n++ {
				if n%1024 == 0 {
					runtime.Gosched()
				}
			}
			seen <- c.Deadline()
		}()
		runtime.Gosched() // it looks already, as a rule
		h.setDeadline(0, &h.r)
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
		{new(TCPConn), 128}, {new(UnixConn), 128}, {new(descriptor), 128}, {new(aiort.Completion), 240},
	} {
		if typ := reflect.TypeOf(c.v).Elem(); typ.Size() > c.limit {
			t.Errorf("%v has %d bytes, want %d at most", typ, typ.Size(), c.limit)
		}
	}
}

// Connections of a listener have the local address that their clients have called, and those with
// the same share it.
func TestSharedLocalAddr(t *testing.T) {
	lib, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lib.Close() })
	ln, err := lib.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string][]net.Addr{}
	for _, ip := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.2"} {
		client, err := net.Dial("tcp4", net.JoinHostPort(ip, port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		if got, want := server.LocalAddr().String(), client.RemoteAddr().String(); got != want {
			t.Errorf("the local address is %s, and the client has called %s", got, want)
		}
		if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
			t.Errorf("the peer's address is %s, want %s", got, want)
		}
		seen[ip] = append(seen[ip], server.LocalAddr())
	}
	for ip, want := range map[string]bool{"127.0.0.1": true, "127.0.0.2": false} {
		if same := seen[ip][0] == seen[ip][1]; same != want { // pointers
			t.Errorf("two connections to %s, one after the other: %v, share the address: %v", ip, want, same)
		}
	}
	if seen["127.0.0.2"][1] != seen["127.0.0.2"][2] {
		t.Error("two connections, one after the other, do not share the address")
	}
}

// The handles of a descriptor come and go in any order; the first stays.
func TestHandles(t *testing.T) {
	h := recorded(t, "scheduler")
	defer h.close()
	var views [3]handle
	check := func(want ...*handle) {
		t.Helper()
		var got []*handle
		h.each(func(o *handle) { got = append(got, o) })
		if !slices.Equal(got, append([]*handle{h}, want...)) {
			t.Errorf("the handles are %p, want %p and %p", got, want, h)
		}
	}
	for i := range views {
		views[i].attach(h.loop, nil, h)
	}
	check(&views[2], &views[1], &views[0])
	views[1].detach()
	check(&views[2], &views[0])
	views[1].detach() // it has gone
	check(&views[2], &views[0])
	views[2].detach()
	views[0].detach()
	check()
}

// TestHandlesDropped guards that a descriptor keeps no view that is dropped, nor the places of very
// many of them, and that those which are kept stay.
func TestHandlesDropped(t *testing.T) {
	h := recorded(t, "scheduler")
	defer h.close()
	kept := make([]*handle, 20)
	for i := range 1000 {
		v := new(handle)
		v.attach(h.loop, nil, h)
		if i%50 == 0 {
			kept[i/50] = v
		}
		if i%100 == 99 {
			runtime.GC()
		}
	}
	runtime.GC()
	dead := kept[7].as.place
	kept[7] = nil
	for dead.of.Value() != nil {
		runtime.GC()
	}
	if !dead.Gone() || kept[3].as.place.Gone() {
		t.Error("what is kept has gone, or what is dropped has not")
	}
	dead.Detach() // nothing is left to do
	ended := kept[8]
	ended.as.place.Detach()
	kept[8] = nil
	seen := map[*handle]bool{}
	h.each(func(o *handle) { seen[o] = true })
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
	v := new(handle)
	if err := h.close(); err != nil {
		t.Error(err)
	}
	v.attach(h.loop, nil, h)
	if h.views != nil || !v.as.place.Gone() {
		t.Error("a descriptor that is closed has views")
	}
	v.detach()
}
