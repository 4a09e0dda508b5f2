package backends

import (
	"syscall"

	"github.com/weirgo/weir/internal/sys"
)

// Perform does what op says with the plain system call of its name, right now on the calling
// thread, and returns what Code says of Res: -errno on failure. Any goroutine may call it. It
// repeats what a signal interrupted. It blocks where the system call does: where there is nothing
// to do, unless the descriptor is non-blocking, which answers -EAGAIN; OpConnect and OpPoll block
// on any descriptor. Nothing but the event itself ends that.
//
// Op.Multi makes no difference: one event is all there is. A Code that is none of a backend's is
// -EINVAL.
func Perform(op *Op) int32 {
	c := callOf(op.Code)
	if c.do == nil {
		return -int32(syscall.EINVAL)
	}
	return c.do(op, attempt{wait: true})
}

// Try is Perform that does not wait for others to do something: it answers -EAGAIN if op has to
// wait, also on a descriptor in blocking mode, whose mode it leaves alone. Readiness says what for.
//
// done is what earlier Tries of this Op have done: bytes moved, which are left out and not counted
// in Res (for MSG_WAITALL), or 1 for an OpConnect that has begun.
//
// sure is false if there is no way to do it that does not block if somebody else is faster: the
// descriptor is in blocking mode and ready, and its call has no non-blocking form. Nothing was done
// then, and Perform is for a thread that may block. It is never false for operations whose
// Readiness is 0, with which Try does the same as Perform.
func Try(op *Op, done int) (res int32, sure bool) {
	c := callOf(op.Code)
	if c.do == nil {
		return -int32(syscall.EINVAL), true
	}
	res = c.do(op, attempt{done: done})
	return res, res != unsure
}

// Readiness is the mask of POLL* for any of which op waits when Try answers -EAGAIN. It is 0 if op
// never waits for readiness: then it is done at once, or is disk work, which cannot be polled.
func Readiness(op *Op) uint32 {
	c := callOf(op.Code)
	if c.ready == nil {
		return 0
	}
	return c.ready(op)
}

// Quick reports whether the system call of op takes no time to speak of, though nothing can be
// polled for it.
func Quick(op *Op) bool { return callOf(op.Code).quick }

// call says what one Code is as a system call.
type call struct {
	do    func(op *Op, a attempt) int32
	ready func(op *Op) uint32 // see Readiness; nil: 0
	quick bool                // see Quick
}

// attempt says how to go about a call.
type attempt struct {
	wait bool // as Perform, not as Try
	done int  // see Try
}

// unsure is what do returns for a false sure of Try: no errno, and no count.
const unsure int32 = -1 << 31

func callOf(code Code) call {
	if int(code) >= len(calls) {
		return call{}
	}
	return calls[code]
}

const (
	pollIn   = 0x1
	pollPri  = 0x2
	pollOut  = 0x4
	pollErr  = 0x8
	pollHup  = 0x10
	pollNval = 0x20

	msgOOB      = 0x1
	msgDontWait = 0x40
	msgErrQueue = 0x2000
	msgNoSignal = 0x4000

	rwfNoWait = 0x8
	rwfOfAll  = 0x37 // HIPRI, DSYNC, SYNC, APPEND, NOAPPEND: to a socket they mean nothing, and no file refuses them
)

func in(*Op) uint32  { return pollIn }
func out(*Op) uint32 { return pollOut }

// streamIn and streamOut: with an offset it is a file, which cannot be polled. With RWF_NOWAIT
// EAGAIN is the result.
func streamIn(op *Op) uint32 {
	if op.Off != Stream || op.Flags&rwfNoWait != 0 {
		return 0
	}
	return pollIn
}

func streamOut(op *Op) uint32 {
	if op.Off != Stream || op.Flags&rwfNoWait != 0 {
		return 0
	}
	return pollOut
}

func messageIn(op *Op) uint32 {
	switch {
	case op.Flags&msgErrQueue != 0:
		return pollErr
	case op.Flags&msgOOB != 0:
		return pollPri
	}
	return pollIn
}

