package aio

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// dirFS is the tree below a directory. Names in it and in its errors are relative to the directory
// and have slashes.
type dirFS struct {
	io  *IO
	dir string
}

var (
	_ fs.StatFS     = dirFS{}
	_ fs.ReadFileFS = dirFS{}
	_ fs.ReadDirFS  = dirFS{}
	_ fs.ReadLinkFS = dirFS{}
)

// DirFS returns the files below dir as an fs.FS: see [DirFS].
func (io *IO) DirFS(dir string) fs.FS {
	io.running()
	return dirFS{io, dir}
}

func (d dirFS) Open(name string) (fs.File, error) {
	f, err := within(d, "open", name, d.io.Open)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d dirFS) ReadFile(name string) ([]byte, error) {
	return within(d, "readfile", name, d.io.ReadFile)
}

func (d dirFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return within(d, "readdir", name, d.io.ReadDir)
}

func (d dirFS) Stat(name string) (fs.FileInfo, error) { return within(d, "stat", name, d.io.Stat) }

func (d dirFS) Lstat(name string) (fs.FileInfo, error) { return within(d, "lstat", name, d.io.Lstat) }

func (d dirFS) ReadLink(name string) (string, error) {
	path, err := d.path(name)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return d.io.Readlink(path) // its error names the whole path, as in package os
}

// within calls do with the path of a name below the directory.
func within[T any](d dirFS, op, name string, do func(path string) (T, error)) (T, error) {
	var none T
	path, err := d.path(name)
	if err != nil {
		return none, &fs.PathError{Op: op, Path: name, Err: err}
	}
	v, err := do(path)
	if err == nil {
		return v, nil
	}
	if e, ok := err.(*fs.PathError); ok {
		e.Path = name
	}
	return none, err
}

// path returns the system's path of a name.
func (d dirFS) path(name string) (string, error) {
	if d.dir == "" {
		return "", errors.New("os: DirFS with empty root")
	}
	local, err := filepath.Localize(name)
	if err != nil {
		return "", fs.ErrInvalid
	}
	if os.IsPathSeparator(d.dir[len(d.dir)-1]) {
		return d.dir + local, nil
	}
	return d.dir + string(os.PathSeparator) + local, nil
}
