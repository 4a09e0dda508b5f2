//go:build unix

package runtime

import "syscall"

const openNonblock = syscall.O_NONBLOCK

// openNoFollow has an open fail that meets a symbolic link.
const openNoFollow = syscall.O_NOFOLLOW
