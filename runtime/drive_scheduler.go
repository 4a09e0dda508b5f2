package runtime

import (
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// schedDrive runs a loop without a thread of its own. A goroutine that pushes to an empty intake
// runs a tick itself, under the loop's lock. Operations that complete later make the backend's
// descriptor readable; Go's netpoller readies the reaper goroutine, which runs a tick.
//
// The descriptor is watched edge-triggered. No event is missed: ticks go on until the backend has
// nothing pending, and an event that arrives later makes a new edge.
type schedDrive struct {
	pollable backends.Pollable
	file     *os.File // a duplicate of the backend's descriptor, registered with the netpoller
	over     bool     // guarded by mu: the reaper has been told to end
	more     atomic.Bool
	trying   atomic.Bool  // a turn is to run soon: see tryLater
	turned   atomic.Int64 // when a tick last ran
	spare    atomic.Pointer[outcomes]
}

// outcomes is a list that changes hands under the lock and is resolved without it.
type outcomes struct{ list []outcome }

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

// reap runs a turn whenever the backend has events, until the loop is over. Then it closes the
// backend.
func (l *Loop) reap(conn syscall.RawConn) {
	returned := false
	defer func() {
		if !returned { // a callback has ended the goroutine
			go l.reap(conn)
		}
	}()
	conn.Read(func(uintptr) bool { // fails when turn moves the deadline into the past
		return l.turn()
	})
	returned = true
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endErr = errors.Join(l.sched.file.Close(), l.be.Close())
	close(l.ended)
}

// Attend runs a tick if none has run for limit nanoseconds; now is the time on the loop's clock. It
// is for goroutines that are ready to run again and again, and so keep Go's scheduler from looking
// for events. If several call it at once, one runs the tick. On the thread drive it does nothing
// and reports false.
func (l *Loop) Attend(now, limit int64) bool {
	if l.drive != driveScheduler {
		return false
	}
	if last := l.sched.turned.Load(); now > last+limit && l.sched.turned.CompareAndSwap(last, now) {
		l.turn()
	}
	return true
}

// turn runs ticks until there is nothing left to do, then resolves their outcomes, which may give
// it more to do. If another goroutine is running ticks, turn sets more and returns at once: that
// goroutine checks more after it releases the lock. turn reports whether the loop is over.
func (l *Loop) turn() (over bool) {
	for round := 0; ; round++ {
		if !l.mu.TryLock() {
			l.sched.more.Store(true)
			if !l.mu.TryLock() {
				return false
			}
		}
		l.sched.more.Store(false)
		over, buf := l.turnLocked()
		again := l.resolveAll(buf.list)
		l.sched.spare.Store(buf)
		if over || !again && !l.sched.more.Load() && !l.limit.Due() {
			return over
		}
		if round == maxRounds {
			bubble.Go(func() { l.turn() }) // the caller has done enough work for other goroutines
			return false
		}
	}
}

// turnLocked does the part of turn that needs the lock, and releases the lock. buf holds the
// outcomes to resolve.
func (l *Loop) turnLocked() (over bool, buf *outcomes) {
	defer l.mu.Unlock()
	over = l.tickAll()
	if buf = l.sched.spare.Swap(nil); buf == nil {
		buf = new(outcomes)
	}
	buf.list, l.done = l.done, emptied(buf.list)
	return over, buf
}

// maxRounds bounds how long a goroutine that came to submit one operation works for all the others.
const maxRounds = 4

// tickAll runs ticks until the backend has nothing pending, or until there is something to resolve;
// then turn calls it again for the rest. The caller holds mu. It reports whether the loop is over.
func (l *Loop) tickAll() (over bool) {
	if l.sched.over {
		return true
	}
	l.sched.turned.Store(l.be.Now())
	for before := ^uint64(0); ; {
		l.tick(backends.NoWait)
		l.setAlarm() // the tick may have reaped the alarm itself; if the queue is full it is pending
		if len(l.batch) == 0 && len(l.cancels) == 0 && (l.lost != nil || !l.be.Pending()) {
			break
		}
		if len(l.done) > 0 {
			l.sched.more.Store(true)
			break
		}
		now := l.progress()
		if now == before { // trying again at once gains nothing, and other goroutines want the lock
			l.tryLater()
			break
		}
		before = now
	}
	if l.finished() {
		l.sched.over = true
		l.sched.file.SetReadDeadline(time.Unix(1, 0)) // ends the reaper
	}
	return l.sched.over
}

// tryLater runs a turn after a short pause, on another goroutine.
func (l *Loop) tryLater() {
	if !l.sched.trying.Swap(true) {
		bubble.Do(func() { // whose clock stands still while a goroutine waits here
			time.AfterFunc(breath, func() {
				l.sched.trying.Store(false)
				l.turn()
			})
		})
	}
}

// resolveAll resolves outcomes without the lock, so that callbacks may submit. It reports whether
// another turn is needed. If a callback panics, that is reported and the remaining callbacks still
// run.
func (l *Loop) resolveAll(done []outcome) (again bool) {
	for next := 0; next < len(done); {
		l.resolveFrom(done, &next, &again)
	}
	return again || len(done) > 0 && l.closeIt.Load()
}

func (l *Loop) resolveFrom(done []outcome, next *int, again *bool) {
	finished := false
	defer func() {
		if !finished {
			if v := recover(); v != nil {
				l.report(v)
				return
			}
			rest := slices.Clone(done[*next:]) // runtime.Goexit, which cannot be stopped
			bubble.Go(func() {
				l.resolveAll(rest)
				l.turn()
			})
		}
	}()
	for *next < len(done) {
		o := done[*next]
		done[*next].c = nil
		*next++
		if !o.c.park {
			l.resolved.Add(1)
		}
		if l.resolve(o, stateClaimed) {
			o.c.become(stateQueued)
			*again = l.intake.Push(&o.c.node) || *again
		}
	}
	finished = true
}

// setAlarm makes the backend's descriptor readable when the next timer is due: on the scheduler
// drive no thread blocks until then. It reports false if the backend's queue is full.
func (l *Loop) setAlarm() bool {
	if l.drive != driveScheduler {
		return true
	}
	next, ok := l.wheel.Next()
	return !ok || l.sched.pollable.Alarm(next)
}
