package fixed

import (
	"net"
	"sync/atomic"

	"github.com/weirgo/weir/internal/bubble"
	"github.com/weirgo/weir/internal/sys"
)

// File is an open file that the kernel knows in advance, where it can. It has a descriptor of its
// own, so it does not depend on the one it was made from: the file stays open until Close. Any
// goroutine may call its methods. A File must not be copied. The zero value is closed.
type File struct {
	reg  sys.File
	refs atomic.Int64 // operations in flight, plus closingBit
	idle chan struct{}
	stop func()       // ends what is in flight
	gone func() error // unregisters the file and closes the descriptor
	why  atomic.Pointer[error]
}

const closingBit = 1 << 62

// NewFile makes a File of fd, which it owns from now on, for the given index. Close of the File
// calls stop to end the operations in flight, and gone when they are over.
func NewFile(index, fd int, stop func(*File), gone func(*File) error) *File {
	f := &File{idle: bubble.MakeChan[struct{}](0)}
	f.reg.Index, f.reg.FD = index, fd
	f.stop, f.gone = func() { stop(f) }, func() error { return gone(f) }
	return f
}

// FileOf returns the form of f that operations and backends use.
func FileOf(f *File) *sys.File { return &f.reg }

// FailFile records why the kernel does not know the file, or not on every loop. The first reason
// stays.
func FailFile(f *File, why error) { f.why.CompareAndSwap(nil, &why) }

// Registered reports whether the kernel knows the file on all loops. On a loop where it does not,
// operations use the descriptor, and everything else is the same.
func (f *File) Registered() bool { return f.Reason() == nil }

// Reason returns nil if the file is registered. Otherwise it says why not: errors.ErrUnsupported
// for a backend that cannot register files, EMFILE for RLIMIT_NOFILE or a table that is full, EBADF
// for a file that the kernel does not take (one opened with O_PATH).
func (f *File) Reason() error {
	if why := f.why.Load(); why != nil {
		return *why
	}
	return nil
}

// FD returns the file's own descriptor, for calls that are not operations; -1 after Close. The
// caller must not close it.
func (f *File) FD() int {
	if f.idle == nil || f.refs.Load()&closingBit != 0 {
		return -1
	}
	return f.reg.FD
}

// Close ends the registration and closes the descriptor, and with it the file, unless the file is
// also open elsewhere. New operations on it fail with net.ErrClosed. Close cancels those in flight,
// which end with the same error unless they were done anyway, and waits until the last is over. It
// also waits for operations that cannot be cancelled, and for those of coroutines and other IOs,
// which it does not cancel. So callbacks and coroutines must not call it. Errors: net.ErrClosed the
// second time, which does not wait, and those of close(2), after which the File is closed all the
// same.
func (f *File) Close() error {
	if f.idle == nil {
		return net.ErrClosed
	}
	for {
		refs := f.refs.Load()
		if refs&closingBit != 0 {
			return net.ErrClosed
		}
		if f.refs.CompareAndSwap(refs, (refs+1)|closingBit) {
			break
		}
	}
	f.reg.Closed.Store(true)
	f.stop()
	DropFile(f)
	<-f.idle
	return f.gone()
}

// HoldFile keeps f open until [DropFile]. It fails with net.ErrClosed.
func HoldFile(f *File) error {
	if f.idle == nil {
		return net.ErrClosed
	}
	if f.refs.Add(1)&closingBit != 0 {
		DropFile(f)
		return net.ErrClosed
	}
	return nil
}

// DropFile undoes one [HoldFile].
func DropFile(f *File) {
	switch n := f.refs.Add(-1); {
	case n == closingBit && f.refs.CompareAndSwap(closingBit, -closingBit):
		close(f.idle)
	case n == -1:
		panic("weir: DropFile of a file that is not held")
	}
}
