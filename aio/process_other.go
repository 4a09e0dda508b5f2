//go:build !linux || weir_portable

package aio

import (
	"context"
	"os"
)

// awaitExit: processes cannot be watched here.
func (io *IO) awaitExit(context.Context, *os.Process) (watched bool, err error) { return false, nil }
