//go:build !weir_portable

package coro

import (
	"errors"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// TestFixedFile guards that a task works on a registered file as on a descriptor, that Close of the
// file waits for what a task has in flight, which it does not cancel, and that nothing begins on it
// after.
func TestFixedFile(t *testing.T) {
	eachDrive(t, func(t *testing.T, io *aio.IO, r *rig) {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p[1])
		f, err := io.RegisterFile(p[0])
		unix.Close(p[0])
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 4)
		o := op.Read(-1, buf, op.Stream).SetFile(f)
		h := Spawn(r.Scheduler, func(t *Task) (string, error) {
			if err := t.Do(o); err != nil {
				return "", err
			}
			return string(buf), t.Do(o)
		})
		for !o.InFlight() {
			time.Sleep(50 * time.Microsecond)
		}
		r.do(func(*Task) {}) // so it has started, too
		closed := make(chan error)
		go func() { closed <- f.Close() }()
		for f.FD() != -1 {
			time.Sleep(50 * time.Microsecond)
		}
		select {
		case err := <-closed:
			t.Errorf("closed with a task's read in flight: %v", err)
		case <-time.After(5 * time.Millisecond):
		}
		if _, err := unix.Write(p[1], []byte("text")); err != nil {
			t.Fatal(err)
		}
		if got, err := h.Wait(t.Context()); got != "text" || !errors.Is(err, net.ErrClosed) {
			t.Errorf("read %q, then %v", got, err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}
