package epoll

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// soon is how long a test waits for what should happen at once.
const soon = 20 * time.Second

// rig is a backend with descriptors and operations for a test.
type rig struct {
	testing.TB
	*Backend
	slots  uint32
	events map[backends.ID][]backends.Event
	dst    []backends.Event
}

func newRig(t testing.TB, cfg Config) *rig {
	t.Helper()
	r := &rig{TB: t, Backend: open(t, cfg), events: map[backends.ID][]backends.Event{}, dst: make([]backends.Event, 64)}
	if err := r.Bind(false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// op makes a Completion of a slot of its own.
func (r *rig) op(op backends.Op) *backends.Completion {
	r.slots++
	return &backends.Completion{Op: op, ID: backends.MakeID(r.slots, 1)}
}

func (r *rig) read(fd int) *backends.Completion {
	return r.op(backends.Op{Code: backends.OpRead, FD: fd, Buf: make([]byte, 8), Off: backends.Stream})
}

func (r *rig) recv(fd int) *backends.Completion {
	return r.op(backends.Op{Code: backends.OpRecv, FD: fd, Buf: make([]byte, 8)})
}

// begin submits and polls once without waiting.
func (r *rig) begin(cs ...*backends.Completion) {
	r.Helper()
	r.Submit(cs)
	r.poll(backends.NoWait)
}

func (r *rig) poll(deadline int64) int {
	r.Helper()
	n, err := r.Poll(r.dst, deadline)
	if err != nil {
		r.Fatal(err)
	}
	for _, ev := range r.dst[:n] {
		list := r.events[ev.ID]
		if len(list) > 0 && !list[len(list)-1].More {
			r.Fatalf("a second end of %v: %+v after %+v", ev.ID, ev, list)
		}
		r.events[ev.ID] = append(list, ev)
	}
	return n
}

// flush polls until nothing is left to do.
func (r *rig) flush() {
	r.Helper()
	for r.poll(backends.NoWait) > 0 || r.Pending() {
	}
}

// over reports whether c has ended, and with what.
func (r *rig) over(c *backends.Completion) (int32, bool) {
	list := r.events[c.ID]
	if len(list) == 0 || list[len(list)-1].More {
		return 0, false
	}
	return list[len(list)-1].Res, true
}

func (r *rig) wait(c *backends.Completion) int32 {
	r.Helper()
	for limit := r.Now() + int64(soon); ; r.poll(limit) {
		if res, ok := r.over(c); ok {
			return res
		}
		if r.Now() >= limit {
			r.Fatalf("%v on %d is not over after %v", c.Code, c.FD, soon)
		}
	}
}

func (r *rig) want(c *backends.Completion, want int32) {
	r.Helper()
	if got := r.wait(c); got != want {
		r.Fatalf("%v on %d: %d, want %d", c.Code, c.FD, got, want)
	}
}

// do is begin and want.
func (r *rig) do(c *backends.Completion, want int32) {
	r.Helper()
	r.begin(c)
	r.want(c, want)
}

// waits checks that c is still in flight after everything has been looked at.
func (r *rig) waits(cs ...*backends.Completion) {
	r.Helper()
	r.flush()
	for _, c := range cs {
		if res, ok := r.over(c); ok {
			r.Fatalf("%v on %d is over: %d", c.Code, c.FD, res)
		}
	}
}

func (r *rig) stop(cs ...*backends.Completion) {
	r.Helper()
	for _, c := range cs {
		r.Cancel(c.ID)
	}
	for _, c := range cs {
		r.want(c, canceled)
	}
}

const (
	canceled = -int32(unix.ECANCELED)
	badFD    = -int32(unix.EBADF)
)

func (r *rig) own(fd int, err error) int {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (r *rig) pipe(flags int) (rd, wr int) {
	r.Helper()
	var p [2]int
	err := unix.Pipe2(p[:], unix.O_CLOEXEC|flags)
	return r.own(p[0], err), r.own(p[1], err)
}

func (r *rig) pair(kind int) (a, b int) {
	r.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	return r.own(p[0], err), r.own(p[1], err)
}

func (r *rig) file(content string) int {
	r.Helper()
	name := filepath.Join(r.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		r.Fatal(err)
	}
	return r.own(unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0))
}

func (r *rig) write(fd int, s string) {
	r.Helper()
	if n, err := unix.Write(fd, []byte(s)); n != len(s) {
		r.Fatalf("write(%d, %q): %d, %v", fd, s, n, err)
	}
}

// become makes the number fd refer to what from refers to, as close and open by others do; from is
// closed.
func (r *rig) become(fd, from int) {
	r.Helper()
	if err := unix.Close(fd); err != nil {
		r.Fatal(err)
	}
	if err := unix.Dup3(from, fd, unix.O_CLOEXEC); err != nil {
		r.Fatal(err)
	}
	unix.Close(from)
}

// registrations lists the descriptors that the epoll instance has, as the kernel sees it.
func (r *rig) registrations() map[int]int {
	r.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/self/fdinfo/%d", r.PollFD()))
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	list := map[int]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var fd int
		if rest, ok := strings.CutPrefix(s.Text(), "tfd:"); ok {
			if _, err := fmt.Sscan(rest, &fd); err != nil {
				r.Fatal(err)
			}
			list[fd]++
		}
	}
	delete(list, r.wake.fd)
	delete(list, r.alarm.fd)
	return list
}

func (r *rig) listener(flags int) (int, *backends.Sockaddr) {
	r.Helper()
	fd := r.socket(flags)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		r.Fatal(err)
	}
	if err := unix.Listen(fd, 128); err != nil {
		r.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		r.Fatal(err)
	}
	addr := &backends.Sockaddr{Len: unix.SizeofSockaddrInet4}
	binary.NativeEndian.PutUint16(addr.Data[:], unix.AF_INET)
	binary.BigEndian.PutUint16(addr.Data[2:], uint16(name.(*unix.SockaddrInet4).Port))
	copy(addr.Data[4:], []byte{127, 0, 0, 1})
	return fd, addr
}

func (r *rig) socket(flags int) int {
	r.Helper()
	return r.own(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0))
}

// tcp is a connection over the loopback interface.
func (r *rig) tcp() (a, b int) {
	r.Helper()
	l, addr := r.listener(0)
	a = r.socket(unix.SOCK_NONBLOCK)
	r.do(r.op(backends.Op{Code: backends.OpConnect, FD: a, Addr: addr}), 0)
	b, _, err := unix.Accept4(l, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
	return a, r.own(b, err)
}
