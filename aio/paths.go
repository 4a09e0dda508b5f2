package aio

import (
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"syscall"
	"time"
)

// Operations on names are those of package os, made by the caller. They block its goroutine, and
// the thread under it, for as long as the kernel takes to look names up, to change a directory, or
// to wait for a network file system. No loop waits for them, on any backend or drive.
//
// io_uring has many of them and was tried. It hands each to a kernel thread, so the stat of a
// cached name takes at least 40 times as long as the system call alone, and 7 times as long beside
// 64 others. To make and remove a directory takes 1.4 to 1.8 times as long alone, and about as long
// beside 64 others (BenchmarkNames). Package op has them for programs that want many at once in one
// call, or in a chain. Coroutines make them in Task.Blocking. The contents of files are different:
// ReadFile and WriteFile move them as File does.
//
// Errors are those of package os. After the IO has ended they are errors of the same types that are
// net.ErrClosed and os.ErrClosed.

// refused returns why no operation on a name can be done any more: nil unless the IO has ended.
func (io *IO) refused(op, name string) error {
	if err := io.alive(); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// refusedLink is refused for an operation on two names.
func (io *IO) refusedLink(op, oldname, newname string) error {
	if err := io.alive(); err != nil {
		return &os.LinkError{Op: op, Old: oldname, New: newname, Err: err}
	}
	return nil
}

// ReadFile returns what is in a file: see [ReadFile].
func (io *IO) ReadFile(name string) ([]byte, error) {
	f, err := io.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, f.size())
}

// readAll reads to the end of f, which claims to have size bytes. Files of /proc claim 0 and must
// be read in large pieces, so no read asks for less than such a file could hold.
func readAll(f *File, size int64) ([]byte, error) {
	const least = 512
	room := int(size) + 1 // one more, so that the last read finds the end
	if int64(room) != size+1 {
		room = 0 // more than there can be: the read fails
	}
	data := make([]byte, 0, max(room, least))
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return data, err
		}
		if left := cap(data) - len(data); left == 0 || size == 0 && left < least {
			data = slices.Grow(data, least)
		}
	}
}

// WriteFile makes or empties a file and writes data to it: see [WriteFile].
func (io *IO) WriteFile(name string, data []byte, perm os.FileMode) error {
	f, err := io.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// Stat is os.Stat: see [Stat].
func (io *IO) Stat(name string) (os.FileInfo, error) {
	if err := io.refused("stat", name); err != nil {
		return nil, err
	}
	return os.Stat(name)
}

// Lstat is os.Lstat: see [Lstat].
func (io *IO) Lstat(name string) (os.FileInfo, error) {
	if err := io.refused("lstat", name); err != nil {
		return nil, err
	}
	return os.Lstat(name)
}

// ReadDir is os.ReadDir: see [ReadDir].
func (io *IO) ReadDir(name string) ([]os.DirEntry, error) {
	if err := io.refused("open", name); err != nil {
		return nil, err
	}
	return os.ReadDir(name)
}

// Mkdir is os.Mkdir: see [Mkdir].
func (io *IO) Mkdir(name string, perm os.FileMode) error {
	if err := io.refused("mkdir", name); err != nil {
		return err
	}
	return os.Mkdir(name, perm)
}

// MkdirAll is os.MkdirAll: see [MkdirAll].
func (io *IO) MkdirAll(path string, perm os.FileMode) error {
	if err := io.refused("mkdir", path); err != nil {
		return err
	}
	return os.MkdirAll(path, perm)
}

// MkdirTemp is os.MkdirTemp: see [MkdirTemp].
func (io *IO) MkdirTemp(dir, pattern string) (string, error) {
	if err := io.refused("mkdirtemp", pattern); err != nil {
		return "", err
	}
	return os.MkdirTemp(dir, pattern)
}

// CreateTemp is os.CreateTemp: see [CreateTemp].
func (io *IO) CreateTemp(dir, pattern string) (*File, error) {
	if err := io.refused("createtemp", pattern); err != nil {
		return nil, err
	}
	std, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return nil, err
	}
	f, err := io.file(std)
	if err != nil {
		os.Remove(std.Name())
		return nil, &fs.PathError{Op: "open", Path: std.Name(), Err: err}
	}
	return f, nil
}

// Remove is os.Remove: see [Remove].
func (io *IO) Remove(name string) error {
	if err := io.refused("remove", name); err != nil {
		return err
	}
	return os.Remove(name)
}

// RemoveAll is os.RemoveAll: see [RemoveAll].
func (io *IO) RemoveAll(path string) error {
	if err := io.refused("RemoveAll", path); err != nil {
		return err
	}
	return os.RemoveAll(path)
}

// Rename is os.Rename: see [Rename].
func (io *IO) Rename(oldpath, newpath string) error {
	if err := io.refusedLink("rename", oldpath, newpath); err != nil {
		return err
	}
	return os.Rename(oldpath, newpath)
}

// Link is os.Link: see [Link].
func (io *IO) Link(oldname, newname string) error {
	if err := io.refusedLink("link", oldname, newname); err != nil {
		return err
	}
	return os.Link(oldname, newname)
}

// Symlink is os.Symlink: see [Symlink].
func (io *IO) Symlink(oldname, newname string) error {
	if err := io.refusedLink("symlink", oldname, newname); err != nil {
		return err
	}
	return os.Symlink(oldname, newname)
}

// Readlink is os.Readlink: see [Readlink].
func (io *IO) Readlink(name string) (string, error) {
	if err := io.refused("readlink", name); err != nil {
		return "", err
	}
	return os.Readlink(name)
}

// Truncate is os.Truncate: see [Truncate].
func (io *IO) Truncate(name string, size int64) error {
	if err := io.refused("truncate", name); err != nil {
		return err
	}
	return os.Truncate(name, size)
}

// Chmod is os.Chmod: see [Chmod].
func (io *IO) Chmod(name string, mode os.FileMode) error {
	if err := io.refused("chmod", name); err != nil {
		return err
	}
	return os.Chmod(name, mode)
}

// Chown is os.Chown: see [Chown].
func (io *IO) Chown(name string, uid, gid int) error {
	if err := io.refused("chown", name); err != nil {
		return err
	}
	if err := checkIDs(name, uid, gid); err != nil {
		return err
	}
	return os.Chown(name, uid, gid)
}

// Chtimes is os.Chtimes: see [Chtimes].
func (io *IO) Chtimes(name string, atime, mtime time.Time) error {
	if err := io.refused("chtimes", name); err != nil {
		return err
	}
	return os.Chtimes(name, atime, mtime)
}

// checkIDs refuses an invalid user or group. The kernel would take 32 bits of the number, which may
// be root's.
func checkIDs(name string, uid, gid int) error {
	if min(uid, gid) < -1 || int64(max(uid, gid)) > math.MaxUint32 {
		return &os.PathError{Op: "chown", Path: name, Err: syscall.EINVAL}
	}
	return nil
}
