//go:build unix && !aix && (!linux || weir_portable)

package portable

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// This file says which system call an Op is on systems for which package backends has no table,
// using what package unix has on all of them.

const engineDetail = "poll(2), plain calls"

const pipeBuf = 512 // the smallest PIPE_BUF there is

// Flags of OpAccept. They are Linux's numbers, since not every system has such flags.
const (
	sockNonblock = 0x800
	sockCloexec  = 0x80000
)

// readiness returns the events that an operation may have to wait for, 0 if it never waits for
// other parties.
func readiness(op *backends.Op) uint32 {
	switch op.Code {
	case backends.OpRecv, backends.OpRecvMsg, backends.OpAccept:
		return unix.POLLIN
	case backends.OpSend, backends.OpSendMsg, backends.OpConnect:
		return unix.POLLOUT
	case backends.OpPoll:
		return op.Flags | unix.POLLERR | unix.POLLHUP
	case backends.OpRead, backends.OpReadv:
		if op.Off == backends.Stream && op.Flags == 0 {
			return unix.POLLIN
		}
	case backends.OpWrite, backends.OpWritev:
		if op.Off == backends.Stream && op.Flags == 0 {
			return unix.POLLOUT
		}
	}
	return 0
}

// attempt tries an operation without waiting. It returns -EAGAIN if the operation has to wait.
func attempt(r *record) int32 {
	op := &r.c.Op
	if isMessage(op.Code) {
		return call(op, r.sofar, unix.MSG_DONTWAIT)
	}
	if op.Code == backends.OpConnect && r.begun {
		return connect(op, true)
	}
	flags, err := unix.FcntlInt(uintptr(op.FD), unix.F_GETFL, 0)
	switch {
	case err != nil:
		return errnoOf(err)
	case flags&unix.O_NONBLOCK != 0:
		return call(op, 0, 0)
	case op.Code == backends.OpConnect:
		return mayBlock
	case !mayWait(op, flags):
		return call(op, 0, 0)
	}
	ready := []unix.PollFd{{Fd: int32(op.FD), Events: mask(op)}}
	switch n, err := unix.Poll(ready, 0); {
	case n > 0:
		return mayBlock
	case err != nil && err != unix.EINTR:
		return errnoOf(err)
	}
	return -int32(unix.EAGAIN)
}

