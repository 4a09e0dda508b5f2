package aio

import "sync"

// lent is a buffer that Receive borrows.
type lent [32 << 10]byte

var lendable = sync.Pool{New: func() any { return new(lent) }}
