package uring

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// moreEncodings are the entries of the operations in encodeMore, again after liburing 2.15.
func moreEncodings(m *material) []encoding {
	const id, fd = uint64(testID), testFD
	a := m.args
	buf, msg, addr := number(&m.buf[0]), number(&m.scratch().msg), number(&m.addr.Data)
	path, path2, name := number(&a.Path[0]), number(&a.Path2[0]), number(&a.Name[0])
	long := *a
	long.Len = 1 << 33
	resolve := *a
	resolve.Resolve = unix.RESOLVE_BENEATH
	onFD := *a
	onFD.Path = nil
	op := func(code backends.Code, off int64, flags uint32) func(*sys.SQE) {
		return m.op(backends.Op{Code: code, Buf: m.buf, Off: off, Flags: flags, Args: a, Addr: m.addr})
	}
	with := func(a *backends.Args, code backends.Code, off int64, flags uint32) func(*sys.SQE) {
		return m.op(backends.Op{Code: code, Buf: m.buf, Off: off, Flags: flags, Args: a})
	}
	return []encoding{
		{"socket", m.op(backends.Op{Code: backends.OpSocket, FD: unix.AF_INET6,
			Flags: unix.SOCK_STREAM | unix.SOCK_CLOEXEC, Off: unix.IPPROTO_TCP}),
			sys.SQE{Opcode: 45, Fd: 10, Off: 1 | 0x80000, Len: 6, UserData: id}},
		{"bind", op(backends.OpBind, 0, 0), sys.SQE{Opcode: 56, Fd: fd, Addr: addr, Off: 16, UserData: id}},
		{"listen", op(backends.OpListen, 0, 128), sys.SQE{Opcode: 57, Fd: fd, Len: 128, UserData: id}},
		{"send_zc", op(backends.OpSendZC, 0, unix.MSG_MORE),
			sys.SQE{Opcode: 47, Fd: fd, Addr: buf, Len: 1000, OpFlags: 0x8000 | 0x4000 | 0x40, UserData: id}},
		{"sendmsg_zc", m.op(backends.Op{Code: backends.OpSendMsgZC, Msg: m.msg, Flags: unix.MSG_MORE}),
			sys.SQE{Opcode: 48, Fd: fd, Addr: msg, Len: 1, OpFlags: 0x8000 | 0x4000 | 0x40, UserData: id}},

		{"open", op(backends.OpOpen, 0, unix.O_CREAT|unix.O_CLOEXEC),
			sys.SQE{Opcode: 18, Flags: 1 << 4, Fd: fd, Addr: path, Len: 0o640, OpFlags: unix.O_CREAT | 0x80000,
				UserData: id}},
		{"open nonblock", op(backends.OpOpen, 0, unix.O_NONBLOCK),
			sys.SQE{Opcode: 18, Fd: fd, Addr: path, Len: 0o640, OpFlags: unix.O_NONBLOCK, UserData: id}},
		{"openat2", with(&resolve, backends.OpOpen, 0, unix.O_CLOEXEC),
			sys.SQE{Opcode: 28, Flags: 1 << 4, Fd: fd, Addr: path, Len: 24, Off: number(&m.scratch().how),
				UserData: id}},
		{"statx", op(backends.OpStatx, 0, unix.AT_SYMLINK_NOFOLLOW),
			sys.SQE{Opcode: 21, Fd: fd, Addr: path, Len: 0o640, Off: number(a.Stat), OpFlags: 0x100, UserData: id}},
		{"rename", op(backends.OpRename, 0, unix.RENAME_NOREPLACE),
			sys.SQE{Opcode: 35, Fd: fd, Addr: path, Len: 88, Off: path2, OpFlags: 1, UserData: id}},
		{"unlink", op(backends.OpUnlink, 0, unix.AT_REMOVEDIR),
			sys.SQE{Opcode: 36, Fd: fd, Addr: path, OpFlags: 0x200, UserData: id}},
		{"mkdir", op(backends.OpMkdir, 0, 0), sys.SQE{Opcode: 37, Fd: fd, Addr: path, Len: 0o640, UserData: id}},
		{"symlink", op(backends.OpSymlink, 0, 0), sys.SQE{Opcode: 38, Fd: fd, Addr: path, Off: path2, UserData: id}},
		{"link", op(backends.OpLink, 0, unix.AT_SYMLINK_FOLLOW),
			sys.SQE{Opcode: 39, Fd: fd, Addr: path, Len: 88, Off: path2, OpFlags: 0x400, UserData: id}},
		{"getxattr", op(backends.OpGetxattr, 0, 0),
			sys.SQE{Opcode: 44, Addr: name, Len: 1000, Off: buf, Addr3: path, UserData: id}},
		{"fgetxattr", with(&onFD, backends.OpGetxattr, 0, 0),
			sys.SQE{Opcode: 43, Fd: fd, Addr: name, Len: 1000, Off: buf, UserData: id}},
		{"setxattr", op(backends.OpSetxattr, 0, unix.XATTR_CREATE),
			sys.SQE{Opcode: 42, Addr: name, Len: 1000, Off: buf, Addr3: path, OpFlags: 1, UserData: id}},
		{"fsetxattr", with(&onFD, backends.OpSetxattr, 0, unix.XATTR_REPLACE),
			sys.SQE{Opcode: 41, Fd: fd, Addr: name, Len: 1000, Off: buf, OpFlags: 2, UserData: id}},

		{"fallocate", op(backends.OpFallocate, testOff, unix.FALLOC_FL_KEEP_SIZE),
			sys.SQE{Opcode: 17, Fd: fd, Off: testOff, Addr: 700, Len: 1, UserData: id}},
		{"fadvise", op(backends.OpFadvise, testOff, unix.FADV_RANDOM),
			sys.SQE{Opcode: 24, Fd: fd, Off: testOff, Len: 700, OpFlags: 1, UserData: id}},
		{"fadvise long", with(&long, backends.OpFadvise, testOff, unix.FADV_RANDOM),
			sys.SQE{Opcode: 24, Fd: fd, Off: testOff, Addr: 1 << 33, OpFlags: 1, UserData: id}},
		{"ftruncate", op(backends.OpFtruncate, testOff, 0), sys.SQE{Opcode: 55, Fd: fd, Off: testOff, UserData: id}},
		{"sync_file_range", op(backends.OpSyncFileRange, testOff, unix.SYNC_FILE_RANGE_WRITE),
			sys.SQE{Opcode: 8, Fd: fd, Off: testOff, Len: 700, OpFlags: 2, UserData: id}},
		{"splice", op(backends.OpSplice, testOff, unix.SPLICE_F_NONBLOCK),
			sys.SQE{Opcode: 30, Fd: fd, Off: testOff, Addr: 6, SpliceFdIn: 88, Len: 700, OpFlags: 2, UserData: id}},
		{"tee", op(backends.OpTee, 0, unix.SPLICE_F_NONBLOCK),
			sys.SQE{Opcode: 33, Fd: fd, SpliceFdIn: 88, Len: 700, OpFlags: 2, UserData: id}},
		{"pipe", op(backends.OpPipe, 0, unix.O_CLOEXEC),
			sys.SQE{Opcode: 62, Addr: number(&a.Pipe), OpFlags: 0x80000, UserData: id}},

		{"waitid", op(backends.OpWaitid, 0, unix.WEXITED),
			sys.SQE{Opcode: 50, Fd: fd, Len: 6, SpliceFdIn: 4, Off: number(&a.Info), UserData: id}},
		{"futex_wait", op(backends.OpFutexWait, 0, 2|128),
			sys.SQE{Opcode: 51, Fd: 130, Addr: number(a.Word), Off: 1 << 31, Addr3: 1<<32 - 1, UserData: id}},
		{"futex_wake", op(backends.OpFutexWake, 0, 2|128),
			sys.SQE{Opcode: 52, Fd: 130, Addr: number(a.Word), Off: 1 << 31, Addr3: 1<<32 - 1, UserData: id}},
	}
}
