//go:build !linux || weir_portable

package coro

// threadsKnown: what sys.ThreadID returns tells nothing.
const threadsKnown = false
