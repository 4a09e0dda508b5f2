package runtime

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
)

// foreignRing: the backend runs on another ring than weir's own, which allocates.
const foreignRing = uring.RingImplementation != "weir"

func systemDrives() (list []lane) {
	for _, c := range candidates {
		k := func(testing.TB) kernel { return linuxKernel{c} }
		list = append(list, lane{c.name + "/thread", DriveThread, k})
		if !c.onThread {
			list = append(list, lane{c.name + "/scheduler", DriveScheduler, k})
		}
	}
	return list
}

func systemLoops() (list []lane) {
	for _, c := range candidates {
		list = append(list, lane{c.name, "", func(testing.TB) kernel { return linuxKernel{c} }})
	}
	return list
}

// uringLanes leaves the lanes on io_uring: for what only a ring does.
func uringLanes(all []lane) []lane {
	return slices.DeleteFunc(all, func(d lane) bool { return !strings.HasPrefix(d.name, "io_uring") })
}

// linuxKernel is the real one, by way of one of weir's backends.
type linuxKernel struct{ candidate }

func (k linuxKernel) open(o *Options, thread bool) (backends.Backend, error) {
	if err := k.starts(thread); err != nil {
		return nil, unavailable{err}
	}
	return k.candidate.open(o, thread)
}

var starts sync.Map // of how a lane is driven: the error

// starts tries once in a process whether the backend works here: it may be denied, or what it
// needs.
func (k linuxKernel) starts(thread bool) error {
	key := fmt.Sprint(k.name, thread)
	if err, ok := starts.Load(key); ok {
		return err.(unavailable).error
	}
	failed := make(chan error)
	go func() {
		if thread {
			lockThread() // and never unlocked: a ring leaves traces on it
		}
		be, err := k.candidate.open(&Options{}, thread)
		if err == nil {
			err = errors.Join(be.Bind(thread), be.Close())
		}
		failed <- err
	}()
	err := <-failed
	starts.Store(key, unavailable{err})
	return err
}

func (linuxKernel) pipe(t testing.TB) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal("pipe: ", err)
	}
	return p[0], p[1]
}

func (linuxKernel) socketPair(t testing.TB) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal("socketpair: ", err)
	}
	return p[0], p[1]
}

func (k linuxKernel) listener(t testing.TB) (int, *backends.Sockaddr) {
	t.Helper()
	fd := k.socket(t)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal("bind: ", err)
	}
	if err := unix.Listen(fd, 1024); err != nil {
		t.Fatal("listen: ", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal("getsockname: ", err)
	}
	inet := name.(*unix.SockaddrInet4)
	addr := &backends.Sockaddr{Len: unix.SizeofSockaddrInet4}
	binary.NativeEndian.PutUint16(addr.Data[:], unix.AF_INET)
	binary.BigEndian.PutUint16(addr.Data[2:], uint16(inet.Port))
	copy(addr.Data[4:], inet.Addr[:])
	return fd, addr
}

func (linuxKernel) socket(t testing.TB) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal("socket: ", err)
	}
	return fd
}

func (linuxKernel) closeFD(fd int) error { return unix.Close(fd) }

func (linuxKernel) put(r *rig, fd int, p []byte) {
	for {
		n, err := unix.Write(fd, p)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n != len(p) {
			r.Errorf("write(2) to %d: %d, %v", fd, n, err)
		}
		return
	}
}

func (linuxKernel) descriptors() []string { return openFDs() }

// openFDs lists the descriptors of the process.
func openFDs() []string {
	const dir = "/proc/self/fd/"
	entries, _ := os.ReadDir(dir)
	var list []string
	for _, e := range entries {
		if target, err := os.Readlink(dir + e.Name()); err == nil { // not ReadDir's own
			list = append(list, fmt.Sprintf("%s=%s", e.Name(), target))
		}
	}
	return list
}

// workers lists the threads that the kernel has made for rings of this process.
func workers() []string {
	const dir = "/proc/self/task/"
	entries, _ := os.ReadDir(dir)
	var list []string
	for _, e := range entries {
		name, _ := os.ReadFile(dir + e.Name() + "/comm")
		if text := strings.TrimSpace(string(name)); strings.HasPrefix(text, "iou-") {
			list = append(list, text)
		}
	}
	return list
}

// cpuTime is the processor time that the process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
