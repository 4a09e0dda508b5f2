// Package sim is a simulated kernel behind the Backend contract: pipes, sockets, listeners and
// files that live in memory, a clock that moves only when Poll waits, and faults that real kernels
// serve rarely, drawn from one seed.
//
// It runs on every system, without system calls. Flags, masks and socket addresses have the values
// and layout they have on Linux, whatever it runs on: the constants are below. Results are negated
// errnos of package syscall.
//
// The same Config and the same calls give the same results, event by event; Sim.Trace tells them. A
// test that draws its seed with SeedFromEnv and prints the Sim when it fails can be run again with
// WEIR_SIM_SEED.
//
// What it takes from the kernel, because loops get it wrong:
//
//   - A descriptor is looked up when Poll hands the operation over, not by Submit. Closing it
//     neither cancels nor completes an operation that is pending, which keeps the file open until
//     it is over.
//   - Data moves at completion, never before, and never after the terminal event is ready.
//   - Writes to pipes and sockets are short when the buffer fills up.
//   - A completion queue that is full overflows into a backlog, in order, and an armed multishot
//     operation ends with the event that did not fit.
//   - A multishot poll reports news, not state: once per change.
//   - A cancel finds the operation, or does not, and either way only the operation's own event
//     tells.
//
// A caller that breaks its side of the contract gets a panic that says how.
package sim

// The constants that operations of a Sim understand: Linux's values.
const (
	PollIn    = 0x1
	PollOut   = 0x4
	PollErr   = 0x8
	PollHup   = 0x10
	PollRdHup = 0x2000

	MsgPeek     = 0x2
	MsgTrunc    = 0x20
	MsgDontWait = 0x40
	MsgWaitAll  = 0x100

	ShutRd   = 0
	ShutWr   = 1
	ShutRdWr = 2
)
