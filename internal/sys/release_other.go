//go:build !linux

package sys

import "runtime"

// Release returns the system's name.
func Release() string { return runtime.GOOS }
