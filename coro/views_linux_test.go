//go:build !weir_portable

package coro

import (
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// TestViewsDropped guards that a task keeps no view: what was dropped without Close is closed when
// the collector finds it, as plain connections are.
func TestViewsDropped(t *testing.T) {
	eachDrive(t, func(t *testing.T, io *aio.IO, r *rig) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		const n = 10
		peers := make([]net.Conn, n)
		r.do(func(task *Task) {
			func() {
				for i := range peers {
					if _, err := task.Dial("tcp", ln.Addr().String()); err != nil {
						t.Error(err)
					}
					if peers[i], err = ln.Accept(); err != nil {
						t.Error(err)
					}
				}
			}()
			for _, c := range peers {
				c.SetReadDeadline(time.Now().Add(patience))
				closed := make(chan error)
				go func() { _, err := c.Read(make([]byte, 1)); closed <- err }()
				for err := error(nil); err == nil; {
					runtime.GC()
					select {
					case err = <-closed:
						if err.Error() != "EOF" {
							t.Errorf("a view that was dropped: its peer has %v", err)
						}
					default:
						task.Sleep(time.Millisecond)
					}
				}
				c.Close()
			}
		})
	})
}

// TestViewsKept guards that views which a task has closed or dropped are forgotten, while those it
// uses obey Close and deadlines, however many there were.
func TestViewsKept(t *testing.T) {
	eachDrive(t, func(t *testing.T, lib *aio.IO, r *rig) {
		a, b := pair(t, lib, "tcp")
		h := r.spawn(func(task *Task) {
			first := task.Conn(a)
			for range 100 {
				rd, wr, err := lib.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				task.File(rd).Close()
				task.File(wr).Close()
			}
			if n := len(task.views.list); n > 20 {
				t.Errorf("%d views of files that are closed are kept", n)
			}
			for i := range 1000 {
				task.Conn(a) // dropped, while the connection is not
				if i%100 == 99 {
					runtime.GC()
				}
			}
			if n := len(task.views.list); n > 400 {
				t.Errorf("%d views that were dropped are kept", n)
			}
			a.SetReadDeadline(time.Unix(1, 0))
			if _, err := first.Read(make([]byte, 1)); !isTimeout(err) {
				t.Errorf("a deadline set on the connection: %v", err)
			}
			a.SetReadDeadline(time.Time{})
			reads := failing(task, func(task *Task) error { _, err := task.Conn(a).Read(make([]byte, 1)); return err })
			waiting(task, reads)
			runtime.GC() // a view that waits is not dropped
			b.Write([]byte("x"))
			if _, err := reads.Wait(task); err != nil {
				t.Error(err)
			}
			reads = failing(task, func(task *Task) error { _, err := task.Conn(a).Read(make([]byte, 1)); return err })
			waiting(task, reads)
			runtime.GC()
			if err := first.Close(); err != nil {
				t.Error(err)
			}
			if _, err := reads.Wait(task); err == nil || err == io.EOF {
				t.Errorf("a read of another view when one is closed: %v", err)
			}
		})
		r.wait(h)
		if n := len(h.task.views.list); n != 0 {
			t.Errorf("a task that is over has %d views", n)
		}
	})
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// TestViewMask guards calls of views under a Mask: a cancellation neither ends one that waits, on
// the loop or for its turn, nor refuses one that begins.
func TestViewMask(t *testing.T) {
	eachDrive(t, func(t *testing.T, lib *aio.IO, r *rig) {
		a, b := pair(t, lib, "tcp")
		r.do(func(task *Task) {
			p := make([]byte, 1)
			read := func(task *Task) error { _, err := task.Conn(a).Read(p); return err }
			masked := func(f func(task *Task) error) *Handle[int] {
				return failing(task, func(task *Task) (err error) {
					task.Mask(func() { err = f(task) })
					if task.cancelled() == nil {
						t.Error("was not cancelled")
					}
					return err
				})
			}
			first := masked(func(task *Task) error { return errors.Join(read(task), read(task)) })
			waiting(task, first)
			second := masked(read)
			waiting(task, second)
			first.task.cancel(ErrCanceled)
			second.task.cancel(ErrCanceled)
			task.Yield()
			if first.Over() || second.Over() {
				t.Error("over in spite of the Mask")
			}
			b.Write([]byte("xyz"))
			for _, h := range []*Handle[int]{first, second} {
				if _, err := h.Wait(task); err != nil {
					t.Errorf("masked: %v", err)
				}
			}
		})
	})
}
