package sys

import "time"

// InBubble reports whether the calling goroutine is in a bubble of testing/synctest, whose clock is
// its own: the times that package time tells there have no monotonic part. It also reports true on
// a machine whose clock says that it is a year before 1885 or after 2157, where times have none
// either.
func InBubble() bool {
	now := time.Now()
	return now == now.Round(0)
}
