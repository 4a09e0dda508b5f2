package load

import (
	"context"
	"encoding/binary"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Precise runs workers on goroutines, whose waits end within some tens of microseconds where the
// machine is idle. Go's own timers are up to a millisecond late then. It holds some descriptors until
// it is closed. On other systems than Linux it is Goroutines.
type Precise struct {
	Goroutines
	free chan *os.File // timers that nothing waits for; nil: one that may be made
}

// preciseTimers bounds the descriptors; what waits beyond that waits as Goroutines does.
const preciseTimers = 64

// coarse is how late Go's timers may be.
const coarse = 3 * time.Millisecond

// NewPrecise returns a lane.
func NewPrecise() *Precise {
	p := &Precise{free: make(chan *os.File, preciseTimers)}
	for range preciseTimers {
		p.free <- nil
	}
	return p
}

// Close closes the descriptors. No worker is left.
func (p *Precise) Close() error {
	for range preciseTimers {
		if f := <-p.free; f != nil {
			f.Close()
		}
	}
	return nil
}

// Sleep waits on a timer of the kernel, which Go's netpoller watches.
func (p *Precise) Sleep(ctx, wake context.Context, d time.Duration) {
	end := time.Now().Add(d)
	if d > coarse {
		p.Goroutines.Sleep(ctx, wake, d-coarse)
	}
	if d = time.Until(end); d <= 0 || wake.Err() != nil {
		return
	}
	select {
	case f := <-p.free:
		if f == nil {
			f = newTimer()
		}
		if f != nil && await(f, d) {
			p.free <- f
			return
		}
		if f != nil {
			f.Close()
		}
		p.free <- nil
	default:
	}
	p.Goroutines.Sleep(ctx, wake, time.Until(end))
}

func newTimer() *os.File {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "timerfd")
}

// await waits for d, and reports whether it could.
func await(f *os.File, d time.Duration) bool {
	c, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var e error
	err = c.Control(func(fd uintptr) {
		e = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	})
	if err != nil || e != nil {
		return false
	}
	var count [8]byte
	n, err := f.Read(count[:])
	return err == nil && n == 8 && binary.NativeEndian.Uint64(count[:]) > 0
}
