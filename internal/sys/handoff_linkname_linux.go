//go:build !go1.27 && !weir_nohandoff && !weir_nolinkname

package sys

import (
	"syscall"
	_ "unsafe" // for go:linkname
)

// The Go runtime keeps these two open to linkname. entersyscallblock is entersyscall for a call
// that is known to block. It gives the P away at once; after entersyscall sysmon takes the P 20
// microseconds to 10 milliseconds later.

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

// HandsOff says how a blocking system call gives up its P.
const HandsOff = "entersyscallblock"

// syscallBlocking makes a system call that is expected to block, after it has handed the P off.
//
//go:nosplit
//go:norace
func syscallBlocking(trap, a1, a2, a3, a4, a5, a6 uintptr) (uintptr, syscall.Errno) {
	entersyscallblock()
	r, _, errno := syscall.RawSyscall6(trap, a1, a2, a3, a4, a5, a6)
	exitsyscall()
	return r, errno
}
