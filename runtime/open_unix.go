//go:build unix

package runtime

import "syscall"

const openNonblock = syscall.O_NONBLOCK
