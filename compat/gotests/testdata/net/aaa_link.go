package net

import (
	"context"
	"sync"
	_ "unsafe" // for go:linkname
)

// What package net keeps to itself and its tests set or compare with.

//go:linkname errTimeout net.errTimeout
var errTimeout error

//go:linkname errNoSuitableAddress net.errNoSuitableAddress
var errNoSuitableAddress error

//go:linkname errMissingAddress net.errMissingAddress
var errMissingAddress error

//go:linkname mapErr net.mapErr
func mapErr(err error) error

var errCanceled = mapErr(context.Canceled)

//go:linkname testHookLookupIP net.testHookLookupIP
var testHookLookupIP func(
	ctx context.Context, fn func(context.Context, string, string) ([]IPAddr, error), network, host string,
) ([]IPAddr, error)

//go:linkname dnsWaitGroup net.dnsWaitGroup
var dnsWaitGroup sync.WaitGroup
