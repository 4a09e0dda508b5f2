//go:build !giouring

package uring

import "github.com/weirgo/weir/internal/sys"

// ring is what the backend runs on. The build tag giouring puts another implementation in its
// place.
type ring = sys.Ring

// RingImplementation names it.
const RingImplementation = "weir"

func newRing(entries, cqEntries, flags uint32) (*ring, error) {
	return sys.NewRing(entries, cqEntries, flags)
}
