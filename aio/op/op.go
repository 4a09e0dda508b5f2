package op

import (
	"fmt"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
	aiort "github.com/weirgo/weir/runtime"
)

// Op is one operation and, when it is over, its result. The constructors of this package make Ops.
// An Op is in flight from the call that submits it (aio.Do, aio.Start) until that reports that its
// whole list is over. Until then N and Err mean nothing, weir owns what the Op refers to, and the
// setters panic. After that it may be changed and submitted again, any number of times, without an
// allocation; submitting it earlier is [ErrInFlight]. An Op must not be copied.
type Op struct {
	// N is the number of bytes moved, the new descriptor or the ready mask: see the constructor. It
	// is 0 if Err is set.
	N int

	// Err is nil if the operation was done, even if a cancellation was on its way: what was done is
	// never taken back. Otherwise it is [ErrCanceled], os.ErrDeadlineExceeded (a [LinkTimeout]),
	// [ErrSkipped], [ErrShort], net.ErrClosed (the descriptor, the [Event] or the IO was closed) or
	// the syscall.Errno.
	Err error

	c       aiort.Completion
	invalid error // why it can never be submitted
	source  *Op   // see From
	ran     bool  // it has a result
	hold    *hold // what must stay alive while it is in flight
}

// Errors of operations other than errnos.
var (
	// ErrCanceled: the operation was cancelled before it did anything. errors.Is(err,
	// context.Canceled) holds.
	ErrCanceled = aiort.ErrCanceled

	// ErrSkipped: the operation was not started, because the one it is linked to failed.
	ErrSkipped = aiort.ErrSkipped

	// ErrShort: the operation was not started, because the one it is linked to moved less than it
	// was asked to. errors.Is(err, [ErrSkipped]) holds too.
	ErrShort = aiort.ErrShort

	// ErrInFlight: an Op was submitted that is in flight, or that is twice in the list. Nothing was
	// submitted.
	ErrInFlight = aiort.ErrInFlight
)

// Stream is the offset of operations on a descriptor that has a position of its own, or none:
// pipes, sockets, terminals.
const Stream = backends.Stream

// CWD as the descriptor of a directory means the working directory.
const CWD = backends.AtCWD

func of(op backends.Op) *Op {
	o := new(Op)
	o.c.Op = op
	return o
}

// of32 is of for an operation whose flags, or other 32-bit parameters of the kernel, come from the
// caller. The operation cannot be submitted if they do not fit.
func of32(op backends.Op, flags int) *Op {
	op.Flags |= uint32(flags)
	o := of(op)
	if int(uint32(flags)) != flags && int(int32(flags)) != flags {
		o.invalid = fmt.Errorf("%#x takes more than 32 bits: %w", flags, sys.EINVAL)
	}
	return o
}

// Link makes the next operation in the list wait for this one and start only if this one succeeds.
// Otherwise the next one, and the rest of the chain, ends with [ErrSkipped]. A transfer that moves
// less than it was asked to also ends the chain, with [ErrShort]; see the package comment. It
// returns o.
func (o *Op) Link() *Op { return o.link(aiort.LinkSoft) }

// LinkAlways makes the next operation in the list wait for this one and start whatever its result.
// It returns o.
func (o *Op) LinkAlways() *Op { return o.link(aiort.LinkHard) }

// HardLink is [Op.LinkAlways].
//
// Deprecated: its name is too close to [Hardlink], which makes a name for a file.
func (o *Op) HardLink() *Op { return o.LinkAlways() }

// ClearLink undoes [Op.Link] and [Op.LinkAlways]. It returns o.
func (o *Op) ClearLink() *Op { return o.link(aiort.LinkNone) }

// Unlink is [Op.ClearLink].
//
// Deprecated: its name is that of the function [Unlink], which removes the name of a file.
func (o *Op) Unlink() *Op { return o.ClearLink() }

// Linked returns how the next operation depends on o.
func (o *Op) Linked() aiort.Link { return o.c.Link }

func (o *Op) link(l aiort.Link) *Op {
	o.mayChange()
	o.c.Link = l
	return o
}

