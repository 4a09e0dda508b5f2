package op

import (
	"net"
	"sync/atomic"

	"github.com/weirgo/weir/backends"
)

// Msg is the message of [RecvMsg], [SendMsg] and [SendMsgZC].
type Msg = backends.Msg

// Recv is recv(2) with flags MSG_*. N is the number of bytes; 0 is the end of the stream, or an
// empty datagram. It waits, also on a non-blocking socket, unless flags has MSG_DONTWAIT: then it
// ends with EAGAIN. With MSG_WAITALL it goes on until p is full. Errors: EBADF, ECONNREFUSED,
// ECONNRESET, ENOTCONN, ENOTSOCK, ETIMEDOUT. Linux 5.6.
func Recv(fd int, p []byte, flags int) *Op {
	return of32(backends.Op{Code: backends.OpRecv, FD: fd, Buf: p}, flags)
}

// Send is send(2) with flags MSG_*. N is the number of bytes, which may be less than len(p). With
// MSG_WAITALL it is less only if Send failed or was cancelled on the way. It never raises SIGPIPE.
// Errors: EBADF, ECONNRESET, EMSGSIZE, ENOBUFS, ENOTCONN, ENOTSOCK, EPIPE. Linux 5.6.
func Send(fd int, p []byte, flags int) *Op {
	return of32(backends.Op{Code: backends.OpSend, FD: fd, Buf: p}, flags)
}

// SendZC is [Send] that does not copy p if the kernel and the socket can avoid it. It is over when
// the kernel no longer uses p, which may be when the peer has acknowledged the data. It pays from
// about 10 KiB on, and never on loopback. It is Send on sockets that lack a zero-copy send (unix
// sockets), on rings that lack it, and on other backends. Linux 6.0.
func SendZC(fd int, p []byte, flags int) *Op {
	return of32(backends.Op{Code: backends.OpSendZC, FD: fd, Buf: p}, flags)
}

// RecvMsg is recvmsg(2) with flags MSG_*. It cuts m.Control to what arrived and sets m.Addr.Len and
// m.Flags; to use m again, restore m.Control and m.Addr.Len first. Errors: those of [Recv], and
// EMSGSIZE, with nothing submitted, if more than 1024 of m.Bufs are not empty. Linux 5.3.
func RecvMsg(fd int, m *Msg, flags int) *Op {
	return of32(backends.Op{Code: backends.OpRecvMsg, FD: fd, Msg: m}, flags)
}

// SendMsg is sendmsg(2) with flags MSG_*; it never raises SIGPIPE. Errors: those of [Send], EINVAL,
// EISCONN and EPERM, and EMSGSIZE, with nothing submitted, if more than 1024 of m.Bufs are not
// empty. Linux 5.3.
func SendMsg(fd int, m *Msg, flags int) *Op {
	return of32(backends.Op{Code: backends.OpSendMsg, FD: fd, Msg: m}, flags)
}

// SendMsgZC is to [SendMsg] what [SendZC] is to [Send]. Linux 6.1.
func SendMsgZC(fd int, m *Msg, flags int) *Op {
	return of32(backends.Op{Code: backends.OpSendMsgZC, FD: fd, Msg: m}, flags)
}

// Accept is accept4(2) with flags SOCK_NONBLOCK; SOCK_CLOEXEC is added. N is the new descriptor,
// and [Op.Addr] returns the peer's address. If a cancellation comes too late the operation has
// succeeded, and the caller closes the descriptor. Errors: EBADF, ECONNABORTED, EINVAL (not
// listening), EMFILE, ENFILE, ENOTSOCK, EOPNOTSUPP. Linux 5.5.
func Accept(fd int, flags int) *Op {
	return of32(backends.Op{Code: backends.OpAccept, FD: fd, Flags: cloexec, Addr: new(backends.Sockaddr)}, flags)
}

// Addr returns the peer's address of an [Accept] that succeeded, as a *net.TCPAddr or
// *net.UnixAddr. It is nil if the peer has no address that these can hold.
func (o *Op) Addr() net.Addr {
	if o.c.Op.Code != backends.OpAccept {
		panic("op: Addr of " + o.c.Op.Code.String())
	}
	return decode(o.c.Op.Addr)
}

// Connect is connect(2) to a *net.TCPAddr, *net.UDPAddr or *net.UnixAddr, whose family must be the
// socket's: an IPv4 address is of AF_INET. It waits until the connection is established or has
// failed. Errors: EADDRNOTAVAIL, EAFNOSUPPORT, EALREADY, EBADF, ECONNREFUSED, EISCONN, ENETUNREACH,
// ENOENT (unix), EPROTOTYPE, ETIMEDOUT. Linux 5.5.
func Connect(fd int, addr net.Addr) *Op { return addressed(backends.OpConnect, fd, addr) }

