package sys

import (
	"errors"
	"strconv"
)

// Errno is an error number. Plan 9 has error texts and no numbers, and its package syscall no
// Errno; results of operations are numbers on every system, so these are made up.
type Errno uintptr

// The error numbers that weir knows by name everywhere.
const (
	EACCES Errno = iota + 1
	EAGAIN
	EBADF
	ECANCELED
	EINTR
	EINVAL
	EMFILE
	EMSGSIZE
	ENOENT
	EOPNOTSUPP
	ENOSYS
	EPIPE
)

var errnoTexts = [...]string{
	EACCES: "permission denied", EAGAIN: "resource temporarily unavailable", EBADF: "bad file descriptor",
	ECANCELED: "operation canceled",
	EINTR:     "interrupted system call", EINVAL: "invalid argument", EMFILE: "too many open files",
	EMSGSIZE: "message too long", ENOENT: "file does not exist", EOPNOTSUPP: "operation not supported",
	ENOSYS: "function not implemented", EPIPE: "broken pipe",
}

func (e Errno) Error() string {
	if int(e) < len(errnoTexts) && errnoTexts[e] != "" {
		return errnoTexts[e]
	}
	return "errno " + strconv.Itoa(int(e))
}

// Is makes errors.Is(ENOSYS, errors.ErrUnsupported) true, as on other systems.
func (e Errno) Is(target error) bool { return e == ENOSYS && target == errors.ErrUnsupported }
