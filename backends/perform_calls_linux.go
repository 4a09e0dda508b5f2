package backends

import (
	"syscall"

	"github.com/weirgo/weir/internal/sys"
)

// calls says which system call each Op is.
var calls = [NumCodes]call{
	OpNop:      {do: func(*Op, attempt) int32 { return 0 }, quick: true},
	OpRead:     {do: doRead, ready: streamIn},
	OpReadv:    {do: doRead, ready: streamIn},
	OpWrite:    {do: doWrite, ready: streamOut},
	OpWritev:   {do: doWrite, ready: streamOut},
	OpRecv:     {do: doRecv, ready: messageIn},
	OpRecvMsg:  {do: doRecvMsg, ready: messageIn},
	OpSend:     {do: doSend, ready: out},
	OpSendZC:   {do: doSend, ready: out},
	OpSendMsg:  {do: doSendMsg, ready: out},
	OpAccept:   {do: doAccept, ready: in},
	OpConnect:  {do: doConnect, ready: out},
	OpPoll:     {do: doPoll, ready: func(op *Op) uint32 { return op.Flags | pollErr | pollHup }},
	OpShutdown: plain(func(op *Op) (int, syscall.Errno) { return sys.Shutdown(op.FD, op.Flags) }).swift(),
	OpSocket:   plain(func(op *Op) (int, syscall.Errno) { return sys.Socket(op.FD, op.Flags, int(op.Off)) }).swift(),
	OpBind:     plain(func(op *Op) (int, syscall.Errno) { return sys.BindTo(op.FD, op.Addr) }).swift(),
	OpListen:   plain(func(op *Op) (int, syscall.Errno) { return sys.Listen(op.FD, op.Flags) }).swift(),
	OpPipe:     plain(func(op *Op) (int, syscall.Errno) { return sys.Pipe2(&op.Args.Pipe, op.Flags) }).swift(),

	OpSendMsgZC: {do: doSendMsg, ready: out},
	OpFsync:     plain(func(op *Op) (int, syscall.Errno) { return sys.Call(syscall.SYS_FSYNC, uintptr(op.FD), 0) }),
	OpFdatasync: plain(func(op *Op) (int, syscall.Errno) { return sys.Call(syscall.SYS_FDATASYNC, uintptr(op.FD), 0) }),
	OpClose:     {do: doClose},

	OpOpen: plain(func(op *Op) (int, syscall.Errno) {
		return sys.Openat(op.FD, op.Args.Path, op.Flags, op.Args.Mode, op.Args.Resolve)
	}),
	OpStatx: plain(func(op *Op) (int, syscall.Errno) {
		return sys.StatxAt(op.FD, op.Args.Path, op.Flags, op.Args.Mode, op.Args.Stat)
	}),
	OpRename: plain(func(op *Op) (int, syscall.Errno) {
		return sys.Renameat(op.FD, op.Args.Path, op.Args.FD, op.Args.Path2, op.Flags)
	}),
	OpLink: plain(func(op *Op) (int, syscall.Errno) {
		return sys.Linkat(op.FD, op.Args.Path, op.Args.FD, op.Args.Path2, op.Flags)
	}),
	OpUnlink:  plain(func(op *Op) (int, syscall.Errno) { return sys.Unlinkat(op.FD, op.Args.Path, op.Flags) }),
	OpMkdir:   plain(func(op *Op) (int, syscall.Errno) { return sys.Mkdirat(op.FD, op.Args.Path, op.Args.Mode) }),
	OpSymlink: plain(func(op *Op) (int, syscall.Errno) { return sys.Symlinkat(op.Args.Path, op.FD, op.Args.Path2) }),
	OpGetxattr: plain(func(op *Op) (int, syscall.Errno) {
		return sys.Xattr(false, op.FD, op.Args.Path, op.Args.Name, op.Buf, 0)
	}),
	OpSetxattr: plain(func(op *Op) (int, syscall.Errno) {
		return sys.Xattr(true, op.FD, op.Args.Path, op.Args.Name, op.Buf, op.Flags)
	}),

	OpFallocate: plain(func(op *Op) (int, syscall.Errno) {
		return sys.Fallocate(op.FD, op.Flags, op.Off,
			op.Args.Len)
	}),
	OpFadvise:   plain(func(op *Op) (int, syscall.Errno) { return sys.Fadvise(op.FD, op.Off, op.Args.Len, op.Flags) }),
	OpFtruncate: plain(func(op *Op) (int, syscall.Errno) { return sys.Ftruncate(op.FD, op.Off) }),
	OpSyncFileRange: plain(func(op *Op) (int, syscall.Errno) {
		return sys.SyncFileRange(op.FD, op.Off, op.Args.Len, op.Flags)
	}),
	OpSplice: plain(func(op *Op) (int, syscall.Errno) {
		n, errno := sys.SpliceFlags(op.Args.FD, op.Args.Off, op.FD, op.Off, int(min(op.Args.Len, MaxTransfer)),
			op.Flags)
		if n == 0 && op.Args.Len > 0 && (errno == 0 || errno == syscall.EAGAIN) && sys.AtMark(op.Args.FD) {
			return sys.StepOverMark(op.Args.FD, op.FD)
		}
		return n, errno
	}),
	OpTee: plain(func(op *Op) (int, syscall.Errno) {
		return sys.Tee(op.Args.FD, op.FD, int(min(op.Args.Len, MaxTransfer)), op.Flags)
	}),

	OpWaitid:    {do: doWaitid, ready: exits},
	OpFutexWait: {do: doFutexWait, quick: true},
	OpFutexWake: plain(func(op *Op) (int, syscall.Errno) {
		return sys.FutexWake(op.Args.Word, op.Args.Val, op.Flags)
	}).swift(),
}

// plain is a call that is made as it is, and repeated if a signal interrupts it.
func plain(f func(op *Op) (int, syscall.Errno)) call {
	return call{do: func(op *Op, _ attempt) int32 {
		for {
			n, errno := f(op)
			if errno != syscall.EINTR {
				return resultOf(n, errno)
			}
		}
	}}
}

// swift marks a call as taking hardly any time.
func (c call) swift() call {
	c.quick = true
	return c
}