// doRead and doWrite ask, without waiting, for RWF_NOWAIT, which since Linux 6.4 or so all know
// that can be polled. What does not know it is a socket, which has a flag of its own, or is
// non-blocking itself, or may block.
func doRead(op *Op, a attempt) int32 {
	one := [1][]byte{op.Buf}
	bufs := one[:]
	if op.Code == OpReadv {
		bufs = op.Bufs
	}
	for flags := streamFlags(op, a); ; {
		var n int
		var errno syscall.Errno
		if op.Code == OpRead && op.Off == Stream && flags == 0 {
			n, errno = sys.Read(op.FD, rest(op.Buf, a.done))
		} else {
			n, errno = sys.Preadv(op.FD, bufs, a.done, op.Off, flags)
		}
		switch {
		case errno == syscall.EINTR:
		case flags != op.Flags && op.Flags&^rwfOfAll == 0 && unknown(errno):
			if n, errno = sys.RecvMsg(op.FD, &sys.Message{Bufs: bufs}, a.done, msgDontWait); errno != syscall.ENOTSOCK {
				if errno == syscall.EINTR {
					continue
				}
				return resultOf(n, errno)
			}
			if mode, errno := sys.Access(op.FD); errno == 0 && mode != syscall.O_WRONLY { // or else it fails at once
				if res := settle(op, pollIn); res != 0 {
					return res
				}
			}
			flags = op.Flags
		case flags != op.Flags && 0 < n && a.done+n < op.Size() && !sys.Pollable(op.FD):
			// A file on a disk: the read ended where the page cache does. It must end where the
			// file does, so the rest is read now, and waits for the disk.
			more, _ := sys.Preadv(op.FD, bufs, a.done+n, op.Off, op.Flags)
			return resultOf(n+max(more, 0), 0)
		default:
			return resultOf(n, errno)
		}
	}
}

func doWrite(op *Op, a attempt) int32 {
	one := [1][]byte{op.Buf}
	bufs := one[:]
	if op.Code == OpWritev {
		bufs = op.Bufs
	}
	for flags := streamFlags(op, a); ; {
		var n int
		var errno syscall.Errno
		if op.Code == OpWrite && op.Off == Stream && flags == 0 {
			n, errno = sys.Write(op.FD, rest(op.Buf, a.done))
		} else {
			n, errno = sys.Pwritev(op.FD, bufs, a.done, op.Off, flags)
		}
		switch {
		case errno == syscall.EINTR:
		case flags != op.Flags && op.Flags&^rwfOfAll == 0 && unknown(errno):
			if n, errno = sys.SendMsg(op.FD, &sys.Message{Bufs: bufs}, a.done,
				msgDontWait|msgNoSignal); errno != syscall.ENOTSOCK {
				if errno == syscall.EINTR {
					continue
				}
				return resultOf(n, errno)
			}
			if mode, errno := sys.Access(op.FD); errno == 0 && mode != syscall.O_RDONLY { // or else it fails at once
				if res := settle(op, pollOut); res != 0 {
					return res
				}
			}
			flags = op.Flags
		default:
			return resultOf(n, errno)
		}
	}
}

// streamFlags: a transfer of nothing does not wait.
func streamFlags(op *Op, a attempt) uint32 {
	if a.wait || op.Off != Stream || op.Bufs == nil && len(op.Buf) == 0 {
		return op.Flags
	}
	return op.Flags | rwfNoWait
}

// unknown reports whether errno can mean that RWF_NOWAIT is unknown: to the descriptor, to the
// kernel or to a filter in front of it. If it means something else, the call without it says so
// again.
func unknown(errno syscall.Errno) bool {
	return errno == syscall.EOPNOTSUPP || errno == syscall.ENOSYS || errno == syscall.EPERM
}

func doRecv(op *Op, a attempt) int32 {
	return resultOf(sys.Recv(op.FD, rest(op.Buf, a.done), socketFlags(op, a)))
}

func doSend(op *Op, a attempt) int32 {
	return resultOf(sys.Send(op.FD, rest(op.Buf, a.done), socketFlags(op, a)|msgNoSignal))
}

