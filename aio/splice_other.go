//go:build !linux

package aio

import (
	"context"
	"errors"
)

// Splice is splice(2), which only Linux has: on this system it is errors.ErrUnsupported.
func (io *IO) Splice(ctx context.Context, rfd int, roff int64, wfd int, woff int64, n int) (int, error) {
	return 0, errors.ErrUnsupported
}
