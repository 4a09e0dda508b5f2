package aio

import (
	"context"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// Splice is splice(2): it moves up to n bytes between two descriptors, one of which is a pipe, inside the kernel.
// An offset of -1 means the position, or none. It waits for data and for room by polling, so that it holds no
// thread: the kernel's own asynchronous splice would occupy a worker for as long as it waits.
func (io *IO) Splice(ctx context.Context, rfd int, roff int64, wfd int, woff int64, n int) (int, error) {
	for {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		moved, err := sys.Splice(rfd, roff, wfd, woff, n)
		if err != unix.EAGAIN {
			return moved, err
		}
		if _, err := io.Poll(ctx, rfd, unix.POLLIN); err != nil {
			return 0, err
		}
		if _, err := io.Poll(ctx, wfd, unix.POLLOUT); err != nil {
			return 0, err
		}
	}
}
