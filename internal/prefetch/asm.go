//go:build gc && (amd64 || arm64)

package prefetch

// here stores the approximate end of the caller's stack, and the runtime's record of the goroutine.
//
//go:noescape
func here(p *Goroutine)

// fetch prefetches n lines from address at on, n > 0. An address that is not mapped is no error.
func fetch(at uintptr, n int)

// page is the granularity, in bytes, at which memory is mapped at least.
const page = 4096

// through prefetches the lines that the words at addresses at+8 and at+16 point to, if those words
// are in the page of address at.
func through(at uintptr)
