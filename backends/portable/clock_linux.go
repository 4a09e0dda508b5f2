package portable

import (
	"time"

	"github.com/weirgo/weir/internal/sys"
)

// now is CLOCK_MONOTONIC.
func now(time.Time) int64 { return sys.Monotonic() }
