//go:build !weir_portable

package aio

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// awaitExit waits until p has ended, if it can be watched. It does not wait if p.Wait would return
// an error at once: for a process that has been waited for or released, and for one that is not a
// child.
func (io *IO) awaitExit(ctx context.Context, p *os.Process) (watched bool, err error) {
	refused := withHandle(p, func(pidfd uintptr) {
		if unix.Waitid(unix.P_PIDFD, int(pidfd), nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) != unix.ECHILD {
			_, err = io.Poll(ctx, int(pidfd), unix.POLLIN)
		}
	})
	return !errors.Is(refused, errNoHandle), err
}