// Bind is bind(2); addresses are as for [Connect]. Errors: EACCES, EADDRINUSE, EADDRNOTAVAIL,
// EBADF, EINVAL (bound already), ENOTSOCK. Linux 6.11; elsewhere the system call.
func Bind(fd int, addr net.Addr) *Op { return addressed(backends.OpBind, fd, addr) }

func addressed(code backends.Code, fd int, addr net.Addr) *Op {
	o := of(backends.Op{Code: code, FD: fd, Addr: new(backends.Sockaddr)})
	o.invalid = encode(o.c.Op.Addr, addr)
	return o
}

// Listen is listen(2) with a queue of backlog connections that wait to be accepted. Errors:
// EADDRINUSE, EBADF, ENOTSOCK, EOPNOTSUPP. Linux 6.11; elsewhere the system call.
func Listen(fd int, backlog int) *Op {
	return of32(backends.Op{Code: backends.OpListen, FD: fd}, backlog)
}

// Socket is socket(2): domain AF_*, kind SOCK_* with or without SOCK_NONBLOCK; SOCK_CLOEXEC is
// added. N is the new descriptor. Errors: EACCES, EAFNOSUPPORT, EINVAL, EMFILE, ENFILE,
// EPROTONOSUPPORT. Linux 5.19; elsewhere the system call.
func Socket(domain, kind, protocol int) *Op {
	return of32(backends.Op{Code: backends.OpSocket, FD: domain, Flags: cloexec, Off: int64(protocol)}, kind)
}

// Shutdown is shutdown(2) with SHUT_*. Errors: EBADF, EINVAL, ENOTCONN, ENOTSOCK. Linux 5.11.
func Shutdown(fd int, how int) *Op {
	return of32(backends.Op{Code: backends.OpShutdown, FD: fd}, how)
}

// Poll waits until one of events, POLLIN and so on, occurs. N is the mask of those that have;
// POLLERR and POLLHUP are always included. Errors: EBADF. Linux 5.1.
func Poll(fd int, events int) *Op {
	return of32(backends.Op{Code: backends.OpPoll, FD: fd}, events)
}

// WaitChild waits until the process of pidfd, a child, has ended, and reaps it; [Op.Child] returns
// how it ended. Do not use it for a process that os.Process waits for. Errors: ECHILD, EBADF. Linux
// 6.7; elsewhere the pidfd is polled for, Linux 5.4.
func WaitChild(pidfd int) *Op { return Waitid(idPidfd, pidfd, waitExited) }

const (
	idPidfd    = 3 // P_PIDFD
	waitExited = 4 // WEXITED
)

// Waitid is waitid(2) with idType P_* and options W*. If the ring lacks it, any idType but P_PIDFD
// holds a thread while it waits and cannot be cancelled. Errors: ECHILD, EINVAL. Linux 6.7.
func Waitid(idType, id, options int) *Op {
	return of32(backends.Op{Code: backends.OpWaitid, FD: id, Args: &backends.Args{Off: int64(idType)}}, options)
}

// Child says how a process ended, or what else happened to it.
type Child struct {
	Pid    int // 0: nothing happened yet (WNOHANG)
	Code   int // CLD_EXITED, CLD_KILLED, ...
	Status int // exit status, or the number of a signal
}

// Child returns the result of a [WaitChild] or [Waitid] that succeeded.
func (o *Op) Child() Child {
	if o.c.Op.Code != backends.OpWaitid {
		panic("op: Child of " + o.c.Op.Code.String())
	}
	info := &o.c.Op.Args.Info
	if info.Signo() == 0 {
		return Child{}
	}
	return Child{Pid: info.Pid(), Code: info.Code(), Status: info.Status()}
}

// FutexWait waits until another thread, or another process that shares the memory of word, wakes
// it. If word does not hold val it ends with EAGAIN: the value has changed already. private says
// that all users of word are in this process. Linux 6.7. If the ring lacks it, and on other
// backends, it is EOPNOTSUPP if it would have to wait, because it would hold a thread that only a
// wake could free. word must be heap or mapped memory.
func FutexWait(word *atomic.Uint32, val uint32, private bool) *Op {
	return futex(backends.OpFutexWait, word, uint64(val), private)
}

// FutexWake wakes up to n waiters of word. N is their number. Linux 6.7; elsewhere the system call.
func FutexWake(word *atomic.Uint32, n int, private bool) *Op {
	return futex(backends.OpFutexWake, word, uint64(max(n, 0)), private)
}

func futex(code backends.Code, word *atomic.Uint32, val uint64, private bool) *Op {
	const size32, ofProcess = 2, 128 // FUTEX2_SIZE_U32, FUTEX2_PRIVATE
	flags := uint32(size32)
	if private {
		flags |= ofProcess
	}
	return of(backends.Op{Code: code, Flags: flags, Args: &backends.Args{Word: word, Val: val}})
}
