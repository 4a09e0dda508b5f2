//go:build !linux

package sys

// Edge reports changes at a descriptor, on Linux.
type Edge struct{ FD int }

// WatchEdges fails on this system.
func WatchEdges(int, uint32) (Edge, Errno) { return Edge{-1}, EINVAL }

// Add does nothing.
func (Edge) Add(int, uint32) {}

// Take does nothing.
func (Edge) Take() {}

// Close does nothing.
func (Edge) Close() {}

// AtMark is false: nothing splices on this system.
func AtMark(int) bool { return false }
