package aio

import (
	"github.com/weirgo/weir/aio/op"
	aiort "github.com/weirgo/weir/runtime"
)

// Buffers is a pool of buffers of one size for [op.ReadFixed] and [op.WriteFixed], whose memory the
// kernel knows in advance. Get borrows a buffer. Registered says whether the kernel knows the
// memory. Close ends the registration, once all buffers have been released.
type Buffers = aiort.Buffers

// Buffer is a buffer borrowed from [Buffers]. Bytes returns its memory, until Release.
type Buffer = op.Buffer

// RegisterBuffers makes n buffers of size bytes each, 1 GiB in all at most, and registers them with
// the loops of the IO. The first begins at a page boundary, and so do all others if size is a
// multiple of the page size. Registered memory is pinned. That takes a while, and counts against
// RLIMIT_MEMLOCK in a process without CAP_IPC_LOCK.
//
// If the memory cannot be registered (no io_uring, Linux before 5.19, no more memory to lock, or
// 256 pools registered already) the Buffers still work: op.ReadFixed and op.WriteFixed are plain
// reads and writes then, and Buffers.Registered and Reason say so. The buffers last until
// Buffers.Close, and are not garbage-collected before; closing the IO ends their registration but
// not their use. RegisterBuffers waits for the loops, so callbacks must not call it. Errors:
// net.ErrClosed, or one that says what is wrong with n or size.
func (io *IO) RegisterBuffers(n, size int) (*Buffers, error) {
	return io.running().RegisterBuffers(n, size)
}

// RegisterBuffers is [IO.RegisterBuffers] on [Default].
func RegisterBuffers(n, size int) (*Buffers, error) { return Default().RegisterBuffers(n, size) }
