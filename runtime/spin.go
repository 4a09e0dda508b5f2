package runtime

import (
	"time"

	"github.com/weirgo/weir/backends"
)

// SetSpin makes a loop that finds nothing to do look for events for up to d before it sleeps. It
// keeps its processor (P) meanwhile, and does so only while that has paid of late. If a peer
// answers within d, the loop saves the cost of putting a thread or an idle processor to sleep and
// of waking it. Other goroutines get the P later, so SetSpin is for programs that do all their work
// on such loops. 0, the default, turns it off. Only the goroutine that runs a loop made by
// [NewLoop] may call it. Backend: io_uring.
func (l *Loop) SetSpin(d time.Duration) { l.spinTime = int64(d) }

// sleep is the Poll of a tick. It may look for events before it blocks.
func (l *Loop) sleep(deadline int64) (n int, err error) {
	if deadline != backends.NoWait && l.spinTime > 0 && l.announcer != nil && l.spin.Allow() {
		if n, err = l.be.Poll(l.events, backends.NoWait); n > 0 || err != nil {
			return n, err
		}
		if l.awaitNews(deadline) {
			deadline = backends.NoWait
		}
	}
	return l.be.Poll(l.events, deadline)
}

// awaitNews looks for events until there are some, or until it is time to sleep.
func (l *Loop) awaitNews(deadline int64) bool {
	for end := min(l.be.Now()+l.spinTime, deadline); ; {
		for range 16 {
			if l.announcer.News() {
				l.spin.Hit()
				return true
			}
		}
		if l.be.Now() >= end {
			l.spin.Miss()
			return false
		}
	}
}
