//go:build !linux

package runtime

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// On these systems no backend lacks an operation that a system call could do instead.

func perform(*backends.Op) int32          { return -int32(sys.ENOSYS) }
func try(*backends.Op, int) (int32, bool) { return -int32(sys.ENOSYS), true }
func readiness(*backends.Op) uint32       { return 0 }
func quick(*backends.Op) bool             { return true }
