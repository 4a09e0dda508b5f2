//go:build !linux || weir_portable

package aio

import (
	"context"
	"os"
)

// awaitExit reports false: processes cannot be watched on this system.
func (io *IO) awaitExit(context.Context, *os.Process) (watched bool, err error) { return false, nil }
