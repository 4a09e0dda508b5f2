//go:build gc && (amd64 || arm64)

package prefetch

import (
	"syscall"
	"testing"
	"unsafe"
)

// TestThrough guards that what is read stays in the page in which something is said to be.
func TestThrough(t *testing.T) {
	size := syscall.Getpagesize()
	if size%page != 0 {
		t.Fatalf("pages have %d bytes here", size)
	}
	mem, err := syscall.Mmap(-1, 0, 2*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(mem)
	if err := syscall.Mprotect(mem[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	for end := size; end >= size-64; end -= int(unsafe.Sizeof(uintptr(0))) {
		Of(&mem[:size+1][min(end, size-1)]).Through()
	}
}