// From makes o work on the descriptor that source results in, instead of its own. source is an
// Open, Accept or Socket that is earlier in the same chain, or that is over. If source fails, o
// fails with EBADF. From(nil) undoes it. It panics if o has no descriptor to replace, or if source
// makes none. It returns o.
func (o *Op) From(source *Op) *Op {
	o.mayChange()
	if !o.c.Op.TakesFD() {
		panic("op: From of an operation without a descriptor: " + o.String())
	}
	if source != nil && !source.c.Op.Code.MakesFD() {
		panic("op: From an operation that makes no descriptor: " + source.String())
	}
	if o.source = source; source == nil {
		o.c.From(nil)
	} else {
		o.leaveFile()
		o.c.From(&source.c)
	}
	return o
}

// SetFD changes the descriptor, and undoes [Op.SetFile]. It returns o.
func (o *Op) SetFD(fd int) *Op {
	o.mayChange()
	o.leaveFile()
	o.c.Op.FD = fd
	return o
}

// SetBuf changes the buffer. It cannot change to or from a [Buffer]. It returns o.
func (o *Op) SetBuf(p []byte) *Op {
	o.mayChange()
	if o.hold != nil && o.hold.lent {
		panic("op: SetBuf of an operation on a Buffer: SetBuffer and SetRange change that")
	}
	o.c.Op.Buf = p
	return o
}

// SetOffset changes the offset. It returns o.
func (o *Op) SetOffset(off int64) *Op {
	o.mayChange()
	o.c.Op.Off = off
	return o
}

// SetDuration changes the time of a [Timeout] or [LinkTimeout]. It returns o.
func (o *Op) SetDuration(d time.Duration) *Op {
	if o.c.Op.Code != backends.OpTimeout && o.c.Op.Code != backends.OpLinkTimeout {
		panic("op: SetDuration of " + o.c.Op.Code.String())
	}
	return o.SetOffset(int64(d))
}

func (o *Op) mayChange() {
	if o.c.InFlight() {
		panic(fmt.Sprintf("op: %s on descriptor %d is changed while it is in flight", o.c.Op.Code, o.c.Op.FD))
	}
}

// InFlight reports whether o has been submitted and is not over. Any goroutine may call it.
func (o *Op) InFlight() bool { return o.c.InFlight() }

// String returns the name of the operation, for messages.
func (o *Op) String() string { return o.c.Op.Code.String() }

// describe returns the name and, while o is not in flight, what the operation is on.
func (o *Op) describe() string {
	op := &o.c.Op
	switch {
	case op.Args != nil && len(op.Args.Path) > 1:
		return fmt.Sprintf("%v %v", o, op.Args.Path)
	case o.hold != nil && o.hold.conn != nil && o.hold.conn.keeper != nil:
		return fmt.Sprintf("%v %s", o, o.hold.conn.Name())
	case op.TakesFD():
		return fmt.Sprintf("%v on descriptor %d", o, op.FD)
	}
	return o.String()
}

// named makes an operation on one or two names.
func named(op backends.Op, flags int, a *backends.Args, names ...string) *Op {
	op.Args = a
	o := of32(op, flags)
	for i, name := range names {
		p, err := backends.PathOf(name)
		if err != nil {
			o.invalid = fmt.Errorf("name %q: %w", name, err)
		}
		if i == 0 {
			a.Path = p
		} else {
			a.Path2 = p
		}
	}
	return o
}

// Error says which operation of a list failed, or cannot be submitted.
type Error struct {
	Index int    // index in the list
	Op    string // name of the operation
	Err   error

	on string // the name, and what it is on
}

func (e *Error) Error() string {
	if e.Op == "" {
		return fmt.Sprintf("op: operation %d: %v", e.Index, e.Err)
	}
	on := e.on
	if on == "" {
		on = e.Op
	}
	return fmt.Sprintf("op: operation %d (%s): %v", e.Index, on, e.Err)
}

// failed returns the Error of the i-th operation of a list, which is not in flight.
func failed(i int, o *Op, err error) *Error {
	return &Error{Index: i, Op: o.String(), Err: err, on: o.describe()}
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
