//go:build gc && (amd64 || arm64)

package prefetch

// Works reports whether there is code for this processor.
const Works = true

// here notes the stack pointer of its caller and the runtime's record of the goroutine.
//
//go:noescape
func here(p *Goroutine)

// fetch asks for n lines from address at on, n > 0. An address that is not mapped is no error.
func fetch(at uintptr, n int)
