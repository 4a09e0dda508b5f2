package backends

import (
	"syscall"

	"github.com/weirgo/weir/internal/sys"
)

// Perform does op with the system call of its name, on the calling thread, and returns Res as Code
// describes it: -errno on failure. Any goroutine may call it. It repeats a call that a signal
// interrupted. It blocks if the system call does: if there is nothing to do and the descriptor is
// in blocking mode. On a non-blocking descriptor it returns -EAGAIN, except that OpConnect and
// OpPoll block on any descriptor. Only the event itself ends the wait.
//
// Op.Multi makes no difference: Perform returns one event. A Code that no backend does is -EINVAL.
func Perform(op *Op) int32 {
	c := callOf(op.Code)
	if c.do == nil {
		return -int32(syscall.EINVAL)
	}
	return c.do(op, attempt{wait: true})
}

// Try is [Perform] that does not wait for other parties: it returns -EAGAIN if op has to wait, also
// on a descriptor in blocking mode, whose mode it leaves alone. [Readiness] says what op waits for.
//
// done is what earlier Tries of this Op have done: the number of bytes moved, which are left out
// and not counted in Res (for MSG_WAITALL), or 1 for an OpConnect that has begun.
//
// sure is false if every way to do op may block: the descriptor is in blocking mode and ready, its
// call has no non-blocking form, and another process may be faster. Nothing was done then; call
// Perform on a thread that may block. sure is never false for operations whose Readiness is 0, for
// which Try does the same as Perform.
func Try(op *Op, done int) (res int32, sure bool) {
	c := callOf(op.Code)
	if c.do == nil {
		return -int32(syscall.EINVAL), true
	}
	res = c.do(op, attempt{done: done})
	return res, res != unsure
}

// Readiness returns the mask of POLL* events, any of which may end the wait of op after Try
// returned -EAGAIN. It is 0 if op never waits for readiness: it is done at once, or is disk work,
// which cannot be polled.
func Readiness(op *Op) uint32 {
	c := callOf(op.Code)
	if c.ready == nil {
		return 0
	}
	return c.ready(op)
}

// Quick reports whether the system call of op takes hardly any time although it cannot be polled
// for.
func Quick(op *Op) bool { return callOf(op.Code).quick }

// call says how one Code is done as a system call.
type call struct {
	do    func(op *Op, a attempt) int32
	ready func(op *Op) uint32 // see Readiness; nil: 0
	quick bool                // see Quick
}

// attempt says how to make a call.
type attempt struct {
	wait bool // as Perform does, rather than Try
	done int  // see Try
}

// unsure is the result of do for which Try returns false for sure. It is neither an errno nor a
// count.
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
	rwfOfAll  = 0x37 // HIPRI, DSYNC, SYNC, APPEND, NOAPPEND: a socket ignores them, and no file refuses them
)

func in(*Op) uint32  { return pollIn }
func out(*Op) uint32 { return pollOut }

// streamIn and streamOut return 0 for an operation with an offset: its file cannot be polled. With
// RWF_NOWAIT EAGAIN is the result.
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

// doRead and doWrite use RWF_NOWAIT in order not to wait. Since about Linux 6.4 every file that can
// be polled supports it. Others are sockets, which have a flag of their own, or are in non-blocking
// mode, or may block.
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
			if mode, errno := sys.Access(op.FD); errno == 0 && mode != syscall.O_WRONLY { // otherwise it fails at once
				if res := settle(op, pollIn); res != 0 {
					return res
				}
			}
			flags = op.Flags
		case flags != op.Flags && 0 < n && a.done+n < op.Size() && !sys.Pollable(op.FD):
			// For a regular file, the read stopped at the end of what the page cache holds. It must
			// stop at the end of the file only, so the rest is read now, and waits for the disk.
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
			if mode, errno := sys.Access(op.FD); errno == 0 && mode != syscall.O_RDONLY { // otherwise it fails at once
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

// streamFlags adds no flag for a transfer of 0 bytes, which does not wait.
func streamFlags(op *Op, a attempt) uint32 {
	if a.wait || op.Off != Stream || op.Bufs == nil && len(op.Buf) == 0 {
		return op.Flags
	}
	return op.Flags | rwfNoWait
}

// unknown reports whether errno can mean that RWF_NOWAIT is unknown to the descriptor, to the
// kernel or to a filter in front of it. If it means something else, the call without the flag
// returns it again.
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
	if a.done > 0 { // ancillary data came with the beginning of the data
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
			// A socket that does not listen never becomes ready, and the call fails at once.
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

// doConnect begins to connect, or asks for the result: connect(2) returns it when it is called
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
			if begun { // what connect(2) says of a vsock that has been connected meanwhile
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
// because the descriptor is in non-blocking mode.
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

// doClose does not repeat a call that a signal interrupted: the descriptor is closed by then, and
// its number may belong to another file.
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
