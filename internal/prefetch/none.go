//go:build !gc || !(amd64 || arm64)

package prefetch

func here(*Goroutine) {}

func fetch(uintptr, int) {}

func through(uintptr) {}
