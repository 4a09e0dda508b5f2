package uring

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// encodeMore encodes the less frequent operations: setting up sockets, names, ranges of files,
// pipes, children, futexes. e has its user data and descriptor already.
func (b *Backend) encodeMore(e *sys.SQE, c *backends.Completion) {
	op, a := &c.Op, c.Op.Args
	switch op.Code {
	case backends.OpSocket:
		e.Opcode, e.Off, e.Len = sys.OpSocket, uint64(op.Flags), uint32(op.Off)
	case backends.OpBind:
		e.Opcode, e.Addr, e.Off = sys.OpBind, address(&op.Addr.Data), uint64(op.Addr.Len)
	case backends.OpListen:
		e.Opcode, e.Len = sys.OpListen, op.Flags
	case backends.OpSendZC:
		b.scratchFor(c).zeroCopy = true
		e.Opcode, e.OpFlags = sys.OpSendZC, sendFlags(op)
		setBuf(e, op.Buf)
	case backends.OpSendMsgZC:
		s := b.scratchFor(c)
		s.setMsg(op)
		s.zeroCopy = true
		e.Opcode, e.OpFlags = sys.OpSendmsgZC, sendFlags(op)
		e.Addr, e.Len = address(&s.msg), 1

	case backends.OpOpen:
		// The kernel first tries to open with O_NONBLOCK and takes the result: a FIFO without its
		// other end opens at once, or fails with ENXIO. openat(2) would wait instead, so the kernel
		// has to skip that attempt.
		if op.Flags&(unix.O_NONBLOCK|unix.O_PATH|unix.O_DIRECTORY) == 0 {
			e.Flags = sys.SQEAsync
		}
		e.Addr = path(a.Path)
		if a.Resolve == 0 {
			e.Opcode, e.Len, e.OpFlags = sys.OpOpenat, a.Mode, op.Flags
			break
		}
		s := b.scratchFor(c)
		s.how = unix.OpenHow{Flags: uint64(op.Flags), Mode: uint64(a.Mode), Resolve: a.Resolve}
		e.Opcode, e.Len, e.Off = sys.OpOpenat2, uint32(unsafe.Sizeof(s.how)), address(&s.how)
	case backends.OpStatx:
		e.Opcode, e.Addr, e.Len, e.Off, e.OpFlags = sys.OpStatx, path(a.Path), a.Mode, address(a.Stat), op.Flags
	case backends.OpRename, backends.OpLink:
		e.Opcode, e.OpFlags = sys.OpRenameat, op.Flags
		if op.Code == backends.OpLink {
			e.Opcode = sys.OpLinkat
		}
		e.Addr, e.Len, e.Off = path(a.Path), uint32(int32(a.FD)), path(a.Path2)
	case backends.OpUnlink:
		e.Opcode, e.Addr, e.OpFlags = sys.OpUnlinkat, path(a.Path), op.Flags
	case backends.OpMkdir:
		e.Opcode, e.Addr, e.Len = sys.OpMkdirat, path(a.Path), a.Mode
	case backends.OpSymlink:
		e.Opcode, e.Addr, e.Off = sys.OpSymlinkat, path(a.Path), path(a.Path2)
	case backends.OpGetxattr, backends.OpSetxattr:
		get := op.Code == backends.OpGetxattr
		switch {
		case a.Path != nil && get:
			e.Opcode = sys.OpGetxattr
		case a.Path != nil:
			e.Opcode = sys.OpSetxattr
		case get:
			e.Opcode = sys.OpFgetxattr
		default:
			e.Opcode = sys.OpFsetxattr
		}
		if a.Path != nil {
			e.Fd, e.Addr3 = 0, path(a.Path)
		}
		if !get {
			e.OpFlags = op.Flags
		}
		setBuf(e, op.Buf)
		e.Off, e.Addr = e.Addr, path(a.Name)

	case backends.OpFallocate:
		e.Opcode, e.Off, e.Addr, e.Len = sys.OpFallocate, uint64(op.Off), uint64(a.Len), op.Flags
	case backends.OpFadvise:
		e.Opcode, e.Off, e.OpFlags = sys.OpFadvise, uint64(op.Off), op.Flags
		if a.Len <= math.MaxUint32 {
			e.Len = uint32(a.Len)
		} else {
			e.Addr = uint64(a.Len) // 6.10
		}
	case backends.OpFtruncate:
		e.Opcode, e.Off = sys.OpFtruncate, uint64(op.Off)
	case backends.OpSyncFileRange:
		e.Opcode, e.Off, e.Len, e.OpFlags = sys.OpSyncFileRange, uint64(op.Off), uint32(a.Len), op.Flags
	case backends.OpSplice:
		e.Opcode, e.Off, e.Addr = sys.OpSplice, uint64(op.Off), uint64(a.Off)
		e.SpliceFdIn, e.Len, e.OpFlags = int32(a.FD), transfer(a.Len), op.Flags
	case backends.OpTee:
		e.Opcode, e.SpliceFdIn, e.Len, e.OpFlags = sys.OpTee, int32(a.FD), transfer(a.Len), op.Flags
	case backends.OpPipe:
		e.Opcode, e.Fd, e.Addr, e.OpFlags = sys.OpPipe, 0, address(&a.Pipe), op.Flags

	case backends.OpWaitid:
		e.Opcode, e.Len, e.SpliceFdIn, e.Off = sys.OpWaitid, uint32(a.Off), int32(op.Flags), address(&a.Info)
	case backends.OpFutexWait:
		e.Opcode, e.Fd, e.Addr, e.Off, e.Addr3 = sys.OpFutexWait, int32(op.Flags), address(a.Word), a.Val, futexAll
	case backends.OpFutexWake:
		e.Opcode, e.Fd, e.Addr, e.Off, e.Addr3 = sys.OpFutexWake, int32(op.Flags), address(a.Word), a.Val, futexAll
	default:
		panic("uring: unknown operation " + op.Code.String())
	}
}

// futexAll is the mask of a waiter that any wake reaches (FUTEX_BITSET_MATCH_ANY).
const futexAll = math.MaxUint32

func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

func path(p backends.Path) uint64 { return address(unsafe.SliceData(p)) }

func transfer(n int64) uint32 { return uint32(min(n, backends.MaxTransfer)) }
