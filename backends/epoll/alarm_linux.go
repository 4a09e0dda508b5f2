package epoll

import (
	"math"

	"golang.org/x/sys/unix"
)

// latestAlarm is the last time that timerfd_settime(2) takes in the form that x/sys has. On 32-bit
// systems its seconds have 32 bits, so the limit is 68 years after boot. An alarm that goes off too
// early is set again.
const latestAlarm = min(math.MaxInt, math.MaxInt64/second) * second

const second = 1_000_000_000

// alarm is a timerfd in the epoll instance, which it makes readable at a given time. It is never
// read: it is registered edge-triggered, and setting it anew resets it.
type alarm struct {
	fd   int
	set  int64 // when it goes off, 0: it does not
	next int64 // what it is to be set to, 0: nothing
}

// gone records that it went off.
func (a *alarm) gone() { a.set = 0 }

// want records when it must go off; now is the present time. See backends.Pollable.
func (a *alarm) want(deadline, now int64) {
	due := a.next
	if due == 0 {
		due = a.set
	}
	if due != 0 && due <= deadline && (due == deadline || due > now) {
		return
	}
	a.next = min(max(deadline, 1), latestAlarm) // 0 would disarm it
}

// apply makes the system call, if one is needed.
func (a *alarm) apply() (called bool, err error) {
	if a.next == 0 {
		return false, nil
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(a.next)}
	if err := unix.TimerfdSettime(a.fd, unix.TFD_TIMER_ABSTIME, &at, nil); err != nil {
		return true, err
	}
	a.set, a.next = a.next, 0
	return true, nil
}
