//go:build unix && !aix

package portable

import (
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// What try returns for an operation that is not over.
const (
	notYet   = -1 << 31   // it has to go on waiting
	mayBlock = notYet + 1 // its descriptor is ready and in blocking mode: if another process is faster the call blocks
)

func errnoOf(err error) int32 {
	if errno, ok := err.(unix.Errno); ok {
		return -int32(errno)
	}
	return -int32(unix.EINVAL)
}

// mask returns the events of poll(2) after which an operation is tried again.
func mask(op *backends.Op) int16 { return int16(readiness(op)) }

// direction returns the side of its descriptor that an operation waits on.
func direction(op *backends.Op) int {
	if readiness(op)&unix.POLLOUT != 0 {
		return writing
	}
	return reading
}

// isMessage reports whether Flags are those of recv(2) and send(2).
func isMessage(c backends.Code) bool {
	switch c {
	case backends.OpRecv, backends.OpSend, backends.OpRecvMsg, backends.OpSendMsg, backends.OpSendZC,
		backends.OpSendMsgZC:
		return true
	}
	return false
}

// dontWait reports whether EAGAIN is a result.
func dontWait(op *backends.Op) bool { return isMessage(op.Code) && op.Flags&unix.MSG_DONTWAIT != 0 }

// onDisk reports whether an operation that could wait for other parties only has to wait for a
// disk.
func onDisk(op *backends.Op) (bool, error) {
	switch op.Code {
	case backends.OpRead, backends.OpReadv, backends.OpWrite, backends.OpWritev:
	default:
		return false, nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(op.FD, &st); err != nil {
		return false, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFBLK:
		return true, nil
	}
	return false, nil
}

// try continues an operation as far as it can without waiting. It returns the result, or why there
// is none yet.
func (r *record) try() int32 {
	op := &r.c.Op
	for {
		res := attempt(r)
		switch {
		case res == -int32(unix.EAGAIN) && (!dontWait(op)):
			return notYet
		case res == mayBlock || !r.all():
			return res
		case res > 0:
			if r.sofar += int(res); r.sofar >= size(op) {
				return int32(r.sofar)
			}
		case r.sofar > 0:
			return int32(r.sofar)
		default:
			return res
		}
	}
}

// all reports whether an operation goes on until its buffers are full, or empty. MSG_WAITALL asks
// for that, and as in io_uring it does so for a send too. Only streams do it.
func (r *record) all() bool {
	op := &r.c.Op
	if !isMessage(op.Code) || op.Flags&unix.MSG_WAITALL == 0 || op.Flags&(unix.MSG_DONTWAIT|unix.MSG_PEEK) != 0 {
		return false
	}
	if n := size(op); n == 0 || n > backends.MaxTransfer {
		return false
	}
	kind, err := unix.GetsockoptInt(op.FD, unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil && kind == unix.SOCK_STREAM
}

// size returns the number of bytes that an operation on a socket wants to move.
func size(op *backends.Op) int {
	if op.Msg == nil {
		return len(op.Buf)
	}
	n := 0
	for _, p := range op.Msg.Bufs {
		n += len(p)
	}
	return n
}
