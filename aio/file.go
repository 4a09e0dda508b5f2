package aio

import "os"

// The functions of package os on Default().

// Open opens a file for reading: os.Open.
func Open(name string) (*File, error) { return Default().Open(name) }

// Create makes or empties a file, mode 0666 before umask: os.Create.
func Create(name string) (*File, error) { return Default().Create(name) }

// OpenFile is os.OpenFile. Besides the flags of package os it takes those of open(2), such as O_DIRECT.
func OpenFile(name string, flag int, perm os.FileMode) (*File, error) {
	return Default().OpenFile(name, flag, perm)
}

// NewFile returns a File for an open descriptor, which it owns from now on; nil if fd is not one. On Linux a pipe, socket
// or terminal becomes non-blocking; elsewhere, as in package os, deadlines and contexts need one that is.
func NewFile(fd uintptr, name string) *File { return Default().NewFile(fd, name) }
