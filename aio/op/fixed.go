package op

import (
	"fmt"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/fixed"
	aiort "github.com/weirgo/weir/runtime"
)

// Buffer is a buffer borrowed from aio.Buffers, which aio.RegisterBuffers makes.
type Buffer = aiort.Buffer

// Errors of a [Buffer].
var (
	// ErrReleased: an operation was submitted on a Buffer that has been released. Nothing was
	// submitted.
	ErrReleased = aiort.ErrReleased

	// ErrInUse: a Buffer cannot be released while an operation is in flight on it, and its pool
	// cannot be closed before all Buffers have been released.
	ErrInUse = aiort.ErrInUse
)

// ReadFixed is [Read] into the whole of b. A kernel that knows b need not look up and pin its pages
// for this read, which pays for reads that bypass the page cache (O_DIRECT). While the operation is
// in flight b cannot be released. It is a plain Read on an IO that did not make b, in coroutines,
// and if the buffers could not be registered. Errors: those of Read, and [ErrReleased] if b has
// been released. io_uring READ_FIXED, Linux 5.1, registered with 5.19.
func ReadFixed(fd int, b Buffer, off int64) *Op { return onBuffer(backends.OpRead, fd, b, off) }

// WriteFixed is [Write] of the whole of b, or of a part with [Op.SetRange]; see [ReadFixed].
// Errors: those of Write, and [ErrReleased]. io_uring WRITE_FIXED, Linux 5.1, registered with 5.19.
func WriteFixed(fd int, b Buffer, off int64) *Op { return onBuffer(backends.OpWrite, fd, b, off) }

func onBuffer(code backends.Code, fd int, b Buffer, off int64) *Op {
	o := of(backends.Op{Code: code, FD: fd, Off: off, Args: new(backends.Args)})
	o.hold = &hold{lent: true}
	return o.SetBuffer(b)
}

// SetBuffer changes the Buffer of a [ReadFixed] or [WriteFixed], which then uses the whole of it.
// It returns o.
func (o *Op) SetBuffer(b Buffer) *Op {
	o.mayChange()
	o.onlyFixed("SetBuffer")
	op := &o.c.Op
	o.hold.b = b
	op.Args.Region, op.Buf, o.invalid = fixed.Memory(b)
	return o
}

// SetRange makes a [ReadFixed] or [WriteFixed] use the bytes [from, to) of its Buffer. It panics if
// the Buffer has no such bytes. It returns o.
func (o *Op) SetRange(from, to int) *Op {
	o.mayChange()
	o.onlyFixed("SetRange")
	_, mem, err := fixed.Memory(o.hold.b)
	if o.invalid = err; err == nil {
		if from < 0 || from > to || to > len(mem) {
			panic(fmt.Sprintf("op: SetRange(%d, %d) of a Buffer of %d bytes", from, to, len(mem)))
		}
		o.c.Op.Buf = mem[from:to]
	}
	return o
}

func (o *Op) onlyFixed(what string) {
	if o.hold == nil || !o.hold.lent {
		panic("op: " + what + " of an operation that is not on a Buffer: " + o.c.Op.Code.String())
	}
}

// hold keeps the Buffer of an operation from being released, and its FixedFile open, from
// submission to the end of its list. If operations on the same file follow one another in a list,
// only the first keeps it open.
type hold struct {
	lent  bool // it is on a Buffer
	b     Buffer
	file  *FixedFile // nil: it is on a descriptor
	on    atomic.Bool
	keeps bool // it keeps the file open, while on
	conn  *conn
}

func (h *hold) take(l *aiort.Loop, o *Op, held *FixedFile) (err error) {
	if !h.lent && h.file == held && h.conn == nil {
		return nil
	}
	if h.on.Swap(true) {
		return nil // it is twice in the list; the caller detects that
	}
	if h.keeps = h.file != held && h.file != nil; h.keeps {
		err = fixed.HoldFile(h.file)
	}
	if h.lent && err == nil {
		if err = fixed.Hold(h.b); err != nil && h.keeps {
			fixed.DropFile(h.file)
		}
	}
	if h.conn != nil && err == nil {
		if err = h.conn.take(l, o); err != nil && h.lent {
			fixed.Drop(h.b)
		}
	}
	if err != nil {
		h.on.Store(false)
	}
	return err
}

// drop releases what hold keeps. Its error says why the operation has been cancelled, if the Close
// of what it is On did that.
func (h *hold) drop() (why error) {
	if !h.on.Load() || !h.on.Swap(false) {
		return nil
	}
	if h.conn != nil && h.conn.drop() {
		why = h.conn.Closed()
	}
	if h.keeps {
		fixed.DropFile(h.file)
	}
	if h.lent {
		fixed.Drop(h.b)
	}
	return why
}
