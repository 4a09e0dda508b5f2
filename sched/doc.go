// Package sched holds the parts of the runtime that decide which operation and which goroutine
// runs, and when:
//
//   - [Intake]: how operations get from any goroutine to the loop that performs them;
//   - [Limit]: how many may be in flight at once, which also bounds an Intake;
//   - [Wheel]: which deadlines have passed, and until when a loop may wait;
//   - [Parker]: how one goroutine waits for one wake-up;
//   - [Placement]: which loop a new handle goes to.
//
// The package has no I/O, no system call and no clock. Every time in it is an int64 count of
// nanoseconds that the caller passes in, on any one clock.
//
// Only [Parker.Park] and [Parker.ParkUntil] wait for another goroutine. A Placement holds a mutex
// for a few instructions at a time. Nothing allocates in steady state.
//
// The package carries no compatibility promise: it is public so that other loops can be built on
// it, and it changes when the runtime needs it to.
package sched
