//go:build giouring

package sys

import "syscall"

// ForeignRing is what package uring needs of a ring. An implementation other than Ring may provide
// it.
type ForeignRing interface {
	FD() int
	Flags() uint32
	Features() uint32
	Hide(features uint32)
	SQEntries() uint32
	CQEntries() uint32
	SQFlags() uint32
	LeaveTaskrun() // for tests
	Overflow() uint32
	Queued() uint32
	CQReady() uint32
	SQE() *SQE
	CQE(i uint32) *CQE
	CQAdvance(n uint32)
	Enter(wait bool, deadline int64) (int, syscall.Errno)
	EnterBriefly() (int, syscall.Errno)
	Close() error
}

// NewForeignRing makes a ForeignRing. Package giouring sets it.
var NewForeignRing func(entries, cqEntries, flags uint32) (ForeignRing, error)
