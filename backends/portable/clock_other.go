//go:build !linux

package portable

import (
	"time"

	"github.com/weirgo/weir/internal/bubble"
)

// now is the time since start.
func now(start time.Time) (t int64) {
	if !bubble.In() {
		return int64(time.Since(start))
	}
	bubble.Do(func() { t = int64(time.Since(start)) })
	return t
}
