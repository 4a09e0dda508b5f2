package op

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/fixed"
	aiort "github.com/weirgo/weir/runtime"
)

// FixedFile is an open file that aio.RegisterFile has registered.
type FixedFile = aiort.FixedFile

// SetFile makes o work on f instead of the descriptor that it was made for; a kernel that knows f
// need not look it up. f stays open while the operation is in flight. If f is closed before that or
// meanwhile, the operation ends with net.ErrClosed, unless it was done. On an IO that did not make
// f, in coroutines, and if the file could not be registered, the operation uses f's own descriptor.
// [Op.SetFD] and [Op.From] undo SetFile. It returns o.
//
// It is for Read, Write, Readv, Writev, ReadFixed, WriteFixed, Recv, Send, RecvMsg, SendMsg,
// SendZC, SendMsgZC, Accept, Connect, Bind, Listen, Shutdown, Poll, Fsync, Fdatasync,
// SyncFileRange, Fallocate, Fadvise, Ftruncate, Fgetxattr and Fsetxattr, and for the far end of
// Splice and Tee; for others it panics. io_uring IOSQE_FIXED_FILE, Linux 5.1, registered with 5.13.
func (o *Op) SetFile(f *FixedFile) *Op {
	if !o.c.Op.TakesFile() {
		panic("op: SetFile of an operation that cannot be on a registered file: " + o.c.Op.Code.String())
	}
	if f == nil {
		panic("op: SetFile of nil")
	}
	o.From(nil).SetFD(f.FD())
	if o.c.Op.Args == nil {
		o.c.Op.Args = new(backends.Args)
	}
	o.c.Op.Args.File = fixed.FileOf(f)
	if o.hold == nil {
		o.hold = new(hold)
	}
	o.hold.file = f
	return o
}

// leaveFile undoes SetFile and On.
func (o *Op) leaveFile() {
	if o.hold != nil {
		o.hold.conn = nil
	}
	if o.hold != nil && o.hold.file != nil {
		o.hold.file, o.c.Op.Args.File = nil, nil
	}
}
