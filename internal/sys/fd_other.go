//go:build !linux

package sys

import "errors"

// ThreadID returns 1: no backend needs to distinguish threads on this system.
func ThreadID() int { return 1 }

// DupNonblock fails: no backend on this system has a descriptor to poll.
func DupNonblock(int) (int, error) { return -1, errors.ErrUnsupported }
