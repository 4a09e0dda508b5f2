package sys

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below make the system call of their name once, on the calling thread, and leave EINTR
// and EAGAIN to the caller, unless they say otherwise. They give up the P as any blocking system
// call of Go does, unless keepsP says otherwise. They cut what they move to MaxTransfer and
// MaxIovecs. They leave out the first skip bytes of their buffers, which an earlier call has moved;
// the result includes these bytes. They do not inform the race detector, which is up to the caller
// that passes the result on.

// Preadv and Pwritev are preadv2(2) and pwritev2(2). With off -1 they work at the file's position,
// or on a file without one. flags are RWF_*. Without flags they are the older calls, which no
// filter denies.
func Preadv(fd int, bufs [][]byte, skip int, off int64, flags uint32) (int, syscall.Errno) {
	return transfer(readTrap(off, flags), fd, bufs, skip, off, flags)
}

func Pwritev(fd int, bufs [][]byte, skip int, off int64, flags uint32) (int, syscall.Errno) {
	return transfer(writeTrap(off, flags), fd, bufs, skip, off, flags)
}

func readTrap(off int64, flags uint32) uintptr {
	switch {
	case flags != 0:
		return unix.SYS_PREADV2
	case off == -1:
		return unix.SYS_READV
	}
	return unix.SYS_PREADV
}

func writeTrap(off int64, flags uint32) uintptr {
	switch {
	case flags != 0:
		return unix.SYS_PWRITEV2
	case off == -1:
		return unix.SYS_WRITEV
	}
	return unix.SYS_PWRITEV
}

// transfer makes any of these calls: the kernel ignores the arguments that a call does not have. It
// keeps the P if RWF_NOWAIT asks not to wait. That holds for pipes too, because the other end holds
// the pipe's lock no longer than a copy takes.
func transfer(trap uintptr, fd int, bufs [][]byte, skip int, off int64, flags uint32) (int, syscall.Errno) {
	var few [fewIovecs]unix.Iovec
	iov, pooled := iovecs(few[:0], bufs, skip)
	var n uintptr
	var errno syscall.Errno
	// The kernel takes the offset in two halves; on 64-bit systems the first is all of it.
	if keepsP(iov, flags&unix.RWF_NOWAIT != 0, copied) {
		n, _, errno = syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))),
			uintptr(len(iov)),
			uintptr(off), uintptr(uint64(off)>>32), uintptr(flags))
	} else {
		n, _, errno = syscall.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(iov))),
			uintptr(len(iov)),
			uintptr(off), uintptr(uint64(off)>>32), uintptr(flags))
	}
	putIovecs(pooled)
	return result(n, errno)
}

// Read and Write are read(2) and write(2). They differ from Preadv and Pwritev in one respect: a
// Write of 0 bytes to a socket that keeps messages apart sends an empty message.
func Read(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(min(len(p), MaxTransfer)))
	return result(n, errno)
}

func Write(fd int, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(min(len(p), MaxTransfer)))
	return result(n, errno)
}

// Recv and Send are recv(2) and send(2), repeated if a signal interrupts them.
func Recv(fd int, p []byte, flags uint32) (int, syscall.Errno) {
	return move(unix.SYS_RECVFROM, fd, p, flags, copied)
}

func Send(fd int, p []byte, flags uint32) (int, syscall.Errno) {
	return move(unix.SYS_SENDTO, fd, p, flags, sent)
}

// move is the only function between these two, which the compiler inlines, and the system call.
// Each function in between costs 10 ns, because the processor mispredicts its return after the
// kernel has run.
func move(trap uintptr, fd int, p []byte, flags uint32, limit int) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if small(p, flags&unix.MSG_DONTWAIT != 0, limit) && watched() {
			n, _, errno = syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
				uintptr(len(p)), uintptr(flags), 0, 0)
		} else {
			n, _, errno = syscall.Syscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
				uintptr(min(len(p), MaxTransfer)), uintptr(flags), 0, 0)
		}
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

// Message is what recvmsg(2) and sendmsg(2) move beside data.
type Message struct {
	Bufs    [][]byte
	Addr    *Sockaddr // may be nil
	Control []byte    // RecvMsg cuts it to what arrived
	Flags   uint32    // RecvMsg: of the received message
}

// RecvMsg is recvmsg(2). If it fails it leaves m unchanged.
func RecvMsg(fd int, m *Message, skip int, flags uint32) (int, syscall.Errno) {
	var few [fewIovecs]unix.Iovec
	h, pooled := m.header(few[:0], skip)
	var n uintptr
	var errno syscall.Errno
	if keepsP(iovecsOf(&h), flags&unix.MSG_DONTWAIT != 0, copied) {
		n, _, errno = syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
	} else {
		n, _, errno = syscall.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
	}
	putIovecs(pooled)
	if errno == 0 {
		if m.Addr != nil {
			m.Addr.Len = min(h.Namelen, uint32(len(m.Addr.Data)))
		}
		m.Control = m.Control[:min(int(h.Controllen), len(m.Control))]
		m.Flags = uint32(h.Flags)
	}
	return result(n, errno)
}

