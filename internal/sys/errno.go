//go:build !plan9

package sys

import "syscall"

// Errno is an error number. Results of operations are counts, or negated error numbers, on every
// system.
type Errno = syscall.Errno

// The error numbers that weir knows by name everywhere.
const (
	EACCES    = syscall.EACCES
	EAGAIN    = syscall.EAGAIN
	EBADF     = syscall.EBADF
	ECANCELED = syscall.ECANCELED
	EINTR     = syscall.EINTR
	EINVAL    = syscall.EINVAL
	EMFILE    = syscall.EMFILE
	EMSGSIZE  = syscall.EMSGSIZE
	ENOENT    = syscall.ENOENT
	ENOSYS    = syscall.ENOSYS
	EPIPE     = syscall.EPIPE

	EOPNOTSUPP = syscall.EOPNOTSUPP
)
