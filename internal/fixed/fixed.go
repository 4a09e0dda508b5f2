// Package fixed has buffers that are lent one by one out of memory that the kernel may know in
// advance.
//
// A borrower releases its Buffer once. A Buffer on which an operation is in flight cannot be
// released. A Buffer that has been released stays invalid even if its memory has been lent again:
// the word of its slot tells.
package fixed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// Errors of buffers.
var (
	// ErrReleased: the Buffer has been released.
	ErrReleased = errors.New("weir: the Buffer has been released")

	// ErrInUse: an operation in flight uses the Buffer, or some of a pool's have not been released.
	ErrInUse = errors.New("weir: in use")
)

// Pool is memory that is lent in buffers of one size. Any goroutine may call its methods. The zero
// value is closed.
type Pool struct {
	region *sys.Region
	size   int
	slots  []slot
	free   chan *slot
	gone   func()                // unregisters the region
	why    atomic.Pointer[error] // why it is not registered everywhere

	mu     sync.Mutex // serializes Close
	over   bool
	closed chan struct{}
}

// slot is one buffer. Its word counts, in the bits above useBits, how often the buffer has been
// released, which tells whether a Buffer is still valid; and in the bits below how many operations
// use it.
type slot struct {
	pool *Pool
	mem  []byte
	word atomic.Uint64
}

const (
	useBits = 24
	useMask = 1<<useBits - 1
)

// Buffer is memory that a [Pool] has lent. It is a small value and may be copied; all copies are
// released together. The zero value counts as released.
type Buffer struct {
	s    *slot
	term uint64
}

// New makes a [Pool] of as many buffers as region has room for. Close of the Pool calls gone.
func New(region *sys.Region, size int, gone func()) *Pool {
	n := len(region.Mem) / size
	p := &Pool{
		region: region, size: size, gone: gone,
		slots: make([]slot, n), free: bubble.MakeChan[*slot](n), closed: bubble.MakeChan[struct{}](0),
	}
	for i := range p.slots {
		s := &p.slots[i]
		s.pool, s.mem = p, region.Mem[i*size:(i+1)*size:(i+1)*size]
		p.free <- s
	}
	return p
}

// Region returns the memory of all buffers.
func Region(p *Pool) *sys.Region { return p.region }

// Fail records why the kernel does not know the memory, or not on every loop. The first reason
// stays.
func Fail(p *Pool, why error) { p.why.CompareAndSwap(nil, &why) }

// Registered reports whether the kernel knows the memory on all loops. On a loop where it does not,
// operations on the buffers are plain reads and writes, and everything else is the same.
func (p *Pool) Registered() bool { return p.Reason() == nil }

// Reason returns nil if the memory is registered. Otherwise it says why not: errors.ErrUnsupported
// for a backend that cannot register memory, ENOMEM for RLIMIT_MEMLOCK, EINVAL for Linux before
// 5.19.
func (p *Pool) Reason() error {
	if why := p.why.Load(); why != nil {
		return *why
	}
	return nil
}

// Get borrows a buffer, and waits for one to be released if there is none. Its contents are
// whatever its last user left. Errors: the context's cause, net.ErrClosed after Close. It allocates
// nothing.
func (p *Pool) Get(ctx context.Context) (Buffer, error) {
	switch {
	case ctx == nil:
		panic("weir: nil context")
	case p.closed == nil:
		return Buffer{}, net.ErrClosed
	}
	if ctx.Err() != nil {
		return Buffer{}, context.Cause(ctx)
	}
	select {
	case s := <-p.free:
		return s.lend(), nil
	default:
	}
	select {
	case s := <-p.free:
		return s.lend(), nil
	case <-p.closed:
		return Buffer{}, net.ErrClosed
	case <-ctx.Done():
		return Buffer{}, context.Cause(ctx)
	}
}

// Close ends the registration. If some buffers have not been released it changes nothing and fails
// with [ErrInUse]: call it again when they are. So no operation is in flight on the memory when it
// succeeds. It waits for the loops, so callbacks must not call it. A second Close returns
// net.ErrClosed. Slices of the memory stay valid as ordinary memory.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.closed == nil {
		return net.ErrClosed
	}
	var all []*slot
	for len(all) < len(p.slots) {
		select {
		case s := <-p.free:
			all = append(all, s)
			continue
		default:
		}
		for _, s := range all {
			p.free <- s
		}
		return fmt.Errorf("%w: %d of %d buffers have not been released", ErrInUse, len(p.slots)-len(all), len(p.slots))
	}
	p.over = true
	close(p.closed)
	p.gone()
	return nil
}

func (s *slot) lend() Buffer { return Buffer{s, s.word.Load() >> useBits} }

// Bytes returns the memory, of the size that the pool was made with. It belongs to the caller until
// [Buffer.Release], except while an operation is in flight on it. After Release Bytes panics.
func (b Buffer) Bytes() []byte {
	if b.s == nil || b.s.word.Load()>>useBits != b.term {
		panic(ErrReleased.Error() + ": Bytes")
	}
	return b.s.mem
}

// Release gives the buffer back to its pool. Errors: [ErrInUse] while an operation is in flight on
// it, which changes nothing; [ErrReleased] if it has been released before, which does not affect
// its present borrower.
func (b Buffer) Release() error {
	if b.s == nil {
		return ErrReleased
	}
	for {
		switch word := b.s.word.Load(); {
		case word>>useBits != b.term:
			return ErrReleased
		case word&useMask != 0:
			return fmt.Errorf("%w: %d operations are in flight on the Buffer", ErrInUse, word&useMask)
		case b.s.word.CompareAndSwap(word, (b.term+1)<<useBits):
			b.s.pool.free <- b.s
			return nil
		}
	}
}

// Hold keeps b from being released until [Drop]. It fails with [ErrReleased].
func Hold(b Buffer) error {
	if b.s == nil {
		return ErrReleased
	}
	for {
		word := b.s.word.Load()
		if word>>useBits != b.term {
			return ErrReleased
		}
		if b.s.word.CompareAndSwap(word, word+1) {
			return nil
		}
	}
}

// Drop undoes one [Hold].
func Drop(b Buffer) {
	if b.s.word.Add(^uint64(0))&useMask == useMask {
		panic("weir: Drop of a Buffer that is not held")
	}
}

// Memory returns the region that b is part of and its bytes. It fails with [ErrReleased].
func Memory(b Buffer) (*sys.Region, []byte, error) {
	if b.s == nil || b.s.word.Load()>>useBits != b.term {
		return nil, nil, ErrReleased
	}
	return b.s.pool.region, b.s.mem, nil
}
