// Package backends holds the words and the contract between a loop and what carries its operations
// to a kernel.
//
// An [Op] is an inert description of one operation. A [Completion] is the record of one Op in
// flight: the Op and the [ID] under which the loop knows it. An [Event] is a pointer-free report
// that something happened to the operation with that ID. A [Backend] takes completions and returns
// events.
//
// The implementations are in the directories below (uring, sim, ...) and import this package. The
// table that chooses among them is above, in package runtime. No implementation registers itself.
// Package backendtest is the suite that every implementation passes.
//
// There is no compatibility promise for this package and those below it.
package backends
