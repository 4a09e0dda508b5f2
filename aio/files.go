package aio

import "github.com/weirgo/weir/aio/op"

// FixedFile is an open file that [RegisterFile] has registered.
type FixedFile = op.FixedFile

// RegisterFile makes a FixedFile of the file, pipe or socket that fd refers to, and registers it
// with the loops of the IO: [op.Op.SetFile] makes operations work on it. The caller keeps fd, and
// keeps it open until RegisterFile returns. After that fd does not matter: a FixedFile has a
// descriptor of its own, and the kernel keeps the file open too. So the file stays open until
// FixedFile.Close. It is not garbage-collected before, and stays open even if the IO is closed: its
// peer sees no end of the connection, its space is not freed, its locks stay. The flags and the
// position of the file are shared with fd, as after dup(2). As with any descriptor, Close releases
// the record locks (F_SETLK) of the process.
//
// If the file cannot be registered (no io_uring, RLIMIT_NOFILE, a filter, or 4096 files of the IO
// registered already) operations use its descriptor, with the same results: FixedFile.Registered
// and Reason tell.
//
// Do not expect it to be much faster. It saves the kernel a look-up and a reference for each
// operation, and costs weir the bookkeeping of the file's users. For reads of one byte from
// /dev/zero, where little else takes CPU time, it takes 0.97 of the time that a descriptor takes in
// lists of 32 (0.89 to 1.01 in nine runs), and 1.01 alone (0.95 to 1.14; go test -run '^$' -bench
// BenchmarkFile ./aio/op, 2 cores, Linux 6.18). Other machines may differ: measure.
//
// RegisterFile waits for the loops, so callbacks must not call it. Errors: net.ErrClosed; EBADF;
// EMFILE; errors.ErrUnsupported on systems where operations do not work on descriptors.
func (io *IO) RegisterFile(fd int) (*FixedFile, error) { return io.running().RegisterFile(fd) }

// RegisterFile is [IO.RegisterFile] on [Default].
func RegisterFile(fd int) (*FixedFile, error) { return Default().RegisterFile(fd) }
