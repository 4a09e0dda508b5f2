//go:build !weir_portable

package coro

// threadsKnown says that sys.ThreadID distinguishes threads.
const threadsKnown = true