func doRecvMsg(op *Op, a attempt) int32 {
	m, further := (*sys.Message)(op.Msg), sys.Message{}
	if a.done > 0 { // what came beside the data came with its beginning
		further.Bufs = m.Bufs
		m = &further
	}
	for {
		n, errno := sys.RecvMsg(op.FD, m, a.done, socketFlags(op, a))
		if errno != syscall.EINTR {
			return resultOf(n, errno)
		}
	}
}

func doSendMsg(op *Op, a attempt) int32 {
	m, further := (*sys.Message)(op.Msg), sys.Message{}
	if a.done > 0 {
		further.Bufs = m.Bufs
		m = &further
	}
	for {
		n, errno := sys.SendMsg(op.FD, m, a.done, socketFlags(op, a)|msgNoSignal)
		if errno != syscall.EINTR {
			return resultOf(n, errno)
		}
	}
}

func socketFlags(op *Op, a attempt) uint32 {
	if a.wait {
		return op.Flags
	}
	return op.Flags | msgDontWait
}

func rest(p []byte, done int) []byte {
	p = p[:min(len(p), MaxTransfer)]
	return p[min(done, len(p)):]
}

func doAccept(op *Op, a attempt) int32 {
	if !a.wait {
		if res := settle(op, pollIn); res == -int32(syscall.EAGAIN) || res == unsure {
			// What does not listen will never be ready, and fails at once.
			if listens, errno := sys.Listens(op.FD); errno == 0 && listens {
				return res
			}
		} else if res != 0 {
			return res
		}
	}
	for {
		fd, errno := sys.Accept(op.FD, op.Addr, op.Flags)
		if errno != syscall.EINTR {
			return resultOf(fd, errno)
		}
	}
}

// doConnect begins to connect, or asks what became of that: connect(2) says so when it is called
// again.
func doConnect(op *Op, a attempt) int32 {
	begun := a.done > 0
	if !a.wait && !begun {
		if nonblocking, errno := sys.Nonblocking(op.FD); errno != 0 {
			return -int32(errno)
		} else if !nonblocking {
			return unsure
		}
	}
	for {
		errno := sys.Connect(op.FD, op.Addr)
		switch errno {
		case nil:
			return 0
		case syscall.EINTR, syscall.EINPROGRESS, syscall.EALREADY:
			if !a.wait {
				return -int32(syscall.EAGAIN)
			}
			begun = true
			if _, errno := sys.Poll(op.FD, pollOut, true); errno != 0 && errno != syscall.EINTR {
				return -int32(errno)
			}
		case syscall.EISCONN:
			if begun { // what connect says of a vsock that was connected meanwhile
				return 0
			}
			return -int32(syscall.EISCONN)
		default:
			return -int32(errno.(syscall.Errno))
		}
	}
}

func doPoll(op *Op, a attempt) int32 {
	for {
		mask, errno := sys.Poll(op.FD, op.Flags, a.wait)
		switch {
		case errno == syscall.EINTR:
		case errno != 0:
			return -int32(errno)
		case mask&pollNval != 0:
			return -int32(syscall.EBADF)
		case mask == 0:
			return -int32(syscall.EAGAIN)
		default:
			return int32(mask)
		}
	}
}

// settle finds out whether a call without a non-blocking form can be made: 0 means that it can,
// because the descriptor is non-blocking.
func settle(op *Op, ready uint32) int32 {
	nonblocking, errno := sys.Nonblocking(op.FD)
	if errno != 0 || nonblocking {
		return -int32(errno)
	}
	mask, errno := sys.Poll(op.FD, ready, false)
	switch {
	case errno == syscall.EINTR || errno == 0 && mask == 0:
		return -int32(syscall.EAGAIN)
	case errno != 0:
		return -int32(errno)
	case mask&pollNval != 0:
		return -int32(syscall.EBADF)
	}
	return unsure
}

// doClose does not repeat what a signal interrupted: the descriptor is closed then, and its number
// may be another's.
func doClose(op *Op, _ attempt) int32 {
	n, errno := sys.Call(syscall.SYS_CLOSE, uintptr(op.FD), 0)
	if errno == syscall.EINTR {
		return 0
	}
	return resultOf(n, errno)
}

func resultOf(n int, errno syscall.Errno) int32 {
	if errno != 0 {
		return -int32(errno)
	}
	return int32(n)
}
