//go:build !giouring

package uring

import "github.com/weirgo/weir/internal/sys"

// ring is the implementation that the backend uses. The build tag giouring replaces it.
type ring = sys.Ring

// RingImplementation names the implementation of the ring.
const RingImplementation = "weir"

func newRing(entries, cqEntries, flags uint32) (*ring, error) {
	return sys.NewRing(entries, cqEntries, flags)
}
