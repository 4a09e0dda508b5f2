package backends

import "github.com/weirgo/weir/internal/sys"

// File is an open file that a [FileRegistrar] knows. Its Index is below [MaxFiles] and unique
// within a backend.
type File = sys.File

// MaxFiles bounds the files that a backend knows at a time.
const MaxFiles = 4096

// FileRegistrar is implemented by backends that work faster on files that they know in advance. It
// concerns operations with Args.File, whose FD is that of the File. A backend performs an operation
// on a file that it does not know, or no longer knows, as on any other file.
type FileRegistrar interface {
	// RegisterFile makes f known to the backend, which keeps the open file from then on, beside the
	// descriptor. To register a known file does nothing and is no error. The rules for the methods
	// of Backend apply, after Bind.
	RegisterFile(f *File) error

	// UnregisterFile undoes RegisterFile. No operation on f may be in flight. To unregister an
	// unknown file does nothing.
	UnregisterFile(f *File)
}

// Descriptors is implemented by backends whose descriptors are not the system's. Any goroutine may
// call it.
type Descriptors interface {
	// DupFD makes another descriptor of the same open file: dup(2).
	DupFD(fd int) (int, error)

	// CloseFD closes a descriptor: close(2).
	CloseFD(fd int) error
}

// TakesFD reports whether op uses FD as a descriptor, which may be that of a directory.
func (op *Op) TakesFD() bool {
	switch op.Code {
	case OpClose, OpOpen, OpStatx, OpRename, OpUnlink, OpMkdir, OpSymlink, OpLink:
		return true
	}
	return op.TakesFile()
}

// TakesFile reports whether FD of op may be the descriptor of a File. It is false for operations
// that make or close a descriptor, or look up a name.
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
