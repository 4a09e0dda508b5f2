//go:build !linux

package uring

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/weirgo/weir/backends"
)

// Open fails: io_uring is Linux's.
func Open(Config) (backends.Backend, error) {
	return nil, fmt.Errorf("io_uring: no such thing on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
