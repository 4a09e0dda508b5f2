//go:build go1.27 || weir_nohandoff || weir_nolinkname

package sys

import "syscall"

// HandsOff says how a blocking system call gives up its P.
const HandsOff = "sysmon"

// syscallBlocking makes a system call that is expected to block. Without the linkname the P is
// handed off when sysmon notices, 20 microseconds to 10 milliseconds later.
func syscallBlocking(trap, a1, a2, a3, a4, a5, a6 uintptr) (uintptr, syscall.Errno) {
	r, _, errno := syscall.Syscall6(trap, a1, a2, a3, a4, a5, a6)
	return r, errno
}
