//go:build gc && (amd64 || arm64)

package prefetch

// here notes where the stack of the caller ends, or nearly, and the runtime's record of the
// goroutine.
//
//go:noescape
func here(p *Goroutine)

// fetch asks for n lines from address at on, n > 0. An address that is not mapped is no error.
func fetch(at uintptr, n int)

// page is how many bytes at least are mapped together, or not.
const page = 4096

// through asks for the lines to which the words at address at+8 and at+16 point, if they are in the
// page of address at.
func through(at uintptr)
