//go:build !weir_portable

package coro

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/weirgo/weir/aio"
)

// viewed is a connection all of whose calls are made by coroutines: each by one that makes no other
// call meanwhile, on its own view. So code that uses a connection from many goroutines can try
// views, each of which is for one coroutine.
type viewed struct {
	of net.Conn
	s  *Scheduler

	mu       sync.Mutex
	free     []*caller // make no call now
	all      []*caller
	finished bool
}

// caller is a coroutine that makes calls for goroutines.
type caller struct {
	calls  *Queue[func(view net.Conn)]
	handle *Handle[int]
}

// do has a coroutine call f with its view, and returns when f has.
func (v *viewed) do(f func(view net.Conn)) {
	c := v.caller()
	if c == nil {
		f(v.of) // closed: the plain connection says so
		return
	}
	done := make(chan struct{})
	if err := c.calls.Send(context.Background(), func(view net.Conn) { f(view); close(done) }); err != nil {
		f(v.of)
		return
	}
	<-done
	v.mu.Lock()
	v.free = append(v.free, c)
	v.mu.Unlock()
}

func (v *viewed) caller() *caller {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.finished {
		return nil
	}
	if n := len(v.free); n > 0 {
		c := v.free[n-1]
		v.free = v.free[:n-1]
		return c
	}
	c := &caller{calls: NewQueue[func(net.Conn)](1)}
	c.handle = Spawn(v.s, func(t *Task) (int, error) {
		for view := t.Conn(v.of); ; {
			f, err := c.calls.Recv(t)
			if err != nil {
				return 0, nil
			}
			f(view)
		}
	})
	v.all = append(v.all, c)
	return c
}

// finish closes the connection and ends the coroutines. It returns how many there were.
func (v *viewed) finish(t *testing.T) int {
	v.Close()
	v.mu.Lock()
	v.finished = true
	v.mu.Unlock()
	for _, c := range v.all {
		c.calls.Close()
		if _, err := c.handle.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	}
	return len(v.all)
}

func (v *viewed) Read(p []byte) (n int, err error) {
	v.do(func(c net.Conn) { n, err = c.Read(p) })
	return n, err
}

func (v *viewed) Write(p []byte) (n int, err error) {
	v.do(func(c net.Conn) { n, err = c.Write(p) })
	return n, err
}

func (v *viewed) Close() (err error) {
	v.do(func(c net.Conn) { err = c.Close() })
	return err
}

func (v *viewed) LocalAddr() (a net.Addr) {
	v.do(func(c net.Conn) { a = c.LocalAddr() })
	return a
}

func (v *viewed) RemoteAddr() (a net.Addr) {
	v.do(func(c net.Conn) { a = c.RemoteAddr() })
	return a
}

func (v *viewed) SetDeadline(when time.Time) (err error) {
	v.do(func(c net.Conn) { err = c.SetDeadline(when) })
	return err
}

func (v *viewed) SetReadDeadline(when time.Time) (err error) {
	v.do(func(c net.Conn) { err = c.SetReadDeadline(when) })
	return err
}

func (v *viewed) SetWriteDeadline(when time.Time) (err error) {
	v.do(func(c net.Conn) { err = c.SetWriteDeadline(when) })
	return err
}

// TestConn is package net's own suite for connections, on views: both ends on one thread, each on
// its own, and one of them with goroutines.
func TestConn(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		other := onSystem(t, Options{IO: weir})
		for _, network := range []string{"tcp", "unix"} {
			for _, ends := range []struct {
				name string
				a, b *Scheduler // nil: the end is for goroutines
			}{
				{"one thread", r.Scheduler, r.Scheduler},
				{"two threads", r.Scheduler, other.Scheduler},
				{"goroutines", r.Scheduler, nil},
			} {
				t.Run(network+"/"+ends.name, func(t *testing.T) {
					t.Parallel() // most of it is waiting for deadlines
					most := 0
					nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
						a, b := pair(t, weir, network)
						one, two := &viewed{of: a, s: ends.a}, &viewed{of: b, s: ends.b}
						if ends.b == nil {
							return one, b, func() { most = max(most, one.finish(t)); b.Close() }, nil
						}
						return one, two, func() { most = max(most, one.finish(t), two.finish(t)) }, nil
					})
					if most < 2 {
						t.Errorf("no more than %d coroutine was at the connection at a time", most)
					}
				})
			}
		}
	})
}
