package backends

import "github.com/weirgo/weir/internal/sys"

// File is an open file that a FileRegistrar knows. Its Index is below MaxFiles, and no two that a
// backend knows share one.
type File = sys.File

// MaxFiles bounds the files that a backend knows at a time.
const MaxFiles = 4096

// FileRegistrar is implemented by backends that work faster on files that they know in advance. It
// concerns operations with Args.File, whose FD is that of the File. What a backend does not know,
// or not any more, it does as ever.
type FileRegistrar interface {
	// RegisterFile has the backend know f, which it keeps open from then on, beside the descriptor.
	// To register what is known is no error and does nothing. It is called as the methods of
	// Backend are, after Bind.
	RegisterFile(f *File) error

	// UnregisterFile undoes it. No operation on f may be in flight. To unregister what is not known
	// does nothing.
	UnregisterFile(f *File)
}

// Descriptors is implemented by backends whose descriptors are not the system's. Any goroutine may
// call it.
type Descriptors interface {
	// DupFD makes another descriptor of the same open file: dup(2).
	DupFD(fd int) (int, error)

	// CloseFD closes one: close(2).
	CloseFD(fd int) error
}

// TakesFD reports whether FD of op is a descriptor, that of a directory included, which the
// operation uses.
func (op *Op) TakesFD() bool {
	switch op.Code {
	case OpClose, OpOpen, OpStatx, OpRename, OpUnlink, OpMkdir, OpSymlink, OpLink:
		return true
	}
	return op.TakesFile()
}

// TakesFile reports whether op works on a descriptor in FD that may be a File's. Those that make or
// close a descriptor, or look a name up, do not.
func (op *Op) TakesFile() bool {
	switch op.Code {
	case OpRead, OpWrite, OpReadv, OpWritev, OpRecv, OpSend, OpRecvMsg, OpSendMsg, OpAccept, OpConnect, OpPoll,
		OpShutdown,
		OpFsync, OpFdatasync, OpBind, OpListen, OpSendZC, OpSendMsgZC, OpFallocate, OpFadvise, OpFtruncate,
		OpSyncFileRange,
		OpSplice, OpTee:
		return true
	case OpGetxattr, OpSetxattr:
		return op.Args.Path == nil
	}
	return false
}
