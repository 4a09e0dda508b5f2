// Command uring says whether the kernel lets this process set up an io_uring, without a line of weir: where it does,
// tests that skip for want of a backend have found a bug in weir.
package main

import (
	"fmt"
	"syscall"
	"unsafe"
)

func main() {
	const setup = 425            // io_uring_setup(2), everywhere but on mips
	params := make([]uint64, 15) // struct io_uring_params
	if _, _, errno := syscall.Syscall(setup, 1, uintptr(unsafe.Pointer(&params[0])), 0); errno != 0 {
		fmt.Println("refused:", errno)
		return
	}
	fmt.Println("works")
}
