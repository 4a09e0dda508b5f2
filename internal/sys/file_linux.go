package sys

import (
	"runtime"
	"slices"
	"unsafe"
)

// MakeFileTable gives the ring fd a table of n registered files, all empty (Linux 5.5). EMFILE: n
// is above RLIMIT_NOFILE.
func MakeFileTable(fd, n int) error {
	none := slices.Repeat([]int32{-1}, n)
	_, err := Register(fd, RegisterFiles, unsafe.Pointer(unsafe.SliceData(none)), uint32(n))
	return err
}

// SetFile puts an open file into an entry of that table, or clears the entry if file is -1. The
// kernel keeps the file open until the entry changes and the operations that use it are over,
// whatever happens to the descriptor. EBADF: the descriptor is not open, or is one of a ring or
// O_PATH.
func SetFile(fd, index, file int) error {
	files := &[1]int32{int32(file)}
	var pin runtime.Pinner // the kernel gets its address as a number
	pin.Pin(files)
	defer pin.Unpin()
	arg := FilesUpdate{Offset: uint32(index), Fds: uint64(uintptr(unsafe.Pointer(files)))}
	_, err := Register(fd, RegisterFilesUpdate, unsafe.Pointer(&arg), 1)
	return err
}
