package os

import (
	"io/fs"
	std "os"
	"syscall"
	"time"
	_ "unsafe" // for go:linkname

	"golang.org/x/sys/unix"
)

// What package os makes known to its tests in files that are not copied.

//go:linkname ErrWriteAtInAppendMode os.errWriteAtInAppendMode
var ErrWriteAtInAppendMode error

//go:linkname ErrPatternHasSeparator os.errPatternHasSeparator
var ErrPatternHasSeparator error

//go:linkname ErrPathEscapes os.errPathEscapes
var ErrPathEscapes error

//go:linkname stathook os.stathook
var stathook func(f *std.File, name string) (FileInfo, error)

// SetStatHook has an effect where directories are read by package os.
func SetStatHook(t interface{ Cleanup(func()) }, f func(f *File, name string) (FileInfo, error)) {
	old := stathook
	t.Cleanup(func() { stathook = old })
	stathook = func(_ *std.File, name string) (FileInfo, error) { return f(nil, name) }
}

func Atime(info fs.FileInfo) time.Time {
	return time.Unix(info.Sys().(*syscall.Stat_t).Atim.Unix())
}

// Root is package os's, whose files it hands over by their descriptors: there is no Root in weir.
type Root struct{ *std.Root }

func OpenRoot(name string) (*Root, error) { return newRoot(std.OpenRoot(name)) }

func newRoot(r *std.Root, err error) (*Root, error) {
	if err != nil {
		return nil, err
	}
	return &Root{r}, nil
}

func (r *Root) OpenFile(name string, flag int, perm FileMode) (*File, error) {
	f, err := r.Root.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return NewFile(uintptr(fd), f.Name()), nil
}

func (r *Root) Open(name string) (*File, error) { return r.OpenFile(name, O_RDONLY, 0) }

func (r *Root) Create(name string) (*File, error) {
	return r.OpenFile(name, O_RDWR|O_CREATE|O_TRUNC, 0o666)
}

func (r *Root) OpenRoot(name string) (*Root, error) { return newRoot(r.Root.OpenRoot(name)) }
