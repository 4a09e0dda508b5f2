//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "confine: only Linux has seccomp")
	os.Exit(2)
}
