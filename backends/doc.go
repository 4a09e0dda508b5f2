// Package backends holds the words and the contract between a loop and what carries its operations
// to a kernel.
//
// An [Op] is an inert description of one operation. A [Completion] is the record of one Op in
// flight: the Op and the [ID] under which the loop knows it. An [Event] is the pointer-free news
// that something happened to the operation with that ID. A [Backend] takes completions and gives
// back events.
//
// The implementations live in the directories below (uring, sim, ...) and import this package; the
// table that chooses among them lives above, in package runtime. Nothing registers itself. Package
// backendtest is the suite every implementation passes.
//
// There is no compatibility promise for this package and those below it.
package backends
