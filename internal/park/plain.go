//go:build !gc || race || msan || asan || go1.27 || weir_nopark || weir_nolinkname

package park

import (
	"runtime"
	"sync/atomic"
)

// Direct says that Wait and Wake do not work in this build.
const Direct = false

// Wait panics.
func Wait(*atomic.Uintptr) { panic("park: not in this build") }

// Wake panics.
func Wake(uintptr) { panic("park: not in this build") }

// Yield is runtime.Gosched.
func Yield() { runtime.Gosched() }
