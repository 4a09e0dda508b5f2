package sys

import (
	"testing"
	"unsafe"
)

func TestRegion(t *testing.T) {
	for _, size := range []int{1, 100, 4096, 5000, 1 << 20} {
		r := NewRegion(7, size)
		if r.Index != 7 || len(r.Mem) != size || cap(r.Mem) != size {
			t.Errorf("%d: index %d, len %d, cap %d", size, r.Index, len(r.Mem), cap(r.Mem))
		}
		if at := uintptr(unsafe.Pointer(&r.Mem[0])); at%RegionAlign != 0 {
			t.Errorf("%d: at %#x", size, at)
		}
	}
	whole := NewRegion(0, 300).Mem
	r := &Region{Mem: whole[100:200:200]}
	for _, tt := range []struct {
		from, to int
		want     bool
	}{
		{100, 200, true}, {100, 101, true}, {199, 200, true}, {150, 160, true},
		{100, 100, false}, {99, 100, false}, {99, 101, false}, {199, 201, false}, {200, 201, false}, {100, 201, false},
		{0, 300, false},
	} {
		if got := r.Holds(whole[tt.from:tt.to]); got != tt.want {
			t.Errorf("Holds [%d, %d): %v", tt.from, tt.to, got)
		}
	}
	if r.Holds(nil) || (&Region{}).Holds(whole) {
		t.Error("Holds what is empty, or in what is")
	}
}
