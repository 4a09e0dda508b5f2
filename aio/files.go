package aio

import "github.com/weirgo/weir/aio/op"

// FixedFile is an open file that RegisterFile has registered.
type FixedFile = op.FixedFile

// RegisterFile makes a FixedFile of what fd refers to, a file, pipe or socket, and registers it with the loops of the IO:
// op.Op.SetFile makes operations work on it. fd stays the caller's, who keeps it open until RegisterFile returns, and what
// happens to it then does not matter: a FixedFile has a descriptor of its own, and the kernel holds on to the file besides. So
// the file is open until FixedFile.Close, whatever the garbage collector thinks of it, and also if the IO is closed before: its
// peer sees no end of the connection, its space is not given back, its locks stay. The flags and the position of the file are
// shared with fd, as after dup(2), and as with any descriptor its Close lets go of the record locks (F_SETLK) of the process.
//
// Where the file cannot be registered (no io_uring, RLIMIT_NOFILE, a filter, or 4096 of the IO registered already) operations
// use its descriptor, with the same results: FixedFile.Registered and Reason tell.
//
// Do not expect it to be much faster. It saves the kernel a look-up and a reference for each operation, and costs weir to know
// who uses the file: the CPU time of reads of one byte from /dev/zero, where little else takes any, is 0.97 of what it is with a
// descriptor in lists of 32 (0.89 to 1.01 in nine runs), and 1.01 alone (0.95 to 1.14; go test -run '^$' -bench BenchmarkFile
// ./aio/op, 2 cores, Linux 6.18). Other machines may differ: measure.
//
// It waits for the loops: not for use in callbacks. Errors: net.ErrClosed; EBADF; EMFILE; errors.ErrUnsupported on systems
// where operations do not work on descriptors.
func (io *IO) RegisterFile(fd int) (*FixedFile, error) { return io.running().RegisterFile(fd) }

// RegisterFile is IO.RegisterFile on Default().
func RegisterFile(fd int) (*FixedFile, error) { return Default().RegisterFile(fd) }
