package sys

import "unsafe"

// Region is memory that the kernel can learn of once, so that operations on it need not look its
// pages up each time. It is Go memory: a slice of it keeps it alive, so a slice that is used too
// late refers to valid memory.
type Region struct {
	Index int    // its place in the table of each ring that knows it
	Mem   []byte // begins at a page
}

// RegionAlign is the alignment of a Region. It is enough for O_DIRECT on disks with blocks of up to
// 4 KiB.
const RegionAlign = 4096

// NewRegion makes a Region of size bytes; size is above 0.
func NewRegion(index, size int) *Region {
	mem := make([]byte, size+RegionAlign-1)
	skip := int(-uintptr(unsafe.Pointer(&mem[0])) & (RegionAlign - 1))
	return &Region{Index: index, Mem: mem[skip : skip+size : skip+size]}
}

// Holds reports whether p lies within the Region. An empty p does not.
func (r *Region) Holds(p []byte) bool {
	if len(p) == 0 || len(r.Mem) < len(p) {
		return false
	}
	from := uintptr(unsafe.Pointer(&p[0])) - uintptr(unsafe.Pointer(&r.Mem[0])) // huge if p begins before it
	return from <= uintptr(len(r.Mem)-len(p))
}
