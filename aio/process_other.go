//go:build !linux || weir_portable

package aio

import "context"

// awaitExit: processes cannot be watched here.
func (io *IO) awaitExit(context.Context, int) (watched bool, err error) { return false, nil }
