//go:build gc && !race && !msan && !asan && !go1.27 && !weir_nopark && !weir_nolinkname

package park

import (
	"sync/atomic"
	_ "unsafe" // for go:linkname
)

// Direct: Wait and Wake work in this build.
const Direct = true

// What a goroutine waits for, in stacks and in traces: as in package net, "IO wait" and "network".
const (
	waitReasonIOWait = 2 // runtime.waitReasonIOWait
	traceBlockNet    = 2 // runtime.traceBlockNet
)

// gopark takes the calling goroutine from its thread, then calls commit there, on the scheduler's
// stack; false: it goes on at once. A goroutine is never freed, so that an integer may stand for
// the pointer to it.
//
//go:linkname gopark runtime.gopark
func gopark(commit func(g uintptr, word *atomic.Uintptr) bool, word *atomic.Uintptr, reason, traceReason uint8,
	traceskip int)

// goready has a goroutine that gopark has blocked go on.
//
//go:linkname goready runtime.goready
func goready(g uintptr, traceskip int)

// Wait blocks until somebody calls Wake with what it has put into word, which is no number below 8.
// It returns at once if word is not 0.
func Wait(word *atomic.Uintptr) {
	gopark(commit, word, waitReasonIOWait, traceBlockNet, 1)
}

// commit must not need more stack than there is, nor anything of the goroutine's.
//
//go:nosplit
func commit(g uintptr, word *atomic.Uintptr) bool { return word.CompareAndSwap(0, g) }

// Wake makes the goroutine ready that has put g into the word given to Wait. Whoever takes g out of
// the word calls it, once.
func Wake(g uintptr) { goready(g, 1) }

// Yield is runtime.Gosched but for where the goroutine waits: behind those of its own processor
// (P), not of all, and without waking one that is idle.
//
//go:linkname Yield runtime.goyield
func Yield()
