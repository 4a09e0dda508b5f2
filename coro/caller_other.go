//go:build !linux || weir_portable

package coro

// threadsKnown says that sys.ThreadID does not distinguish threads.
const threadsKnown = false
