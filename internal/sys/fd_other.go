//go:build !linux

package sys

import "errors"

// ThreadID tells threads apart where weir needs it; here no backend does.
func ThreadID() int { return 1 }

// DupNonblock is not needed here: no backend has a descriptor to poll.
func DupNonblock(int) (int, error) { return -1, errors.ErrUnsupported }
