package uring

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// encode fills the zeroed entry e with the operation of c.
func (b *Backend) encode(e *sys.SQE, c *backends.Completion) {
	op := &c.Op
	e.UserData = uint64(c.ID)
	e.Fd = int32(op.FD)
	b.lengthy = b.lengthy || lengthy(op.Code)
	switch op.Code {
	case backends.OpNop:
		e.Opcode, e.Fd = sys.OpNop, -1
	case backends.OpRead:
		e.Opcode, e.Off, e.OpFlags = sys.OpRead, uint64(op.Off), op.Flags
		setBuf(e, op.Buf)
		if op.Args != nil {
			b.fix(e, op)
		}
	case backends.OpWrite:
		e.Opcode, e.Off, e.OpFlags = sys.OpWrite, uint64(op.Off), op.Flags
		setBuf(e, op.Buf)
		if op.Args != nil {
			b.fix(e, op)
		}
	case backends.OpReadv, backends.OpWritev:
		s := b.scratchFor(c)
		s.iov = sys.AppendIovecs(s.iov[:0], op.Bufs, 0)
		e.Opcode, e.Off, e.OpFlags = sys.OpReadv, uint64(op.Off), op.Flags
		if op.Code == backends.OpWritev {
			e.Opcode = sys.OpWritev
		}
		e.Addr, e.Len = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(s.iov)))), uint32(len(s.iov))
	case backends.OpRecv:
		e.Opcode, e.OpFlags = sys.OpRecv, op.Flags
		if op.Idle && b.pollFirst {
			e.Ioprio = sys.RecvsendPollFirst
		}
		setBuf(e, op.Buf)
	case backends.OpSend:
		e.Opcode, e.OpFlags = sys.OpSend, sendFlags(op)
		setBuf(e, op.Buf)
	case backends.OpRecvMsg, backends.OpSendMsg:
		s := b.scratchFor(c)
		s.setMsg(op)
		e.Opcode, e.OpFlags = sys.OpRecvmsg, op.Flags
		if op.Code == backends.OpSendMsg {
			e.Opcode, e.OpFlags = sys.OpSendmsg, sendFlags(op)
		}
		e.Addr, e.Len = uint64(uintptr(unsafe.Pointer(&s.msg))), 1
	case backends.OpAccept:
		e.Opcode, e.OpFlags = sys.OpAccept, op.Flags
		if op.Multi {
			e.Ioprio = sys.AcceptMultishot
		}
		if op.Addr != nil {
			e.Addr = uint64(uintptr(unsafe.Pointer(&op.Addr.Data)))
			e.Off = uint64(uintptr(unsafe.Pointer(&op.Addr.Len)))
		}
	case backends.OpConnect:
		e.Opcode, e.Off = sys.OpConnect, uint64(op.Addr.Len)
		e.Addr = uint64(uintptr(unsafe.Pointer(&op.Addr.Data)))
	case backends.OpPoll:
		e.Opcode, e.OpFlags = sys.OpPollAdd, pollMask(b.polls.note(c))
		if op.Multi {
			e.Len = sys.PollAddMulti
		}
	case backends.OpShutdown:
		e.Opcode, e.Len = sys.OpShutdown, op.Flags
	case backends.OpFsync:
		e.Opcode = sys.OpFsync
	case backends.OpFdatasync:
		e.Opcode, e.OpFlags = sys.OpFsync, sys.FsyncDatasync
	case backends.OpClose:
		e.Opcode = sys.OpClose
	default:
		b.encodeMore(e, c)
	}
	if op.Args != nil {
		b.fixFile(e, op)
	}
}

// sendFlags returns the flags of a send. A packet must not wait in the kernel: the kernel takes the
// bytes out of the iterator before it knows whether there is room for them, and when there is room
// it sends the rest, usually an empty packet. So a send of what may be a packet ends with EAGAIN,
// and the loop waits. With MSG_WAITALL, which means to go on until all of a stream is sent, the
// loop cannot tell and leaves the wait to the kernel.
func sendFlags(op *backends.Op) uint32 {
	flags := op.Flags | unix.MSG_NOSIGNAL
	if op.Off == backends.Stream {
		return flags
	}
	if flags&unix.MSG_WAITALL != 0 {
		if t, err := unix.GetsockoptInt(op.FD, unix.SOL_SOCKET, unix.SO_TYPE); err == nil && t == unix.SOCK_STREAM {
			return flags
		}
	}
	return flags | unix.MSG_DONTWAIT
}

