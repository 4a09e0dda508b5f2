//go:build !gc || !(amd64 || arm64)

package prefetch

// Works reports whether there is code for this processor.
const Works = false

func here(*Goroutine) {}

func fetch(uintptr, int) {}
