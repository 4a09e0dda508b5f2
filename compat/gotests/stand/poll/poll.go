// Package poll stands in for internal/poll. The errors that it does not make known are found by the
// linker, which takes -ldflags=-checklinkname=0.
package poll

import (
	"net"
	"os"
	_ "unsafe" // for go:linkname
)

var (
	ErrNetClosing       = net.ErrClosed
	ErrDeadlineExceeded = os.ErrDeadlineExceeded
	ErrNoDeadline       = os.ErrNoDeadline
)

//go:linkname ErrFileClosing internal/poll.ErrFileClosing
var ErrFileClosing error

//go:linkname ErrNotPollable internal/poll.ErrNotPollable
var ErrNotPollable error

// DeadlineExceededError is what the tests' switches name. The stand-ins of package net put it in
// the place of os.ErrDeadlineExceeded.
type DeadlineExceededError struct{}

func (*DeadlineExceededError) Error() string { return "" }

// Package net calls these for what the tests of hooks count; they are never called.
var (
	CloseFunc         func(int) error
	TestHookDidWritev = func(wrote int) {}
)
