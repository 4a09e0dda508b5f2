//go:build !weir_portable

package coro

// threadsKnown: sys.ThreadID tells threads apart.
const threadsKnown = true
