package systest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What userfaultfd(2) is told, from the kernel's userfaultfd.h, for the architectures whose ioctl
// numbers are the usual ones.
const (
	uffdAPI       = 0xaa
	uffdioAPI     = 0xc018aa3f
	uffdioRegs    = 0xc020aa00
	uffdioZero    = 0xc020aa04
	uffdMissing   = 1
	uffdPagefault = 0x12
)

// Userfault returns memory whose pages are missing, and the descriptor that is told of each access
// to one of them: the thread that made the access sleeps in the kernel until Resolve gives the
// page. It needs the rights of root.
func Userfault(pages int) (mem []byte, faults *os.File, err error) {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK, 0, 0)
	if errno != 0 {
		return nil, nil, fmt.Errorf("userfaultfd: %w", errno)
	}
	defer func() {
		if err != nil {
			unix.Close(int(fd))
		}
	}()
	api := [3]uint64{uffdAPI}
	if err := uffdControl(fd, uffdioAPI, unsafe.Pointer(&api)); err != nil {
		return nil, nil, err
	}
	mem, err = unix.Mmap(-1, 0, pages*unix.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, err
	}
	unix.Madvise(mem, unix.MADV_NOHUGEPAGE) // one page at a time
	reg := [4]uint64{uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))), uint64(len(mem)), uffdMissing}
	if err := uffdControl(fd, uffdioRegs, unsafe.Pointer(&reg)); err != nil {
		return nil, nil, err
	}
	return mem, os.NewFile(fd, "userfaultfd"), nil
}

// Accessed waits until a missing page is accessed, and returns its address.
func Accessed(faults *os.File) (page uint64, err error) {
	var msg [32]byte
	if _, err := faults.Read(msg[:]); err != nil {
		return 0, err
	}
	if msg[0] != uffdPagefault {
		return 0, fmt.Errorf("userfaultfd reports event %#x", msg[0])
	}
	return binary.NativeEndian.Uint64(msg[16:]) &^ uint64(unix.Getpagesize()-1), nil
}

// Give gives the page at this address, of zeros.
func Give(faults *os.File, page uint64) error {
	raw, err := faults.SyscallConn()
	if err != nil {
		return err
	}
	arg := [4]uint64{page, uint64(unix.Getpagesize())}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = uffdControl(fd, uffdioZero, unsafe.Pointer(&arg)) }); err != nil {
		return err
	}
	if errors.Is(failed, unix.EEXIST) || errors.Is(failed, unix.ESRCH) { // given already; the process has ended
		return nil
	}
	return failed
}

// Resolve gives each missing page that is accessed, after a delay, until faults is closed. Any
// process may call it that has the descriptor.
func Resolve(faults *os.File, delay time.Duration) error {
	for {
		page, err := Accessed(faults)
		if err == nil {
			time.Sleep(delay)
			err = Give(faults, page)
		}
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func uffdControl(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return fmt.Errorf("ioctl %#x of userfaultfd: %w", request, errno)
	}
	return nil
}
