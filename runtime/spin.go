package runtime

import (
	"time"

	"github.com/weirgo/weir/backends"
)

// SetSpin has a loop made by NewLoop that finds nothing to do look for news for up to d before it sleeps, with its processor (P)
// kept, while that has paid of late. A peer that answers within that time finds it awake, and the cost of putting a thread or an
// idle processor to sleep and waking it is saved. It is for programs whose work is all on such loops: goroutines get the P
// later. 0, as at first: not at all. It is for the goroutine that runs the loop. Backend: io_uring.
func (l *Loop) SetSpin(d time.Duration) { l.spinTime = int64(d) }

// sleep is the Poll of a tick. It may look for news before it blocks.
func (l *Loop) sleep(deadline int64) (n int, err error) {
	if deadline != backends.NoWait && l.spinTime > 0 && l.announcer != nil && l.spin.Eager() {
		if n, err = l.be.Poll(l.events, backends.NoWait); n > 0 || err != nil {
			return n, err
		}
		if l.awaitNews(deadline) {
			deadline = backends.NoWait
		}
	}
	return l.be.Poll(l.events, deadline)
}

// awaitNews looks for news until there is some, or it is time to sleep for it.
func (l *Loop) awaitNews(deadline int64) bool {
	for end := min(l.be.Now()+l.spinTime, deadline); ; {
		for range 16 {
			if l.announcer.News() {
				l.spin.Found()
				return true
			}
		}
		if l.be.Now() >= end {
			l.spin.Disappointed()
			return false
		}
	}
}