// SendMsg is sendmsg(2).
func SendMsg(fd int, m *Message, skip int, flags uint32) (int, syscall.Errno) {
	var few [fewIovecs]unix.Iovec
	h, pooled := m.header(few[:0], skip)
	var n uintptr
	var errno syscall.Errno
	if keepsP(iovecsOf(&h), flags&unix.MSG_DONTWAIT != 0, sent) {
		n, _, errno = syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
	} else {
		n, _, errno = syscall.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(flags))
	}
	putIovecs(pooled)
	return result(n, errno)
}

func (m *Message) header(few []unix.Iovec, skip int) (h unix.Msghdr, pooled *[]unix.Iovec) {
	iov, pooled := iovecs(few, m.Bufs, skip)
	h.Iov = unsafe.SliceData(iov)
	h.SetIovlen(len(iov))
	if m.Addr != nil {
		h.Name, h.Namelen = &m.Addr.Data[0], m.Addr.Len
	}
	if len(m.Control) > 0 {
		h.Control = &m.Control[0]
		h.SetControllen(len(m.Control))
	}
	return h, pooled
}

func iovecsOf(h *unix.Msghdr) []unix.Iovec { return unsafe.Slice(h.Iov, int(h.Iovlen)) }

// fewIovecs is the number of iovecs on the stack; more come from a pool, so that no call allocates.
const fewIovecs = 8

var manyIovecs = sync.Pool{New: func() any { return new([]unix.Iovec) }}

// iovecs describes what is left of bufs after skip bytes, in few if that is long enough. The caller
// passes the second result to putIovecs after the call.
func iovecs(few []unix.Iovec, bufs [][]byte, skip int) ([]unix.Iovec, *[]unix.Iovec) {
	if len(bufs) <= cap(few) {
		return AppendIovecs(few, bufs, skip), nil
	}
	pooled := manyIovecs.Get().(*[]unix.Iovec)
	*pooled = AppendIovecs((*pooled)[:0], bufs, skip)
	return *pooled, pooled
}

// AppendIovecs appends to iov what is left of bufs after skip bytes: as much as one system call
// takes.
func AppendIovecs(iov []unix.Iovec, bufs [][]byte, skip int) []unix.Iovec {
	room := max(MaxTransfer-skip, 0)
	for _, buf := range bufs {
		if len(iov) == MaxIovecs || room == 0 {
			break
		}
		cut := min(skip, len(buf))
		skip -= cut
		if buf = buf[cut:]; len(buf) == 0 {
			continue
		}
		n := min(len(buf), room)
		v := unix.Iovec{Base: unsafe.SliceData(buf)}
		v.SetLen(n)
		iov = append(iov, v)
		room -= n
	}
	return iov
}

func putIovecs(pooled *[]unix.Iovec) {
	if pooled != nil {
		clear(*pooled) // lets the buffers go
		manyIovecs.Put(pooled)
	}
}

// Accept is accept4(2). sa receives the peer's address and may be nil.
func Accept(fd int, sa *Sockaddr, flags uint32) (int, syscall.Errno) {
	var data, length unsafe.Pointer
	if sa != nil {
		data, length = unsafe.Pointer(&sa.Data), unsafe.Pointer(&sa.Len)
	}
	n, _, errno := syscall.Syscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(data), uintptr(length), uintptr(flags), 0, 0)
	return result(n, errno)
}

// Poll is poll(2) of one descriptor. With wait it blocks until there is an event; without, it
// returns at once. It returns the events that are there, including POLLNVAL.
func Poll(fd int, events uint32, wait bool) (uint32, syscall.Errno) {
	if fd < 0 {
		return unix.POLLNVAL, 0 // poll(2) itself leaves negative descriptors out
	}
	// A mask of poll(2) has 16 bits; every architecture has ppoll.
	p := unix.PollFd{Fd: int32(fd), Events: int16(events)}
	var now Timespec
	limit := unsafe.Pointer(nil)
	if !wait {
		limit = unsafe.Pointer(&now) // zero in the layouts of 32 and of 64 bits
	}
	_, _, errno := syscall.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(limit), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return uint32(uint16(p.Revents)), 0
}

// Nonblocking reports whether O_NONBLOCK is set on what fd refers to. Access returns how that may
// be used: O_RDONLY, O_WRONLY, O_RDWR.
func Nonblocking(fd int) (bool, syscall.Errno) {
	flags, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETFL, 0)
	return flags&unix.O_NONBLOCK != 0, errno
}

// NeverWaits reports whether splice(2) never waits for a descriptor. Its flag is for pipes alone.
func NeverWaits(fd int) bool {
	nonblocking, errno := Nonblocking(fd)
	return nonblocking && errno == 0
}

func Access(fd int) (int, syscall.Errno) {
	flags, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETFL, 0)
	return int(flags & unix.O_ACCMODE), errno
}

// Listens reports whether fd is a socket that accepts connections. The error is ENOTSOCK if it is
// not a socket.
func Listens(fd int) (bool, syscall.Errno) {
	v, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return false, err.(syscall.Errno)
	}
	return v != 0, 0
}

// Call is a system call whose arguments are plain numbers: shutdown, fsync, close.
func Call(trap, a, b uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.Syscall(trap, a, b, 0)
	return result(n, errno)
}

func result(n uintptr, errno syscall.Errno) (int, syscall.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}
