package aio

import (
	"io/fs"
	"os"
	"time"
)

// The functions of package os on Default(). Each has the signature, the semantics and the errors of its namesake there.
// Those that open and those about names block the caller's thread as package os does; what a File reads and writes waits
// as its methods say, and so do ReadFile and WriteFile. In coroutines call them in Task.Blocking.

// Open opens a file for reading: os.Open.
func Open(name string) (*File, error) { return Default().Open(name) }

// Create makes or empties a file, mode 0666 before umask: os.Create.
func Create(name string) (*File, error) { return Default().Create(name) }

// OpenFile is os.OpenFile. Besides the flags of package os it takes those of open(2), such as O_DIRECT.
func OpenFile(name string, flag int, perm os.FileMode) (*File, error) {
	return Default().OpenFile(name, flag, perm)
}

// NewFile returns a File for an open descriptor, which it owns from now on; nil if fd is not one.
// The descriptor stays in the mode it is in, blocking or not, which it may share with other
// processes, as a terminal does with the shell. On Linux deadlines, contexts and Close end what
// waits in either mode; elsewhere, as in package os, that needs one that is non-blocking.
func NewFile(fd uintptr, name string) *File { return Default().NewFile(fd, name) }

// FromFile makes a File of std, which belongs to it from now on: Close closes it, Detach gives it
// back, and until then it is not to be used. No descriptor is duplicated, so that the process keeps
// its record locks on the file. If there is an error std stays the caller's.
//
// It is the way back from File.Detach, and that is the way to what takes an *os.File: exec.Cmd,
// which hands it to the process as it is, os.ProcAttr, FileConn, packages that map files into
// memory.
func FromFile(std *os.File) (*File, error) { return Default().FromFile(std) }

// CreateTemp makes a file, mode 0600 before umask, with a name in dir that nobody has, and opens it for reading and
// writing: os.CreateTemp. The last "*" in pattern stands for what is found by chance, otherwise that comes at the end; an
// empty dir is os.TempDir. Name says what it is called; it is the caller's to remove.
func CreateTemp(dir, pattern string) (*File, error) { return Default().CreateTemp(dir, pattern) }

// Pipe returns the ends of a pipe: what is written to w is read from r. Their deadlines and contexts work: os.Pipe.
func Pipe() (r, w *File, err error) { return Default().Pipe() }

// ReadFile returns what is in a file, to its end: os.ReadFile. It reads as File.Read does: what is cached it copies, for the
// rest it waits, together with others on the loop.
func ReadFile(name string) ([]byte, error) { return Default().ReadFile(name) }

// WriteFile writes data to a file that it makes, with mode perm before umask, or empties: os.WriteFile. Who reads the file
// meanwhile sees a part; so does everybody if it fails half way.
func WriteFile(name string, data []byte, perm os.FileMode) error {
	return Default().WriteFile(name, data, perm)
}

// Stat describes a file, at the end of symbolic links: os.Stat.
func Stat(name string) (os.FileInfo, error) { return Default().Stat(name) }

// Lstat describes a file, and a symbolic link itself: os.Lstat.
func Lstat(name string) (os.FileInfo, error) { return Default().Lstat(name) }

// ReadDir lists a directory, sorted by name; with an error, what was read before it: os.ReadDir.
func ReadDir(name string) ([]os.DirEntry, error) { return Default().ReadDir(name) }

// Mkdir makes a directory, with mode perm before umask: os.Mkdir.
func Mkdir(name string, perm os.FileMode) error { return Default().Mkdir(name, perm) }

// MkdirAll makes a directory and those above it that are missing; one that is there is no error: os.MkdirAll.
func MkdirAll(path string, perm os.FileMode) error { return Default().MkdirAll(path, perm) }

// MkdirTemp makes a directory, mode 0700 before umask, with a name in dir that nobody has, and returns its path:
// os.MkdirTemp. pattern and dir are as in CreateTemp; it is the caller's to remove.
func MkdirTemp(dir, pattern string) (string, error) { return Default().MkdirTemp(dir, pattern) }

// Remove removes a file or an empty directory: os.Remove.
func Remove(name string) error { return Default().Remove(name) }

// RemoveAll removes a file, or a directory with all that is in it; what is not there is no error: os.RemoveAll. It removes
// what it can, and returns the first error. A name that ends in "." is EINVAL.
func RemoveAll(path string) error { return Default().RemoveAll(path) }

// Rename gives a file another name, in place of a file that has it: os.Rename. The error is an *os.LinkError.
func Rename(oldpath, newpath string) error { return Default().Rename(oldpath, newpath) }

// Link gives a file one more name: os.Link. The error is an *os.LinkError.
func Link(oldname, newname string) error { return Default().Link(oldname, newname) }

// Symlink makes newname a symbolic link to oldname: os.Symlink. The error is an *os.LinkError.
func Symlink(oldname, newname string) error { return Default().Symlink(oldname, newname) }

// Readlink returns where a symbolic link points: os.Readlink.
func Readlink(name string) (string, error) { return Default().Readlink(name) }

// Truncate sets the size of a file, in bytes: os.Truncate.
func Truncate(name string, size int64) error { return Default().Truncate(name, size) }

// Chmod sets the mode of a file: os.Chmod.
func Chmod(name string, mode os.FileMode) error { return Default().Chmod(name, mode) }

// Chown sets the user and the group of a file, -1 to leave one as it is: os.Chown. Windows and Plan 9 have no such thing,
// an error says so.
func Chown(name string, uid, gid int) error { return Default().Chown(name, uid, gid) }

// Chtimes sets the times of the last access and change of a file; the zero Time leaves one as it is: os.Chtimes.
func Chtimes(name string, atime, mtime time.Time) error {
	return Default().Chtimes(name, atime, mtime)
}

// DirFS returns the files below dir as a file system, which has what os.DirFS has (fs.StatFS, fs.ReadFileFS, fs.ReadDirFS,
// fs.ReadLinkFS): files that it opens are *File. As there, symbolic links and a later os.Chdir lead out of dir.
func DirFS(dir string) fs.FS { return Default().DirFS(dir) }
