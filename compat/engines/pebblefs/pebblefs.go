//go:build linux

// Package pebblefs is the file system interface of the storage engine Pebble on weir's files.
package pebblefs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// New returns a file system whose files are on lib.
func New(lib *aio.IO) vfs.FS { return &fsys{FS: vfs.Default, lib: lib} }

// fsys has from Pebble what does not touch a file: names and the disk's usage.
type fsys struct {
	vfs.FS
	lib *aio.IO
}

// locked are the files that this process has locked: record locks are the process's, which they do
// not keep out.
var locked struct {
	sync.Mutex
	names map[string]bool
}

func (f *fsys) open(name string, flag int, opts []vfs.OpenOption) (vfs.File, error) {
	o, err := f.lib.OpenFile(name, flag, 0o666)
	if err != nil {
		return nil, err
	}
	file := &file{File: o, lib: f.lib}
	for _, opt := range opts {
		opt.Apply(file)
	}
	return file, nil
}

func (f *fsys) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	for {
		file, err := f.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, nil)
		if !errors.Is(err, fs.ErrExist) {
			return file, err
		}
		if err := f.lib.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

func (f *fsys) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open(name, os.O_RDONLY, opts)
}

func (f *fsys) OpenReadWrite(name string, _ vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open(name, os.O_RDWR|os.O_CREATE, opts)
}

func (f *fsys) OpenDir(name string) (vfs.File, error) { return f.open(name, os.O_RDONLY, nil) }

func (f *fsys) ReuseForWrite(oldname, newname string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.lib.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return f.open(newname, os.O_RDWR|os.O_CREATE, nil)
}

func (f *fsys) Link(oldname, newname string) error          { return f.lib.Link(oldname, newname) }
func (f *fsys) Remove(name string) error                    { return f.lib.Remove(name) }
func (f *fsys) RemoveAll(name string) error                 { return f.lib.RemoveAll(name) }
func (f *fsys) Rename(oldname, newname string) error        { return f.lib.Rename(oldname, newname) }
func (f *fsys) MkdirAll(dir string, perm os.FileMode) error { return f.lib.MkdirAll(dir, perm) }
func (f *fsys) Unwrap() vfs.FS                              { return nil }
func (f *fsys) Stat(name string) (vfs.FileInfo, error)      { return infoOf(f.lib.Stat(name)) }

func (f *fsys) List(dir string) ([]string, error) {
	d, err := f.lib.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// Lock takes a record lock, which other processes see, and notes it for this one.
func (f *fsys) Lock(name string) (io.Closer, error) {
	locked.Lock()
	defer locked.Unlock()
	if locked.names[name] {
		return nil, errors.New("lock held by current process")
	}
	o, err := f.lib.Create(name)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(o.Fd(), unix.F_SETLK, &lock); err != nil {
		o.Close()
		return nil, err
	}
	if locked.names == nil {
		locked.names = map[string]bool{}
	}
	locked.names[name] = true
	return held{name, o}, nil
}

// held is a lock.
type held struct {
	name string
	file *aio.File
}

func (h held) Close() error {
	locked.Lock()
	defer locked.Unlock()
	delete(locked.names, h.name)
	return h.file.Close()
}

// file is a file or a directory. What Pebble's own makes by system calls is made by operations of
// weir's.
type file struct {
	*aio.File
	lib *aio.IO
}

func (f *file) fd() int { return int(f.Fd()) }

func (f *file) Stat() (vfs.FileInfo, error) { return infoOf(f.File.Stat()) }

func (f *file) SyncData() error { return f.lib.Fdatasync(context.Background(), f.fd()) }

func (f *file) SyncTo(length int64) (fullSync bool, err error) {
	const flags = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE
	err = f.lib.Do(context.Background(), op.SyncFileRange(f.fd(), 0, length, flags))
	return false, err
}

func (f *file) Preallocate(offset, length int64) error {
	return f.lib.Do(context.Background(), op.Fallocate(f.fd(), unix.FALLOC_FL_KEEP_SIZE, offset, length))
}

func (f *file) Prefetch(offset, length int64) error {
	return f.lib.Do(context.Background(), op.Fadvise(f.fd(), offset, length, unix.FADV_WILLNEED))
}

// info has the number of no device, which Pebble wants for statistics.
type info struct{ os.FileInfo }

func infoOf(i os.FileInfo, err error) (vfs.FileInfo, error) {
	if err != nil {
		return nil, err
	}
	return info{i}, nil
}

func (info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