// lengthy reports whether submitting an operation can take long because it may be about a file:
// while it takes the entry, the kernel copies from the page cache, faults pages in, or builds the
// request to a device.
func lengthy(code backends.Code) bool {
	switch code {
	case backends.OpNop, backends.OpRecv, backends.OpSend, backends.OpRecvMsg, backends.OpSendMsg, backends.OpAccept,
		backends.OpConnect, backends.OpPoll, backends.OpShutdown, backends.OpSocket, backends.OpBind, backends.OpListen,
		backends.OpSendZC, backends.OpSendMsgZC, backends.OpPipe, backends.OpWaitid, backends.OpFutexWait,
		backends.OpFutexWake:
		return false
	}
	return true
}

func setBuf(e *sys.SQE, buf []byte) {
	e.Addr = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(buf))))
	e.Len = uint32(min(len(buf), backends.MaxTransfer))
}

// pollMask returns a poll mask in the order in which the kernel reads it: a 32-bit value with its
// halves swapped on big-endian machines (IORING_FEAT_POLL_32BITS).
func pollMask(mask uint32) uint32 {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return mask<<16 | mask>>16
	}
	return mask
}

func encodeCancel(e *sys.SQE, target, userData uint64) {
	e.Opcode, e.Fd, e.Addr, e.UserData = sys.OpAsyncCancel, -1, target, userData
}

// scratch is what the kernel reads and writes beside the caller's memory: the iovecs and the
// message header of one slot.
type scratch struct {
	id  backends.ID
	op  *backends.Op // of an OpRecvMsg in flight
	iov []unix.Iovec
	msg unix.Msghdr
	how unix.OpenHow

	zeroCopy bool // of an OpSendZC or OpSendMsgZC in flight
	notified bool // res is its result, and the kernel still uses the memory
	res      int32
}

func (b *Backend) scratchFor(c *backends.Completion) *scratch {
	slot := int(c.ID.Slot())
	if slot >= len(b.scratch) {
		b.scratch = append(b.scratch, make([]*scratch, slot+1-len(b.scratch))...)
	}
	s := b.scratch[slot]
	if s == nil {
		s = new(scratch)
		b.scratch[slot] = s
	}
	s.id, s.op, s.zeroCopy, s.notified = c.ID, nil, false, false
	return s
}

func (s *scratch) setMsg(op *backends.Op) {
	m := op.Msg
	s.iov = sys.AppendIovecs(s.iov[:0], m.Bufs, 0)
	s.msg = unix.Msghdr{Iov: unsafe.SliceData(s.iov)}
	s.msg.SetIovlen(len(s.iov))
	if m.Addr != nil {
		s.msg.Name, s.msg.Namelen = &m.Addr.Data[0], m.Addr.Len
	}
	if len(m.Control) > 0 {
		s.msg.Control = &m.Control[0]
		s.msg.SetControllen(len(m.Control))
	}
	if op.Code == backends.OpRecvMsg {
		s.op = op
	}
}

// hold keeps the result of a zero-copy send until the entry that says that the kernel no longer
// uses the memory. It reports whether id is such a send.
func (s *scratch) hold(id backends.ID, res int32) bool {
	if s.id != id || !s.zeroCopy {
		return false
	}
	s.notified, s.res = true, res
	return true
}

// writeBack copies the results of a received message to its operation, and drops the references to
// the caller's memory. It returns the operation's result.
func (s *scratch) writeBack(id backends.ID, res int32) int32 {
	if s.id != id {
		return res
	}
	if s.notified {
		res = s.res
	}
	if s.op != nil {
		m := s.op.Msg
		if m.Addr != nil {
			m.Addr.Len = min(s.msg.Namelen, uint32(len(m.Addr.Data)))
		}
		m.Control = m.Control[:min(int(s.msg.Controllen), len(m.Control))]
		m.Flags = uint32(s.msg.Flags)
	}
	s.id, s.op, s.zeroCopy, s.notified = 0, nil, false, false
	clear(s.iov)
	s.msg = unix.Msghdr{}
	return res
}
