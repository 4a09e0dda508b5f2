package systest

import (
	"encoding/binary"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Rule makes a system call fail. It stands for what container runtimes, sysctls and memory pressure
// do to real programs, and needs no help from the code under test.
type Rule struct {
	Call  uintptr
	Errno syscall.Errno // what it fails with; 0: it says that it worked, and does nothing
	If    []Arg         // only if all of these hold
}

// Arg holds if the low 32 bits of argument N are Value.
type Arg struct {
	N     int
	Value uint32
}

// Deny makes system calls of the calling goroutine fail, until the test ends. It locks the
// goroutine to its thread, for good: such a filter cannot be taken away, so the thread ends with
// the test.
func Deny(t testing.TB, rules ...Rule) {
	t.Helper()
	runtime.LockOSThread()
	filter(t, 0, rules)
}

// DenyAll makes system calls of the whole process fail, for good. It is for child processes.
func DenyAll(t testing.TB, rules ...Rule) {
	t.Helper()
	if err := Confine(rules...); err != nil {
		t.Skipf("no seccomp: %v", err)
	}
}

func filter(t testing.TB, flags uintptr, rules []Rule) {
	t.Helper()
	if err := install(flags, rules); err != nil {
		t.Skipf("no seccomp: %v", err)
	}
}

// Confine makes system calls of the whole process and of the programs it executes fail, for good.
func Confine(rules ...Rule) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return install(unix.SECCOMP_FILTER_FLAG_TSYNC, rules)
}

func install(flags uintptr, rules []Rule) error {
	load := func(offset int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(offset)}
	}
	low := 0 // where the low half of an argument is
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		low = 4
	}
	var prog []unix.SockFilter
	for _, r := range rules {
		type test struct {
			offset int
			value  uint32
		}
		tests := []test{{0, uint32(r.Call)}} // struct seccomp_data: nr, arch, ip, args
		for _, a := range r.If {
			tests = append(tests, test{16 + 8*a.N + low, a.Value})
		}
		for i, c := range tests {
			left := 2*(len(tests)-i-1) + 1 // instructions of this rule behind the jump
			prog = append(prog, load(c.offset), unix.SockFilter{
				Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: c.value, Jf: uint8(left),
			})
		}
		prog = append(prog, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K,
			K: unix.SECCOMP_RET_ERRNO | uint32(r.Errno)})
	}
	prog = append(prog, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return errno
	}
	return nil
}