// mayWait reports whether an operation on a descriptor in blocking mode can block at all. If it
// cannot, it fails, and poll(2) would wait for ever.
func mayWait(op *backends.Op, flags int) bool {
	access := flags & unix.O_ACCMODE
	switch op.Code {
	case backends.OpRead, backends.OpReadv:
		return access != unix.O_WRONLY
	case backends.OpWrite, backends.OpWritev:
		return access != unix.O_RDONLY
	}
	listens, err := unix.GetsockoptInt(op.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && listens != 0
}

// perform makes the call of an operation, however long it takes.
func perform(r *record) int32 {
	op := &r.c.Op
	switch {
	case r.desc == nil:
		return call(op, 0, 0)
	case op.Code == backends.OpConnect:
		return block(op)
	case op.Code == backends.OpWrite:
		return write(op.FD, op.Buf[:min(len(op.Buf), pipeBuf)], op.Off)
	// a pipe that is writable takes PIPE_BUF bytes; with more the call would block until all are
	// written
	case op.Code == backends.OpWritev:
		first := firstOf(op.Bufs)
		return write(op.FD, first[:min(len(first), pipeBuf)], op.Off)
	}
	return call(op, 0, 0)
}

// call makes the system call of an operation, without the first done bytes of its data, and with
// additional flags if it is on a socket.
func call(op *backends.Op, done, flags int) int32 {
	for {
		if res := once(op, done, int(op.Flags)|flags); res != -int32(unix.EINTR) || op.Code == backends.OpClose {
			return res
		}
	}
}

func once(op *backends.Op, done, flags int) int32 {
	if op.Code.TakesStorageFlags() && op.Flags != 0 {
		return -int32(unix.EOPNOTSUPP)
	}
	switch op.Code {
	case backends.OpRead:
		return read(op.FD, cut(op.Buf), op.Off)
	case backends.OpWrite:
		return write(op.FD, cut(op.Buf), op.Off)
	case backends.OpReadv: // not every system has readv(2): reading the first buffer makes a valid short result
		return read(op.FD, firstOf(op.Bufs), op.Off)
	case backends.OpWritev:
		return write(op.FD, firstOf(op.Bufs), op.Off)
	case backends.OpRecv:
		n, _, err := unix.Recvfrom(op.FD, cut(op.Buf[done:]), flags&^unix.MSG_WAITALL)
		return result(n, err)
	case backends.OpSend:
		return result(unix.SendmsgN(op.FD, cut(op.Buf[done:]), nil, nil, flags&^unix.MSG_WAITALL))
	case backends.OpRecvMsg:
		return recvMsg(op, done, flags&^unix.MSG_WAITALL)
	case backends.OpSendMsg:
		return sendMsg(op, done, flags&^unix.MSG_WAITALL)
	case backends.OpAccept:
		return accept(op)
	case backends.OpConnect:
		return connect(op, false)
	case backends.OpShutdown:
		return result(0, unix.Shutdown(op.FD, int(op.Flags)))
	case backends.OpFsync, backends.OpFdatasync:
		return result(0, unix.Fsync(op.FD))
	case backends.OpClose:
		err := unix.Close(op.FD)
		if err == unix.EINTR {
			err = nil // it is closed, and its number may belong to another file
		}
		return result(0, err)
	}
	return -int32(unix.ENOSYS)
}

func result(n int, err error) int32 {
	if err != nil {
		return errnoOf(err)
	}
	return int32(n)
}

// cut returns at most MaxTransfer bytes of p.
func cut(p []byte) []byte { return p[:min(len(p), backends.MaxTransfer)] }

// firstOf returns the first buffer that is not empty, if there is one.
func firstOf(bufs [][]byte) []byte {
	for _, p := range bufs {
		if len(p) > 0 {
			return cut(p)
		}
	}
	return nil
}

// after returns bufs without the first done bytes, and without what is beyond MaxIovecs buffers and
// MaxTransfer bytes.
func after(bufs [][]byte, done int) [][]byte {
	var list [][]byte
	room := backends.MaxTransfer
	for _, p := range bufs {
		skip := min(done, len(p))
		done -= skip
		p = p[skip:]
		p = p[:min(len(p), room)]
		room -= len(p)
		if len(p) > 0 && len(list) < backends.MaxIovecs {
			list = append(list, p)
		}
	}
	return list
}

func read(fd int, p []byte, off int64) int32 {
	if off == backends.Stream {
		return result(unix.Read(fd, p))
	}
	return result(unix.Pread(fd, p, off))
}

func write(fd int, p []byte, off int64) int32 {
	if off == backends.Stream {
		return result(unix.Write(fd, p))
	}
	return result(unix.Pwrite(fd, p, off))
}

func recvMsg(op *backends.Op, done, flags int) int32 {
	m := op.Msg
	if done > 0 { // ancillary data came with the beginning of the data
		n, _, _, _, err := unix.RecvmsgBuffers(op.FD, after(m.Bufs, done), nil, flags)
		return result(n, err)
	}
	n, control, got, from, err := unix.RecvmsgBuffers(op.FD, after(m.Bufs, 0), m.Control, flags)
	if err != nil {
		return errnoOf(err)
	}
	m.Control, m.Flags = m.Control[:control], uint32(got)
	if m.Addr != nil {
		sys.FromUnix(m.Addr, from)
	}
	return int32(n)
}

func sendMsg(op *backends.Op, done, flags int) int32 {
	m := op.Msg
	if done > 0 {
		return result(unix.SendmsgBuffers(op.FD, after(m.Bufs, done), nil, nil, flags))
	}
	var to unix.Sockaddr
	if m.Addr != nil && m.Addr.Len > 0 {
		var err error
		if to, err = sys.ToUnix(m.Addr); err != nil {
			return errnoOf(err)
		}
	}
	return result(unix.SendmsgBuffers(op.FD, after(m.Bufs, 0), m.Control, to, flags))
}

func accept(op *backends.Op) int32 {
	fd, from, err := unix.Accept(op.FD)
	if err != nil {
		return errnoOf(err)
	}
	if op.Flags&sockCloexec != 0 {
		unix.CloseOnExec(fd)
	}
	// On some systems the connection inherits the listener's mode, on others it does not.
	if err := unix.SetNonblock(fd, op.Flags&sockNonblock != 0); err != nil {
		unix.Close(fd)
		return errnoOf(err)
	}
	if op.Addr != nil {
		sys.FromUnix(op.Addr, from)
	}
	return int32(fd)
}

// connect begins to connect, or asks for the result: -EAGAIN if that is not known yet.
func connect(op *backends.Op, begun bool) int32 {
	to, err := sys.ToUnix(op.Addr)
	if err != nil {
		return errnoOf(err)
	}
	if begun {
		if errno, err := unix.GetsockoptInt(op.FD, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || errno != 0 {
			return min(result(0, err), -int32(errno))
		}
	}
	switch err := unix.Connect(op.FD, to); {
	case err == nil, err == unix.EISCONN && begun:
		return 0
	case err == unix.EINPROGRESS, err == unix.EINTR, err == unix.EALREADY && begun:
		return -int32(unix.EAGAIN)
	default:
		return errnoOf(err)
	}
}

// block connects a socket in blocking mode. A call that a signal interrupted goes on by itself.
func block(op *backends.Op) int32 {
	for begun := false; ; begun = true {
		res := connect(op, begun)
		if res != -int32(unix.EAGAIN) {
			return res
		}
		unix.Poll([]unix.PollFd{{Fd: int32(op.FD), Events: unix.POLLOUT}}, -1)
	}
}
