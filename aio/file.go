package aio

import (
	"io/fs"
	"os"
	"time"
)

// The functions of package os on Default(). Each has the signature, the semantics and the errors of
// its namesake there. Functions that open files or work on names block the caller's thread, as in
// package os. What a File reads and writes waits as its methods say, and so do ReadFile and
// WriteFile. Coroutines call these functions in Task.Blocking.

// Open opens a file for reading: os.Open.
func Open(name string) (*File, error) { return Default().Open(name) }

// Create makes or empties a file, mode 0666 before umask: os.Create.
func Create(name string) (*File, error) { return Default().Create(name) }

// OpenFile is os.OpenFile. Besides the flags of package os it takes those of open(2), such as
// O_DIRECT.
func OpenFile(name string, flag int, perm os.FileMode) (*File, error) {
	return Default().OpenFile(name, flag, perm)
}

// NewFile returns a File for an open descriptor, which it owns from now on. It returns nil if fd is
// not one. The descriptor keeps its mode, blocking or not, which it may share with other processes,
// as a terminal does with the shell. On Linux deadlines, contexts and Close end operations that
// wait in either mode; on other systems, as in package os, only in non-blocking mode.
func NewFile(fd uintptr, name string) *File { return Default().NewFile(fd, name) }

// FromFile makes a File of std and owns std from now on: Close closes it, [File.Detach] gives it
// back, and until then std must not be used. No descriptor is duplicated, so the process keeps its
// record locks on the file. If there is an error std stays the caller's.
//
// FromFile undoes File.Detach. Use Detach for functions that take an *os.File: exec.Cmd, which
// passes it to the process as it is, os.ProcAttr, [FileConn], packages that map files into memory.
func FromFile(std *os.File) (*File, error) { return Default().FromFile(std) }

// CreateTemp makes a file, mode 0600 before umask, with a new name in dir, and opens it for reading
// and writing: os.CreateTemp. A random string replaces the last "*" in pattern, or is appended if
// there is none. An empty dir is os.TempDir. Name returns the file's name; the caller removes the
// file.
func CreateTemp(dir, pattern string) (*File, error) { return Default().CreateTemp(dir, pattern) }

// Pipe returns the ends of a pipe: what is written to w is read from r. Their deadlines and
// contexts work: os.Pipe.
func Pipe() (r, w *File, err error) { return Default().Pipe() }

// ReadFile returns the contents of a file: os.ReadFile. It reads as [File.Read] does: it copies
// what is cached, and waits for the rest on the loop, together with other operations.
func ReadFile(name string) ([]byte, error) { return Default().ReadFile(name) }

// WriteFile writes data to a file, which it creates with mode perm before umask or truncates:
// os.WriteFile. A concurrent reader may see a part of the data. If WriteFile fails the file may
// hold a part.
func WriteFile(name string, data []byte, perm os.FileMode) error {
	return Default().WriteFile(name, data, perm)
}

// Stat describes a file and follows symbolic links: os.Stat.
func Stat(name string) (os.FileInfo, error) { return Default().Stat(name) }

// Lstat describes a file and does not follow a symbolic link: os.Lstat.
func Lstat(name string) (os.FileInfo, error) { return Default().Lstat(name) }

// ReadDir lists a directory, sorted by name. With an error it returns what it read before:
// os.ReadDir.
func ReadDir(name string) ([]os.DirEntry, error) { return Default().ReadDir(name) }

// Mkdir makes a directory, with mode perm before umask: os.Mkdir.
func Mkdir(name string, perm os.FileMode) error { return Default().Mkdir(name, perm) }

// MkdirAll makes a directory and those above it that are missing. If it exists that is no error:
// os.MkdirAll.
func MkdirAll(path string, perm os.FileMode) error { return Default().MkdirAll(path, perm) }

// MkdirTemp makes a directory, mode 0700 before umask, with a new name in dir, and returns its
// path: os.MkdirTemp. pattern and dir are as for [CreateTemp]; the caller removes the directory.
func MkdirTemp(dir, pattern string) (string, error) { return Default().MkdirTemp(dir, pattern) }

// Remove removes a file or an empty directory: os.Remove.
func Remove(name string) error { return Default().Remove(name) }

// RemoveAll removes a file, or a directory with everything in it. If it does not exist that is no
// error: os.RemoveAll. It removes what it can, and returns the first error. A name that ends in "."
// is EINVAL.
func RemoveAll(path string) error { return Default().RemoveAll(path) }

// Rename renames a file and replaces a file that has the new name: os.Rename. The error is an
// *os.LinkError.
func Rename(oldpath, newpath string) error { return Default().Rename(oldpath, newpath) }

// Link makes a second name for a file: os.Link. The error is an *os.LinkError.
func Link(oldname, newname string) error { return Default().Link(oldname, newname) }

// Symlink makes newname a symbolic link to oldname: os.Symlink. The error is an *os.LinkError.
func Symlink(oldname, newname string) error { return Default().Symlink(oldname, newname) }

// Readlink returns the target of a symbolic link: os.Readlink.
func Readlink(name string) (string, error) { return Default().Readlink(name) }

// Truncate sets the size of a file, in bytes: os.Truncate.
func Truncate(name string, size int64) error { return Default().Truncate(name, size) }

// Chmod sets the mode of a file: os.Chmod.
func Chmod(name string, mode os.FileMode) error { return Default().Chmod(name, mode) }

// Chown sets the user and the group of a file, -1 to leave one unchanged: os.Chown. It fails on
// Windows and Plan 9, which lack it.
func Chown(name string, uid, gid int) error { return Default().Chown(name, uid, gid) }

// Chtimes sets the times of the last access and change of a file; the zero Time leaves one
// unchanged: os.Chtimes.
func Chtimes(name string, atime, mtime time.Time) error {
	return Default().Chtimes(name, atime, mtime)
}

// DirFS returns the files below dir as a file system that implements what os.DirFS does (fs.StatFS,
// fs.ReadFileFS, fs.ReadDirFS, fs.ReadLinkFS). Files that it opens are *[File]. As with os.DirFS,
// symbolic links and a later os.Chdir lead out of dir.
func DirFS(dir string) fs.FS { return Default().DirFS(dir) }
