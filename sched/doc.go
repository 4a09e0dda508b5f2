// Package sched holds the parts of the runtime that decide who gets on and when:
//
//   - [Intake]: how operations get from any goroutine to the loop that carries them out;
//   - [Limit]: how many may be on their way at once, which is what makes an Intake bounded;
//   - [Wheel]: which deadlines have passed, and until when a loop may wait;
//   - [Parker]: how one goroutine waits for one wake-up;
//   - [Placement]: which loop a new handle goes to.
//
// The package has no I/O, no system call and no clock. Every time in it is an int64 count of
// nanoseconds that the caller hands in, on whatever clock the caller likes, as long as it is one
// clock.
//
// Nothing here waits for another goroutine except [Parker.Park] and [Parker.ParkUntil]. Placement
// holds a mutex for a few instructions at a time. Nothing allocates in steady state.
//
// The package carries no compatibility promise: it is public so that other loops can be built on
// it, and it changes when the runtime needs it to.
package sched
