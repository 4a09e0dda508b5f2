//go:build giouring

package uring

import (
	"errors"

	"github.com/weirgo/weir/internal/sys"
)

// RingImplementation names the implementation of the ring.
const RingImplementation = "giouring"

// ring is the ring of package internal/giouring, which tests import. This file does not import it,
// because the go.mod of every program that imports weir would then include giouring.
type ring struct{ sys.ForeignRing }

func newRing(entries, cqEntries, flags uint32) (*ring, error) {
	if sys.NewForeignRing == nil {
		return nil, errors.New("uring: built with the tag giouring, which is for tests that import internal/giouring")
	}
	r, err := sys.NewForeignRing(entries, cqEntries, flags)
	if err != nil {
		return nil, err
	}
	return &ring{r}, nil
}
