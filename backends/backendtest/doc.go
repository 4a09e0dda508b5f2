// Package backendtest is the suite that every implementation of backends.Backend passes. It drives
// the contract directly, with a small slot table of its own in the place of a Loop.
//
// A backend's own test calls Run with an Env, which opens the backend and makes the resources that
// operations need:
//
//	func TestConformance(t *testing.T) {
//		open := func(t testing.TB, entries, cqEntries int) backends.Backend { ... }
//		backendtest.Run(t, backendtest.OS(true, open))
//	}
//
// All subtests watch, whatever else they look for, that every operation gets exactly one terminal
// event and only a multishot one gets others before it; that no Completion is changed; that a read
// leaves alone what is beyond its result and beyond its buffer, and any buffer after the terminal
// event; that writes leave their buffers alone; that Poll does not report more than it was asked
// for; that the clock does not go back; and that no descriptor is left open at the end.
//
// Short transfers are right everywhere, and so is Poll returning early with nothing. Time limits
// are there to end tests that hang: nothing depends on the speed of the machine.
package backendtest
