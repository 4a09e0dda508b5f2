package sys

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// MakeBufferTable gives the ring fd a table of n registered buffers, all empty (Linux 5.19).
func MakeBufferTable(fd int, n uint32) error {
	arg := RsrcRegister{Nr: n, Flags: RsrcRegisterSparse}
	_, err := Register(fd, RegisterBuffers2, unsafe.Pointer(&arg), uint32(unsafe.Sizeof(arg)))
	return err
}

// SetBuffer puts mem into an entry of that table, or clears the entry if mem is empty. The kernel
// keeps the pages of the previous memory until the operations that use it are over. ENOMEM:
// RLIMIT_MEMLOCK does not allow it.
func SetBuffer(fd int, index int, mem []byte) error {
	iov := &unix.Iovec{Base: unsafe.SliceData(mem)}
	iov.SetLen(len(mem))
	if len(mem) == 0 {
		iov.Base = nil
	}
	var pin runtime.Pinner // the kernel gets its address as a number
	pin.Pin(iov)
	defer pin.Unpin()
	arg := RsrcUpdate2{Offset: uint32(index), Data: uint64(uintptr(unsafe.Pointer(iov))), Nr: 1}
	_, err := Register(fd, RegisterBuffersUpdate, unsafe.Pointer(&arg), uint32(unsafe.Sizeof(arg)))
	return err
}
