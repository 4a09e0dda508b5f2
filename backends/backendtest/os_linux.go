package backendtest

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// OS is the environment of backends that work on the system's own descriptors: open opens the
// backend, and thread says whether it is bound to a thread.
func OS(thread bool, open func(t testing.TB, entries, cqEntries int) backends.Backend) Env {
	return osEnv{thread: thread, open: open}
}

// SoftOS is OS for backends that carry some operations out without a system call.
func SoftOS(thread bool, open func(t testing.TB, entries, cqEntries int) backends.Backend) Env {
	return softOSEnv{osEnv{thread: thread, open: open}}
}

type softOSEnv struct{ osEnv }

func (softOSEnv) Soft() {}

type osEnv struct {
	thread bool
	open   func(t testing.TB, entries, cqEntries int) backends.Backend
}

var (
	_ hugeEnv     = osEnv{}
	_ rightsEnv   = osEnv{}
	_ flagsEnv    = osEnv{}
	_ modeEnv     = osEnv{}
	_ readableEnv = osEnv{}
	_ urgentEnv   = osEnv{}
	_ dirEnv      = osEnv{}
	_ fifoEnv     = osEnv{}
	_ childEnv    = osEnv{}
)

func (e osEnv) Thread() bool { return e.thread }

func (e osEnv) Open(t testing.TB, entries, cqEntries int) backends.Backend {
	t.Helper()
	return e.open(t, entries, cqEntries)
}

func must(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (osEnv) Pipe(t testing.TB) (r, w int) {
	t.Helper()
	var p [2]int
	must(t, "pipe", unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	return p[0], p[1]
}

func (osEnv) SocketPair(t testing.TB) (a, b int) { return socketPair(t, unix.SOCK_STREAM) }
func (osEnv) PacketPair(t testing.TB) (a, b int) { return socketPair(t, unix.SOCK_DGRAM) }

func socketPair(t testing.TB, kind int) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, "socketpair", err)
	return p[0], p[1]
}

func (osEnv) File(t testing.TB, content []byte) int {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	must(t, "file", os.WriteFile(name, content, 0o600))
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	must(t, "open", err)
	return fd
}

func (e osEnv) Listener(t testing.TB) (int, *backends.Sockaddr) {
	t.Helper()
	fd := e.Socket(t)
	must(t, "bind", unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, "listen", unix.Listen(fd, 128))
	name, err := unix.Getsockname(fd)
	must(t, "getsockname", err)
	inet := name.(*unix.SockaddrInet4)
	addr := &backends.Sockaddr{Len: unix.SizeofSockaddrInet4}
	binary.NativeEndian.PutUint16(addr.Data[:], unix.AF_INET)
	binary.BigEndian.PutUint16(addr.Data[2:], uint16(inet.Port))
	copy(addr.Data[4:], inet.Addr[:])
	return fd, addr
}

func (osEnv) Socket(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, "socket", err)
	return fd
}

func (osEnv) SendUrgent(t testing.TB, fd int) {
	t.Helper()
	must(t, "send", unix.Sendto(fd, []byte("!"), unix.MSG_OOB, nil))
}

func (osEnv) CloseFD(t testing.TB, fd int) {
	t.Helper()
	must(t, fmt.Sprintf("close %d", fd), unix.Close(fd))
}

// Descriptors lists /proc/self/fd.
func (osEnv) Descriptors() []string {
	const dir = "/proc/self/fd"
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	var list []string
	for _, name := range names {
		if name == fmt.Sprint(d.Fd()) {
			continue
		}
		target, _ := os.Readlink(filepath.Join(dir, name))
		list = append(list, name+" "+target)
	}
	return list
}

// HugeBuf maps memory that stays empty.
func (osEnv) HugeBuf(t testing.TB, n int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	must(t, "mmap", err)
	t.Cleanup(func() { must(t, "munmap", unix.Munmap(b)) })
	return b
}

func (osEnv) Rights(fds ...int) []byte { return unix.UnixRights(fds...) }

func (osEnv) ParseRights(t testing.TB, control []byte) []int {
	t.Helper()
	messages, err := unix.ParseSocketControlMessage(control)
	must(t, "control message", err)
	var all []int
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		must(t, "rights", err)
		all = append(all, fds...)
	}
	return all
}

func (osEnv) FDFlags(t testing.TB, fd int) (cloexec, nonblock bool) {
	t.Helper()
	onExec, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	must(t, "F_GETFD", err)
	status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	must(t, "F_GETFL", err)
	return onExec&unix.FD_CLOEXEC != 0, status&unix.O_NONBLOCK != 0
}

func (osEnv) SetBlocking(t testing.TB, fd int) {
	t.Helper()
	must(t, "fcntl", unix.SetNonblock(fd, false))
}

func (osEnv) Readable(t testing.TB, fd int, d time.Duration) bool {
	t.Helper()
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for end := time.Now().Add(d); ; {
		n, err := unix.Poll(p, max(int(time.Until(end).Milliseconds()), 0))
		if err != unix.EINTR {
			must(t, "poll", err)
			return n > 0
		}
	}
}

func (osEnv) Dir(t testing.TB) int {
	t.Helper()
	fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, "open", err)
	return fd
}

func (osEnv) Fifo(t testing.TB, dir int, name string) (both func() int) {
	t.Helper()
	must(t, "mkfifo", unix.Mkfifoat(dir, name, 0o600))
	return func() int {
		t.Helper()
		fd, err := unix.Openat(dir, name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		must(t, "open", err)
		return fd
	}
}

func (osEnv) Child(t testing.TB) (pidfd int, end func()) {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "1000")
	must(t, "start", cmd.Start())
	pid := cmd.Process.Pid
	kill := func() { unix.Kill(pid, unix.SIGKILL) }
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		kill()
		cmd.Wait()
		t.Skip("pidfd_open: ", err)
	}
	must(t, "release", cmd.Process.Release()) // it is for the operation to wait for
	return pidfd, kill
}
