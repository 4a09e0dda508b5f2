package aio

import (
	"github.com/weirgo/weir/aio/op"
	aiort "github.com/weirgo/weir/runtime"
)

// Buffers is memory for op.ReadFixed and op.WriteFixed that the kernel has been told of in advance. It is lent in Buffers
// of one size, by Get; Registered says whether the kernel knows it; Close, when all have been released, ends that.
type Buffers = aiort.Buffers

// Buffer is memory that a Buffers has lent. Bytes is its memory until Release.
type Buffer = op.Buffer

// RegisterBuffers makes n buffers of size bytes each, 1 GiB in all at most, and registers them with the loops of the IO.
// They begin at a page, and all of them do if size is a multiple of that. Registered memory is pinned, which takes a
// while and counts against RLIMIT_MEMLOCK for those who have no CAP_IPC_LOCK. Where it cannot be registered (no io_uring,
// Linux before 5.19, no more memory to lock, or 256 registered already) the Buffers work in the same way and
// Buffers.Registered and Reason say so: op.ReadFixed and op.WriteFixed are plain reads and writes then. The buffers last
// until Buffers.Close, whatever the garbage collector thinks of them; closing the IO ends their registration but not their
// use. It waits for the loops: not for use in callbacks. Errors: net.ErrClosed, or one that says what is wrong with n or size.
func (io *IO) RegisterBuffers(n, size int) (*Buffers, error) {
	return io.running().RegisterBuffers(n, size)
}

// RegisterBuffers is IO.RegisterBuffers on Default().
func RegisterBuffers(n, size int) (*Buffers, error) { return Default().RegisterBuffers(n, size) }
