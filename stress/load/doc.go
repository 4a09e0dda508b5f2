// Package load puts a function under load: it has workers call it, at a given rate or as fast as
// they can, and measures what each call took.
//
//	result, err := load.Run(ctx, load.Config{
//		Workers: 64,
//		Start: func(ctx context.Context, worker int) (load.Worker, error) {
//			conn, err := net.Dial("tcp", address)
//			return load.Worker{Op: func(context.Context) error { ... }, Close: conn.Close}, err
//		},
//		Phases: []load.Phase{
//			{Name: "warm-up", Time: time.Second, Discard: true},
//			{Name: "load", Time: 10 * time.Second, Schedule: load.Constant(5000)},
//		},
//	})
//
// # Closed and open loop
//
// A phase without a [Schedule] is a closed loop: each worker begins its next operation when the one
// before is over. What that measures is what the service can do for so many clients at one time.
//
// A phase with one is an open loop: operations are due at times that do not depend on the service,
// as requests of many independent users are. The worker that is idle takes the next of them. If all
// are busy an operation begins late, and that counts: its latency runs from the time at which it
// was due. So a service that stands still for a second has all requests of that second late, not
// one of each worker (the mistake that is called coordinated omission). Operations that were due and
// did not begin before the end of the drain ([Phase.Drain]) are counted as unserved, with
// the time that they had waited.
//
// The harness is late itself, too: timers are. [PhaseResult.Lag] is how late idle workers were, and
// how far the latencies are to be believed.
//
// # Checks
//
// An operation that fails is counted by its error, and ends the run if [Config.ErrorLimit] says so.
// A [Ledger] numbers messages and finds answers that are lost, doubled, changed, late, out of order
// or of another stream.
//
// # Lanes
//
// Workers are goroutines, unless [Config.Lane] runs them otherwise: as coroutines, for example. Go's
// timers are up to a millisecond late on an idle machine; [Precise] waits on the kernel's.
package load
