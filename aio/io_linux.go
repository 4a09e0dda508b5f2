//go:build !weir_portable

package aio

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/weirgo/weir/internal/fd"

	aiort "github.com/weirgo/weir/runtime"
)

// IO runs the connections, files and operations of this package on one runtime. Any goroutine may
// call its methods.
type IO struct {
	rt     *aiort.Runtime
	fds    fd.Shared
	sleeps atomic.Uint32

	dropped runtime.Cleanup // logs a dropped IO; Shutdown stops it
}

func newIO(rt *aiort.Runtime) *IO {
	return &IO{rt: rt, fds: fd.Shared{RT: rt, Direct: rt.Info().Drive == aiort.DriveAuto}}
}

// shared is what the descriptors of an IO that New has made have in common.
func (io *IO) shared() *fd.Shared {
	io.running()
	return &io.fds
}

// Shutdown ends the IO. It cancels operations in flight, which end with an error that is
// net.ErrClosed and os.ErrClosed, unless they were done anyway; later ones fail at once. It waits
// until the kernel no longer uses any of their memory, then frees what New took. If ctx ends first
// the error is a [*StuckError] that lists the operations still in flight; another call waits for
// them again. Connections and files stay open: close them as always. A call after the end returns
// net.ErrClosed.
func (io *IO) Shutdown(ctx context.Context) error {
	mustContext(ctx)
	rt := io.running()
	io.dropped.Stop()
	io.fds.Close()
	return rt.Shutdown(ctx)
}
