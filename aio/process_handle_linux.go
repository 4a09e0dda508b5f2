//go:build go1.26 && !weir_portable

package aio

import "os"

var errNoHandle = os.ErrNoHandle

// withHandle calls f with the descriptor that package os has of p, which stays open until f
// returns. The error is errNoHandle if there is none, and another if p has been waited for or
// released.
func withHandle(p *os.Process, f func(pidfd uintptr)) error { return p.WithHandle(f) }
