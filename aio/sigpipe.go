package aio

import (
	"bytes"
	"errors"
	"os"
	"sync"

	"github.com/weirgo/weir/internal/sys"
)

// std12 holds package os's files of descriptors 1 and 2, made when needed and never closed.
var std12 [2]struct {
	once sync.Once
	file *os.File
}

// brokenPipe handles a write of bufs to fd that failed with err. If err is EPIPE and fd is standard
// output or standard error, package os repeats the write. That ends the program with SIGPIPE,
// unless the program has asked for that signal or ignores it. So "prog | head -1" ends although
// prog checks no error.
func brokenPipe(fd int, err error, bufs ...[]byte) (int, error) {
	if fd != 1 && fd != 2 || err != sys.EPIPE {
		return 0, err
	}
	std := &std12[fd-1]
	std.once.Do(func() { std.file = os.NewFile(uintptr(fd), "") })
	n, err := std.file.Write(bytes.Join(bufs, nil))
	return n, bare(err)
}

// bare returns the error inside an *fs.PathError of package os.
func bare(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
