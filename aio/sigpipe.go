package aio

import (
	"bytes"
	"errors"
	"os"
	"sync"

	"github.com/weirgo/weir/internal/sys"
)

// std12 are package os's files of the descriptors 1 and 2, made when they are needed and never
// closed.
var std12 [2]struct {
	once sync.Once
	file *os.File
}

// brokenPipe sees to a write of bufs to fd that failed with err. If that is EPIPE and fd is standard
// output or standard error it has package os make the write, which ends the program with SIGPIPE,
// unless the program has asked for that signal or ignores it. That way "prog | head -1" ends though
// prog looks at no error.
func brokenPipe(fd int, err error, bufs ...[]byte) (int, error) {
	if fd != 1 && fd != 2 || err != sys.EPIPE {
		return 0, err
	}
	std := &std12[fd-1]
	std.once.Do(func() { std.file = os.NewFile(uintptr(fd), "") })
	n, err := std.file.Write(bytes.Join(bufs, nil))
	return n, bare(err)
}

// bare is the error in an *fs.PathError of package os.
func bare(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
