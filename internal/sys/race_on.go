//go:build race

package sys

import (
	"runtime"
	"unsafe"
)

// RaceEnabled says that this build has the race detector.
const RaceEnabled = true

// ioSync stands for the kernel: everything sent happens before everything received later, as in
// package syscall.
var ioSync int64

// RaceSending tells the race detector that the kernel is about to read p.
func RaceSending(p []byte) {
	runtime.RaceReleaseMerge(unsafe.Pointer(&ioSync))
	if len(p) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
}

// RaceReceived tells the race detector that the kernel has written p.
func RaceReceived(p []byte) {
	if len(p) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(p)), len(p))
	}
	runtime.RaceAcquire(unsafe.Pointer(&ioSync))
}
