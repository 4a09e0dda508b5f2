// Package socktest stands in for net/internal/socktest, which puts itself between package net and
// the system calls. Here nothing does that: no call is counted, and none is made to fail.
package socktest

type (
	Switch      struct{}
	Sockets     map[int]struct{}
	Status      struct{}
	FilterType  int
	Filter      func(*Status) (AfterFilter, error)
	AfterFilter func(*Status) error
)

const (
	FilterSocket FilterType = iota
	FilterConnect
	FilterListen
	FilterAccept
	FilterGetsockoptInt
	FilterClose
)

func (*Switch) Sockets() Sockets       { return nil }
func (*Switch) Set(FilterType, Filter) {}
