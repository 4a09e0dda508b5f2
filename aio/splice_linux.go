package aio

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Splice is splice(2): it moves up to n bytes between two descriptors, one of which is a pipe,
// inside the kernel. An offset of -1 means the position, or none. It waits for data and for room by
// polling, so it holds no thread. The exception is a socket in blocking mode at the far end, which
// can hold a thread for as long as its peer does not read. From a TCP socket it moves what recv(2)
// reads: urgent bytes are left out.
func (io *IO) Splice(ctx context.Context, rfd int, roff int64, wfd int, woff int64, n int) (int, error) {
	mustContext(ctx)
	io.running()
	if n < 0 {
		return 0, unix.EINVAL
	}
	if ctx.Err() == nil && sys.NeverWaits(rfd) && sys.NeverWaits(wfd) {
		moved, err := sys.Splice(rfd, roff, wfd, woff, n)
		if moved > 0 || err != nil && err != unix.EAGAIN {
			return moved, err
		}
	}
	return io.op(ctx, backends.Op{
		Code: backends.OpSplice, FD: wfd, Off: max(woff, -1),
		Args: &backends.Args{FD: rfd, Off: max(roff, -1), Len: int64(n)},
	}, 0)
}
