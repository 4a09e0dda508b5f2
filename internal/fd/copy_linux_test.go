//go:build !weir_portable

package fd

import "testing"

// TestChunk guards how many bytes one system call is asked to move: less in a view, where others
// wait for the thread.
func TestChunk(t *testing.T) {
	f, v := recorded(t, "auto"), new(FD)
	v.attach(f.Loop, &eagerWaiter{}, f)
	if f.chunk(1<<62) != SendChunk || v.chunk(1<<62) != ViewChunk || f.chunk(7) != 7 || v.chunk(7) != 7 {
		t.Error("a system call is asked to move another number of bytes")
	}
}
