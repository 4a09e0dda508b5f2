//go:build !linux

package sys

import "runtime"

// Release is the system's name.
func Release() string { return runtime.GOOS }
