//go:build !linux

package sys

// Edge tells of changes at one descriptor, on Linux.
type Edge struct{ FD int }

// WatchEdges is not to be had here.
func WatchEdges(int, uint32) (Edge, Errno) { return Edge{-1}, EINVAL }

// Add does nothing.
func (Edge) Add(int, uint32) {}

// Take does nothing.
func (Edge) Take() {}

// Close does nothing.
func (Edge) Close() {}

// AtMark is never so here: nothing here splices.
func AtMark(int) bool { return false }
