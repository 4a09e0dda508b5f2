//go:build gc && !race && !msan && !asan && !go1.27 && !weir_nopark && !weir_nolinkname

package park

import (
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

// Direct says that Wait and Wake work in this build.
const Direct = true

// The reason for waiting that stacks and traces show: as in package net, "IO wait" and "network".
const (
	waitReasonIOWait = 2 // runtime.waitReasonIOWait
	traceBlockNet    = 2 // runtime.traceBlockNet
)

// gopark takes the calling goroutine off its thread, then calls commit there, on the scheduler's
// stack. If commit returns false the goroutine goes on at once. Go never frees a goroutine's
// record, so an integer may stand for the pointer to it.
//
//go:linkname gopark runtime.gopark
func gopark(commit func(g uintptr, word *atomic.Uintptr) bool, word *atomic.Uintptr, reason, traceReason uint8,
	traceskip int)

// goready makes a goroutine that gopark has blocked ready.
//
//go:linkname goready runtime.goready
func goready(g uintptr, traceskip int)

// Wait blocks until a goroutine calls [Wake] with the value that Wait has put into word, which is
// at least 8. It returns at once if word is not 0.
func Wait(word *atomic.Uintptr) {
	gopark(commit, word, waitReasonIOWait, traceBlockNet, 1)
}

// commit must not need more stack than there is, and must not use the goroutine.
//
//go:nosplit
func commit(g uintptr, word *atomic.Uintptr) bool { return word.CompareAndSwap(0, g) }

// Wake makes the goroutine g ready, which [Wait] has put into its word. The caller that takes g out
// of the word calls Wake, once.
func Wake(g uintptr) { goready(g, 1) }

// Yield is runtime.Gosched, but the goroutine waits behind those of its own processor (P), not of
// all, and no idle processor is woken.
//
//go:linkname Yield runtime.goyield
func Yield()
