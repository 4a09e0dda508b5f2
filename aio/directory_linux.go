//go:build !weir_portable

package aio

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// directory is what a File that is one needs to be listed. Package os does it, since only that can make entries whose Info
// os.SameFile knows, through a descriptor of its own, which is made for the first listing and closed with the File. The
// position is the File's; what has been read ahead of it is package os's, so views share it. A nil directory is none.
type directory struct {
	mu  sync.Mutex
	std *os.File
}

// open returns what lists the directory fd.
func (d *directory) open(fd int, name string) (*os.File, error) {
	if d == nil {
		return nil, unix.ENOTDIR
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.std == nil {
		std, err := duplicate(fd, name)
		if err != nil {
			return nil, err
		}
		d.std = std
	}
	return d.std, nil
}

// seek sets the position of fd, and forgets what has been read ahead of the old one.
func (d *directory) seek(fd int, offset int64, whence int) (int64, error) {
	if d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.std != nil {
			pos, err := d.std.Seek(offset, whence)
			if err != nil {
				err = errors.Unwrap(err)
			}
			return pos, err
		}
	}
	return unix.Seek(fd, offset, whence)
}

// close is called when the File has been closed.
func (d *directory) close() {
	if d != nil && d.std != nil {
		d.std.Close()
	}
}

// ReadDir returns the next n entries of a directory, in its order, and io.EOF at its end; with n <= 0 all that are left:
// os.File.ReadDir. It may wait for the disk: see Stat.
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

// Readdir is ReadDir that returns what Lstat says of each: os.File.Readdir.
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

// Readdirnames is ReadDir that returns the names alone: os.File.Readdirnames.
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

// list has package os read the directory. Its errors are as they should be.
func (f *File) list(read func(*os.File) error) (err error) {
	refused := f.metadata("readdirent", func(fd int) error {
		std, failed := f.dir.open(fd, f.name)
		if failed == nil {
			err = read(std)
		}
		return failed
	})
	if refused != nil {
		return refused
	}
	return err
}
