package sys

import (
	"encoding/binary"
	"runtime"
	"strings"
	"structs"
	"time"
	"unsafe"
)

// Statx is struct statx, the same on every machine. Do not rely on fields whose bit is missing in
// Mask; newer kernels fill in more.
type Statx struct {
	_               structs.HostLayout
	Mask            uint32 // STATX_*: what the kernel filled in
	Blksize         uint32 // bytes, preferred for I/O
	Attributes      uint64 // STATX_ATTR_*
	Nlink           uint32
	UID             uint32
	GID             uint32
	Mode            uint16 // type and permissions
	_               uint16
	Ino             uint64
	Size            uint64 // bytes
	Blocks          uint64 // of 512 bytes
	AttributesMask  uint64 // the attributes that the file system knows
	Atime           StatxTime
	Btime           StatxTime
	Ctime           StatxTime
	Mtime           StatxTime
	RdevMajor       uint32
	RdevMinor       uint32
	DevMajor        uint32
	DevMinor        uint32
	MntID           uint64 // 5.8
	DIOMemAlign     uint32 // 6.1: bytes
	DIOOffsetAlign  uint32 // 6.1: bytes
	Subvol          uint64 // 6.10
	AtomicWriteMin  uint32 // 6.11: bytes
	AtomicWriteMax  uint32 // 6.11: bytes
	AtomicWriteSegs uint32 // 6.11
	DIOReadAlign    uint32 // 6.14: bytes
	AtomicWriteOpt  uint32 // 6.16: bytes
	_               uint32
	_               [8]uint64
}

const _ = -uint(unsafe.Sizeof(Statx{}) ^ 256)

// StatxTime is struct statx_timestamp.
type StatxTime struct {
	_    structs.HostLayout
	Sec  int64
	Nsec uint32
	_    int32
}

// Time returns the time in the local time zone.
func (t StatxTime) Time() time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// Siginfo is siginfo_t as waitid(2) fills it in. The zero value says that no child has changed
// state.
type Siginfo struct{ raw [16]uint64 }

const _ = -uint(unsafe.Sizeof(Siginfo{}) ^ 128)

// field returns the i-th int of the part that depends on the signal. That part begins at the first
// offset where a pointer could be.
func (s *Siginfo) field(i int) int32 {
	start := (3*4 + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
	b := (*[128]byte)(unsafe.Pointer(s))[start+uintptr(4*i):]
	return int32(binary.NativeEndian.Uint32(b))
}

// Signo returns SIGCHLD, or 0 if there was nothing to report.
func (s *Siginfo) Signo() int { return int(*(*int32)(unsafe.Pointer(s))) }

// Pid returns the child's process ID.
func (s *Siginfo) Pid() int { return int(s.field(0)) }

// Status returns the child's exit status, or the number of the signal that ended, stopped or
// continued it.
func (s *Siginfo) Status() int { return int(s.field(2)) }

// Code returns how the child changed: CLD_EXITED, CLD_KILLED and so on.
func (s *Siginfo) Code() int {
	word := uintptr(8)
	if strings.HasPrefix(runtime.GOARCH, "mips") { // si_code comes before si_errno
		word = 4
	}
	return int(int32(binary.NativeEndian.Uint32((*[128]byte)(unsafe.Pointer(s))[word:])))
}
