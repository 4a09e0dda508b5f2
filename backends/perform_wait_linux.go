package backends

import (
	"syscall"

	"github.com/weirgo/weir/internal/sys"
)

const (
	idPidfd    = 3 // P_PIDFD
	waitNoHang = 1 // WNOHANG
)

// exits returns POLLIN for a pidfd, which is readable when its process has ended. Other children
// cannot be polled for.
func exits(op *Op) uint32 {
	if op.Args.Off == idPidfd {
		return pollIn
	}
	return 0
}

func doWaitid(op *Op, a attempt) int32 {
	info, flags := &op.Args.Info, op.Flags
	nowait := !a.wait && op.Args.Off == idPidfd
	if nowait {
		flags |= waitNoHang
	}
	for {
		*info = Siginfo{}
		switch _, errno := sys.Waitid(int(op.Args.Off), op.FD, info, flags); {
		case errno == syscall.EINTR:
		case errno == 0 && nowait && info.Signo() == 0 && op.Flags&waitNoHang == 0:
			return -int32(syscall.EAGAIN)
		default:
			return -int32(errno)
		}
	}
}

// doFutexWait returns a result if there is no need to wait. Otherwise it refuses: the call would
// hold a thread that only a futex wake could free.
func doFutexWait(op *Op, _ attempt) int32 {
	if uint64(op.Args.Word.Load()) != op.Args.Val {
		return -int32(syscall.EAGAIN)
	}
	return -int32(syscall.EOPNOTSUPP)
}
