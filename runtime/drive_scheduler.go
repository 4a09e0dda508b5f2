package runtime

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// schedDrive is how a loop runs without a thread of its own. Whoever finds the intake empty and puts something
// into it runs a tick himself, under the loop's lock; what completes later makes the backend's descriptor
// readable, Go's netpoller readies the reaper goroutine, and that runs a tick.
//
// The descriptor is watched edge-triggered. No news is missed: a tick goes on until the backend has nothing
// pending, and what arrives after that makes a new edge.
type schedDrive struct {
	pollable backends.Pollable
	file     *os.File // a duplicate of the backend's descriptor, registered with the netpoller
	over     bool     // under mu: the reaper has been told to end
	spare    []outcome
}

var errNotPollable = errors.New("the Go runtime cannot poll the backend's descriptor")

// startScheduler binds the backend and starts the reaper.
func (l *Loop) startScheduler() error {
	p, ok := l.be.(backends.Pollable)
	if !ok {
		return errors.Join(errNotPollable, errors.ErrUnsupported)
	}
	l.sched.pollable = p
	if err := l.be.Bind(false); err != nil {
		return err
	}
	fd, err := sys.DupNonblock(p.PollFD())
	if err != nil {
		return err
	}
	l.sched.file = os.NewFile(uintptr(fd), l.be.Name())
	conn, err := l.sched.file.SyscallConn()
	if err == nil && l.sched.file.SetReadDeadline(time.Time{}) != nil {
		err = errNotPollable
	}
	if err != nil {
		l.sched.file.Close()
		return err
	}
	go l.reap(conn)
	return nil
}

// reap runs a turn whenever the backend has news, until the loop is over; then it closes the backend.
func (l *Loop) reap(conn syscall.RawConn) {
	conn.Read(func(uintptr) bool { // fails when turn moves the deadline into the past
		return l.turn()
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endErr = errors.Join(l.sched.file.Close(), l.be.Close())
	close(l.ended)
}

// pump hands over what the caller, who found the intake empty, has pushed. Before it does it lets every goroutine
// that is ready to run queue its operation too, so that all leave in one system call; alone there is nobody to
// wait for.
func (l *Loop) pump() {
	if l.limit.InUse() > 2 {
		yield()
	}
	l.turn()
}

// turn runs ticks until there is nothing left to do, then resolves what they brought, which may give it more to do.
// It reports whether the loop is over.
func (l *Loop) turn() bool {
	for {
		l.mu.Lock()
		if l.sched.over {
			l.mu.Unlock()
			return true
		}
		for {
			l.tick(backends.NoWait)
			l.setAlarm() // what the tick reaped may have been the alarm itself; if the queue is full it is pending
			if len(l.batch) == 0 && len(l.cancels) == 0 && (l.lost != nil || !l.be.Pending()) {
				break
			}
		}
		if l.finished() {
			l.sched.over = true
			l.sched.file.SetReadDeadline(time.Unix(1, 0))
		}
		done := l.done
		l.done = l.sched.spare
		l.sched.spare = nil
		l.mu.Unlock()

		again := l.resolveAll(done)

		l.mu.Lock()
		l.sched.spare = done[:0]
		l.mu.Unlock()
		if !again {
			return false
		}
	}
}

// resolveAll resolves outcomes outside the lock, so that callbacks may submit. It reports whether another turn is
// needed.
func (l *Loop) resolveAll(done []outcome) (again bool) {
	for i := range done {
		o := done[i]
		done[i].c = nil
		if l.resolve(o) {
			o.c.state.Store(stateQueued)
			again = l.intake.Push(&o.c.node) || again
		}
	}
	return again || len(done) > 0 && l.closeIt.Load()
}

// setAlarm makes the backend's descriptor readable when the next timer is due: on the scheduler drive nobody
// blocks until then. It reports false when the backend's queue is full.
func (l *Loop) setAlarm() bool {
	if l.drive != driveScheduler {
		return true
	}
	next, ok := l.wheel.Next()
	return !ok || l.sched.pollable.Alarm(next)
}
