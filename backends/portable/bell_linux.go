package portable

import (
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// bell makes an eventfd readable while there are events, for the scheduler drive. The zero bell is
// silent. Its fields are guarded by the Backend's mu.
type bell struct {
	on    bool
	fd    int
	rung  bool
	alarm int64 // when the timer rings; 0: not at all
	timer *time.Timer
	b     *Backend
}

// pollable is a Backend with a bell.
type pollable struct{ *Backend }

var _ backends.Pollable = pollable{}

func (b *Backend) withBell() (backends.Backend, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		b.engine.close()
		return nil, os.NewSyscallError("eventfd", err)
	}
	b.bell = bell{on: true, fd: fd, b: b}
	b.bell.timer = time.AfterFunc(time.Hour, b.bell.due)
	b.bell.timer.Stop()
	return pollable{b}, nil
}

// ring makes the descriptor readable, if it is not.
func (l *bell) ring() {
	if !l.on || l.rung {
		return
	}
	l.rung = true
	sys.RingEventfd(l.fd)
	l.b.syscalls.Add(1)
}

// hush makes it unreadable again.
func (l *bell) hush() {
	if !l.rung {
		return
	}
	l.rung = false
	var p [8]byte
	unix.Read(l.fd, p[:])
	l.b.syscalls.Add(1)
}

// rings reports whether the descriptor is readable.
func (l *bell) rings() bool { return l.rung }

// due is called by the timer. It may come late, for an alarm that has been replaced.
func (l *bell) due() {
	l.b.mu.Lock()
	defer l.b.mu.Unlock()
	if l.alarm != 0 && l.b.Now() >= l.alarm && !l.b.closed {
		l.alarm = 0
		l.ring()
	}
}

func (l *bell) close() error {
	if !l.on {
		return nil
	}
	l.timer.Stop()
	return os.NewSyscallError("close", unix.Close(l.fd))
}

// PollFD is readable while there are events, and after an alarm until the next Poll.
func (p pollable) PollFD() int { return p.bell.fd }

// Alarm rings the bell at deadline.
func (p pollable) Alarm(deadline int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, now := &p.bell, p.Now()
	if l.alarm > now && deadline >= l.alarm {
		return true // the next Poll looks at it again
	}
	if deadline <= now {
		l.alarm = 0
		l.ring() // the next Poll finds that there is nothing to wait for
		return true
	}
	l.alarm = deadline
	bubble.Reset(l.timer, time.Duration(deadline-now))
	return true
}
