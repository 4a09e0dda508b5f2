//go:build giouring

package uring

import (
	"errors"

	"github.com/weirgo/weir/internal/sys"
)

// RingImplementation names it.
const RingImplementation = "giouring"

// ring is the ring of package internal/giouring, which tests import. This file does not: the go.mod
// of every program that imports weir would have giouring then.
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
