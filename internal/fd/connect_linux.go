//go:build !weir_portable

package fd

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Connect starts connecting, and waits on the loop until the socket is writable, which is when it
// has succeeded or failed.
func (h *FD) Connect(ctx context.Context, sa *backends.Sockaddr) error {
	if err := h.Begin(ctx, &h.W); err != nil {
		return err
	}
	defer h.End(&h.W)
	switch err := sys.Connect(h.Sysfd, sa); err {
	case nil, unix.EISCONN:
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
	default:
		return os.NewSyscallError("connect", err)
	}
	ready := h.Readiness(&h.W, unix.POLLOUT)
	defer ready.Stop()
	for {
		if err := ready.Wait(ctx); err != nil {
			return SyscallError("connect", err)
		}
		errno, err := unix.GetsockoptInt(h.Sysfd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return os.NewSyscallError("getsockopt", err)
		}
		switch err := unix.Errno(errno); err {
		case unix.EINPROGRESS, unix.EALREADY, unix.EINTR:
		case unix.EISCONN:
			return nil
		case 0:
			var peer backends.Sockaddr
			if sys.SockName(unix.SYS_GETPEERNAME, h.Sysfd, &peer) == nil {
				return nil
			}
		default:
			return os.NewSyscallError("connect", err)
		}
	}
}
