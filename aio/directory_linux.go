//go:build !weir_portable

package aio

import (
	"os"

	"golang.org/x/sys/unix"
)

// ReadDir returns the next n entries of a directory, in its order, and io.EOF at its end; with n <=
// 0 all that are left: os.File.ReadDir. It may wait for the disk: see [File.Stat].
func (f *File) ReadDir(n int) (entries []os.DirEntry, err error) {
	if !f.ok() {
		return nil, os.ErrInvalid
	}
	entries = []os.DirEntry{}
	err = f.list(func(std *os.File) (err error) {
		entries, err = std.ReadDir(n)
		return err
	})
	return entries, err
}

// Readdir is [File.ReadDir] that returns what Lstat says of each: os.File.Readdir.
func (f *File) Readdir(n int) (infos []os.FileInfo, err error) {
	if !f.ok() {
		return nil, os.ErrInvalid
	}
	infos = []os.FileInfo{}
	err = f.list(func(std *os.File) (err error) {
		infos, err = std.Readdir(n)
		return err
	})
	return infos, err
}

// Readdirnames is [File.ReadDir] that returns only the names: os.File.Readdirnames.
func (f *File) Readdirnames(n int) (names []string, err error) {
	if !f.ok() {
		return nil, os.ErrInvalid
	}
	names = []string{}
	err = f.list(func(std *os.File) (err error) {
		names, err = std.Readdirnames(n)
		return err
	})
	return names, err
}

// list makes package os read the directory, because only package os can make entries whose Info
// os.SameFile knows. What it has read ahead belongs to the descriptor, so views share it. Its
// errors need no wrapping.
func (f *File) list(read func(*os.File) error) (err error) {
	refused := f.metadata("readdirent", func(int) error {
		if !f.dir {
			return unix.ENOTDIR
		}
		err = read(f.fd.OSFile(f.name))
		return nil
	})
	if refused != nil {
		return refused
	}
	return err
}
