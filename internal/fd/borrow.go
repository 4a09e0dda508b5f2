package fd

import "sync"

// Lent is a buffer that Receive borrows.
type Lent [32 << 10]byte

// Lendable keeps the buffers that are not in use.
var Lendable = sync.Pool{New: func() any { return new(Lent) }}
