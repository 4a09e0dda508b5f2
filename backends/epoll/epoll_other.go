//go:build !linux

package epoll

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/weirgo/weir/backends"
)

// Open fails: epoll is Linux's.
func Open(Config) (backends.Backend, error) {
	return nil, fmt.Errorf("epoll: no such thing on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
