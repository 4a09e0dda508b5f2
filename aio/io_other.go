//go:build !linux || weir_portable

package aio

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	aiort "github.com/weirgo/weir/runtime"
)

// On systems without a backend of their own connections and files are those of packages net and os
// with this package's additions. Sleeps and calls on descriptors run on the loops of backend
// "portable".

// IO runs the connections, files and operations of this package on one runtime. Any goroutine may
// call its methods.
type IO struct {
	rt     *aiort.Runtime
	sleeps atomic.Uint32

	end  context.Context // ends when Shutdown begins
	stop context.CancelFunc

	mu      sync.Mutex
	ended   bool
	last    uint64
	members map[uint64]func() // functions that end what was made on this IO

	dropped runtime.Cleanup // logs a dropped IO; Shutdown stops it
}

func newIO(rt *aiort.Runtime) *IO {
	io := &IO{rt: rt, members: map[uint64]func(){}}
	io.end, io.stop = context.WithCancel(context.Background())
	io.end.Done() // makes its channel where the IO is made
	return io
}

// Shutdown ends the IO. It cancels operations in flight, which end with an error that is
// net.ErrClosed and os.ErrClosed, unless they were done anyway; later ones fail at once. It waits
// for operations on loops (sleeps, operations on descriptors), then frees what New took. If ctx
// ends first the error is a [*StuckError] that lists the operations still in flight; another call
// waits for them again. Connections and files stay open: close them as always. A call after the end
// returns net.ErrClosed.
func (io *IO) Shutdown(ctx context.Context) error {
	mustContext(ctx)
	rt := io.running()
	io.dropped.Stop()
	io.mu.Lock()
	io.ended = true
	members := io.members
	io.members = nil
	io.mu.Unlock()
	io.stop()
	for _, end := range members {
		end()
	}
	return rt.Shutdown(ctx)
}

// Runtime returns the runtime of the IO, for additional loops with its options (Runtime.NewLoop).
func (io *IO) Runtime() *aiort.Runtime { return io.running() }

// while returns a context that ends when ctx or the IO does.
func (io *IO) while(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(io.end, func() { cancel(aiort.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// membership ties a connection, listener or file to its IO.
type membership struct {
	io *IO
	id uint64
}

// join makes Shutdown end x, which has the membership m. It fails if the IO has ended. It does not
// keep x alive.
func join[T any](io *IO, m *membership, x *T, end func(*T)) error {
	ref := weak.Make(x)
	io.mu.Lock()
	defer io.mu.Unlock()
	if io.ended {
		return aiort.ErrClosed
	}
	io.last++
	m.io, m.id = io, io.last
	io.members[m.id] = func() {
		if x := ref.Value(); x != nil {
			end(x)
		}
	}
	runtime.AddCleanup(x, io.forget, m.id)
	return nil
}

// leave undoes join.
func (m *membership) leave() {
	if m.io != nil {
		m.io.forget(m.id)
	}
}

func (io *IO) forget(id uint64) {
	io.mu.Lock()
	defer io.mu.Unlock()
	delete(io.members, id)
}

// dialErr returns the error of a connection that was not made because the IO ended.
func dialErr(io *IO, err error) error {
	var op *net.OpError
	if err != nil && io.end.Err() != nil && errors.As(err, &op) {
		return &net.OpError{Op: op.Op, Net: op.Net, Source: op.Source, Addr: op.Addr, Err: aiort.ErrClosed}
	}
	return err
}
