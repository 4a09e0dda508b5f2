//go:build unix

package runtime

import "syscall"

const openNonblock = syscall.O_NONBLOCK

// openNoFollow makes an open of a symbolic link fail.
const openNoFollow = syscall.O_NOFOLLOW
