package runtime

import (
	"errors"
	"fmt"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/fixed"
	"github.com/weirgo/weir/internal/sys"
)

// Buffers is a pool of buffers of one size. The kernel knows their memory in advance where it can.
type Buffers = fixed.Pool

// Buffer is one buffer of a [Buffers], and belongs to the goroutine that borrowed it until Release.
type Buffer = fixed.Buffer

// Errors of buffers.
var (
	// ErrReleased: the Buffer has been released.
	ErrReleased = fixed.ErrReleased

	// ErrInUse: an operation is in flight on the Buffer, or some Buffers have not been released.
	ErrInUse = fixed.ErrInUse
)

// maxRegion is the largest region, in bytes, that the kernel takes at one index of its table.
const maxRegion = 1 << 30

// takePool makes a pool and gives it an index in the loops' tables.
func (r *Runtime) takePool(n, size int) *Buffers {
	p, full := r.regions.take(backends.MaxRegions, func(index int) *Buffers {
		var p *Buffers
		p = fixed.New(sys.NewRegion(index, n*size), size, func() { r.unregister(p) })
		return p
	})
	if full {
		fixed.Fail(p, fmt.Errorf("weir: %d pools are registered already", backends.MaxRegions))
	}
	return p
}

// RegisterBuffers makes n buffers of size bytes each, 1 GiB in all at most. Every loop registers
// their memory with its backend; a loop that starts later does so when it starts. If a loop cannot
// register them, the buffers still work: Buffers.Registered tells. RegisterBuffers waits for the
// loops, so callbacks must not call it. It fails with [ErrClosed], or with an error about sizes
// that make no sense.
func (r *Runtime) RegisterBuffers(n, size int) (*Buffers, error) {
	r.mustBeMade()
	if n <= 0 || size <= 0 || size > maxRegion/n {
		return nil, fmt.Errorf("weir: RegisterBuffers of %d times %d bytes: want at least one of each, and 1 GiB in "+
			"all at most", n, size)
	}
	if r.Closed() {
		return nil, ErrClosed
	}
	p := r.takePool(n, size)
	if !p.Registered() {
		return p, nil
	}
	// A loop that starts now finds p in the list, or is among the workers here, or both.
	workers, err := r.workers()
	if err != nil {
		fixed.Fail(p, err)
	}
	for _, l := range workers {
		l.register(p)
	}
	return p, nil
}

// unregister ends a pool. All its buffers have been released.
func (r *Runtime) unregister(p *Buffers) {
	region := fixed.Region(p)
	if region.Index == backends.MaxRegions {
		return
	}
	r.regions.leave(region.Index)
	for _, l := range r.loops() {
		if b, ok := l.be.(backends.Registrar); ok {
			l.inLoop(func() {
				if !l.finished() {
					b.Unregister(region)
				}
			})
		}
	}
	r.regions.vacate(region.Index) // no loop has it any more
}

// register makes the loop register the memory of p, or records why it cannot.
func (l *Loop) register(p *Buffers) {
	if !l.inLoop(func() { l.registerHere(p) }) {
		fixed.Fail(p, ErrClosed)
	}
}

// registerHere is register for the loop's thread, between ticks.
func (l *Loop) registerHere(p *Buffers) {
	b, ok := l.be.(backends.Registrar)
	switch {
	case !ok:
		fixed.Fail(p, fmt.Errorf("weir: backend %s registers no buffers: %w", l.be.Name(), errors.ErrUnsupported))
	case l.finished():
		fixed.Fail(p, ErrClosed)
	default:
		if err := b.Register(fixed.Region(p)); err != nil {
			fixed.Fail(p, fmt.Errorf("weir: registering buffers with %s: %w", l.be.Name(), err))
		}
	}
}
