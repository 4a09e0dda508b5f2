// Package runtime turns a backend into a place to run operations: the [Loop] with its slots, timers
// and intake, and the [Runtime] that owns loops and chooses the backend.
//
// Its name shadows the standard library's, so import it as aiort:
//
//	import aiort "github.com/weirgo/weir/runtime"
//
// Most programs use package aio and never see this one. It is for programs that want the bare event
// loop: a [Loop] made by [NewLoop], driven by [Loop.Run], with operations submitted as [Completion]
// values whose callbacks run on the loop's thread.
//
// # One tick, two drives
//
// A tick takes the intake, encodes operations, enters the kernel once (to submit, to reap and, on a
// thread, to wait), copies the events out, and only then resolves them. The thread drive runs ticks
// on a goroutine that is locked to its OS thread and blocks in the kernel. The scheduler drive runs
// them on the goroutine that submits, and on one that Go's netpoller wakes when the backend has
// events. Callbacks run on thread loops only. Goroutines that wait for an operation ([Loop.Do]) use
// either drive.
//
// # Life of a Completion
//
//	idle --Submit--> queued --tick--> started --terminal event--> idle, then callback or wake-up
//
// Exactly one of these happens for each Submit that returned nil: the callback runs for the last
// time, or Do returns. What a Completion points to belongs to the kernel until then.
package runtime
