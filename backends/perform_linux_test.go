package backends

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys/systest"
)

// Every Code that a backend sees has a meaning as a system call, and no other.
func TestPerformKnows(t *testing.T) {
	for code := range Code(NumCodes) {
		loops := code.OfLoop()
		if known := calls[code].do != nil; known == loops {
			t.Errorf("%v: in the table of calls: %v", code, known)
		}
	}
	for _, code := range []Code{OpTimeout, OpAsync, OpBlocking, Code(NumCodes), 255} {
		op := Op{Code: code}
		if got := Perform(&op); got != -int32(unix.EINVAL) {
			t.Errorf("Perform of %d: %d, want -EINVAL", code, got)
		}
		if got, sure := Try(&op, 0); got != -int32(unix.EINVAL) || !sure || Readiness(&op) != 0 {
			t.Errorf("Try of %d: %d, %v", code, got, sure)
		}
	}
}

type fds struct{ testing.TB }

func (t fds) own(fd int, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (t fds) pipe(flags int) (r, w int) {
	t.Helper()
	var p [2]int
	err := unix.Pipe2(p[:], flags|unix.O_CLOEXEC)
	return t.own(p[0], err), t.own(p[1], err)
}

func (t fds) pair(kind int) (a, b int) {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	return t.own(p[0], err), t.own(p[1], err)
}

func (t fds) socket(flags int) int {
	t.Helper()
	return t.own(unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|flags, 0))
}

func (t fds) listener(flags int) (int, *Sockaddr) {
	t.Helper()
	fd := t.socket(flags)
	addr := &Sockaddr{Len: unix.SizeofSockaddrInet4}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 8); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	binary.NativeEndian.PutUint16(addr.Data[:], unix.AF_INET)
	binary.BigEndian.PutUint16(addr.Data[2:], uint16(name.(*unix.SockaddrInet4).Port))
	copy(addr.Data[4:], []byte{127, 0, 0, 1})
	return fd, addr
}

func (t fds) file(content string) int {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return t.own(unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0))
}

func (t fds) want(op Op, want int32) {
	t.Helper()
	if got := Perform(&op); got != want {
		t.Errorf("Perform(%v) = %d, want %d", op.Code, got, want)
	}
}

func (t fds) try(op Op, want int32) {
	t.Helper()
	if got, sure := Try(&op, 0); got != want || !sure {
		t.Errorf("Try(%v) = %d, %v, want %d", op.Code, got, sure, want)
	}
}

const eagain = -int32(unix.EAGAIN)

// Each operation does what the call of its name does.
func TestPerform(t *testing.T) {
	f := fds{t}
	f.want(Op{}, 0)

	file := f.file("0123456789")
	buf := make([]byte, 4)
	f.want(Op{Code: OpRead, FD: file, Buf: buf, Off: 3}, 4)
	if string(buf) != "3456" {
		t.Errorf("read %q", buf)
	}
	f.want(Op{Code: OpRead, FD: file, Buf: buf, Off: Stream}, 4)
	f.want(Op{Code: OpRead, FD: file, Buf: buf, Off: 10}, 0)
	f.want(Op{Code: OpRead, FD: file, Buf: buf, Off: -2}, -int32(unix.EINVAL))
	f.want(Op{Code: OpWrite, FD: file, Buf: []byte("ab"), Off: Stream}, 2)
	f.want(Op{Code: OpWritev, FD: file, Bufs: [][]byte{[]byte("c"), nil, []byte("de")}, Off: 6}, 3)
	all := make([]byte, 20)
	f.want(Op{Code: OpReadv, FD: file, Bufs: [][]byte{all[:3], all[3:3], all[3:]}, Off: 0}, 10)
	if string(all[:10]) != "0123abcde9" {
		t.Errorf("the file has %q", all[:10])
	}
	f.want(Op{Code: OpFsync, FD: file}, 0)
	f.want(Op{Code: OpFdatasync, FD: file}, 0)
	f.want(Op{Code: OpPoll, FD: file, Flags: pollIn}, pollIn)

	a, b := f.pair(unix.SOCK_STREAM)
	f.want(Op{Code: OpSend, FD: a, Buf: []byte("hello")}, 5)
	f.want(Op{Code: OpRecv, FD: b, Buf: buf}, 4)
	f.want(Op{Code: OpRecv, FD: b, Buf: buf, Flags: unix.MSG_PEEK}, 1)
	f.want(Op{Code: OpPoll, FD: b, Flags: pollIn | pollOut}, pollIn|pollOut)
	f.want(Op{Code: OpRecv, FD: b, Buf: buf}, 1)
	f.want(Op{Code: OpRecv, FD: b, Buf: buf, Flags: unix.MSG_DONTWAIT}, eagain)
	f.want(Op{Code: OpShutdown, FD: a, Flags: unix.SHUT_WR}, 0)
	f.want(Op{Code: OpRecv, FD: b, Buf: buf}, 0)
	f.want(Op{Code: OpSend, FD: a, Buf: buf}, -int32(unix.EPIPE)) // and no SIGPIPE
	f.want(Op{Code: OpSendMsg, FD: a, Msg: &Msg{Bufs: [][]byte{buf}}}, -int32(unix.EPIPE))

	a, b = f.pair(unix.SOCK_DGRAM)
	f.want(Op{Code: OpWrite, FD: a, Off: Stream}, 0) // an empty message, as from write(2), and not from writev(2)
	f.want(Op{Code: OpRecv, FD: b, Buf: buf, Flags: unix.MSG_DONTWAIT}, 0)
	f.want(Op{Code: OpWritev, FD: a, Off: Stream}, 0)
	f.want(Op{Code: OpRecv, FD: b, Buf: buf, Flags: unix.MSG_DONTWAIT}, eagain)
	f.want(Op{Code: OpSendMsg, FD: a, Msg: &Msg{Bufs: [][]byte{[]byte("he"), []byte("llo")},
		Control: unix.UnixRights(a)}}, 5)
	m := &Msg{Bufs: [][]byte{buf[:1], buf[1:]}, Control: make([]byte, 100), Addr: &Sockaddr{Len: 128}}
	f.want(Op{Code: OpRecvMsg, FD: b, Msg: m}, 4)
	if m.Flags&unix.MSG_TRUNC == 0 || len(m.Control) != len(unix.UnixRights(a)) || m.Addr.Len > 2 ||
		string(buf) != "hell" {
		t.Errorf("received %q, %+v", buf, m)
	}
	if msgs, err := unix.ParseSocketControlMessage(m.Control); err != nil || len(msgs) != 1 {
		t.Errorf("control messages: %v, %v", msgs, err)
	} else if got, err := unix.ParseUnixRights(&msgs[0]); err == nil {
		unix.Close(got[0])
	}
	kept := *m
	f.want(Op{Code: OpRecvMsg, FD: b, Msg: m, Flags: unix.MSG_DONTWAIT}, eagain)
	if len(m.Control) != len(kept.Control) || m.Flags != kept.Flags || m.Addr.Len != kept.Addr.Len {
		t.Errorf("a RecvMsg that failed changed its message: %+v", m)
	}

	l, addr := f.listener(0)
	c := f.socket(0)
	f.want(Op{Code: OpConnect, FD: c, Addr: addr}, 0)
	f.want(Op{Code: OpConnect, FD: c, Addr: addr}, -int32(unix.EISCONN))
	peer := &Sockaddr{Len: 128}
	got := Perform(&Op{Code: OpAccept, FD: l, Addr: peer, Flags: unix.SOCK_CLOEXEC})
	if got < 0 || peer.Len != addr.Len {
		t.Fatalf("accept: %d, address %d bytes", got, peer.Len)
	}
	f.want(Op{Code: OpClose, FD: int(got)}, 0)
	f.want(Op{Code: OpClose, FD: int(got)}, -int32(unix.EBADF))
}

// Perform finishes a connect on a non-blocking socket too, and says how it went.
func TestPerformConnectNonblocking(t *testing.T) {
	f := fds{t}
	l, addr := f.listener(0)
	c := f.socket(unix.SOCK_NONBLOCK)
	f.want(Op{Code: OpConnect, FD: c, Addr: addr}, 0)
	unix.Close(l)
	f.want(Op{Code: OpConnect, FD: f.socket(unix.SOCK_NONBLOCK), Addr: addr}, -int32(unix.ECONNREFUSED))
}

// Try takes as many steps as it needs to connect.
func TestTryConnect(t *testing.T) {
	f := fds{t}
	l, addr := f.listener(0)
	for _, want := range []int32{0, -int32(unix.ECONNREFUSED)} {
		op := &Op{Code: OpConnect, FD: f.socket(unix.SOCK_NONBLOCK), Addr: addr}
		res, sure := Try(op, 0)
		for res == eagain && sure {
			f.want(Op{Code: OpPoll, FD: op.FD, Flags: Readiness(op)}, mustPoll(t, op.FD, Readiness(op)))
			res, sure = Try(op, 1)
		}
		if res != want || !sure {
			t.Errorf("Try(connect) ends with %d, %v, want %d", res, sure, want)
		}
		unix.Close(l)
	}
	_, addr = f.listener(0)
	connected := &Op{Code: OpConnect, FD: f.socket(unix.SOCK_NONBLOCK), Addr: addr}
	f.want(*connected, 0)
	if res, sure := Try(connected, 0); res != -int32(unix.EISCONN) || !sure {
		t.Errorf("Try(connect) of a connected socket: %d, %v", res, sure)
	}
	if res, sure := Try(connected, 1); res != 0 || !sure { // it has become so since it began
		t.Errorf("Try(connect, 1) of a connected socket: %d, %v", res, sure)
	}
	op := Op{Code: OpConnect, FD: f.socket(0), Addr: addr}
	if res, sure := Try(&op, 0); sure {
		t.Errorf("Try(connect) on a blocking socket: %d, though connect(2) would block", res)
	}
}

func mustPoll(t *testing.T, fd int, mask uint32) int32 {
	p := []unix.PollFd{{Fd: int32(fd), Events: int16(mask)}}
	for {
		if _, err := unix.Poll(p, -1); err == nil {
			return int32(p[0].Revents)
		} else if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

// Try answers EAGAIN where the call would block, on descriptors in blocking mode as well, and
// leaves the mode alone.
func TestTry(t *testing.T) {
	for _, flags := range []int{0, unix.O_NONBLOCK} { // SOCK_NONBLOCK is the same bit
		f := fds{t}
		buf := make([]byte, 8)
		r, w := f.pipe(flags)
		a, _ := f.pair(unix.SOCK_STREAM | flags)
		l, addr := f.listener(flags)
		event := f.own(unix.Eventfd(0, unix.EFD_CLOEXEC|flags))
		timer := f.own(unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|flags))
		msg := func() *Msg { return &Msg{Bufs: [][]byte{make([]byte, 1)}} }
		for _, op := range []Op{
			{Code: OpRead, FD: r, Buf: buf, Off: Stream}, {Code: OpReadv, FD: r, Bufs: [][]byte{buf}, Off: Stream},
			{Code: OpRead, FD: a, Buf: buf, Off: Stream}, {Code: OpRead, FD: event, Buf: buf, Off: Stream},
			{Code: OpRead, FD: timer, Buf: buf, Off: Stream},
			{Code: OpRecv, FD: a, Buf: buf}, {Code: OpRecv, FD: a, Buf: buf, Flags: unix.MSG_WAITALL},
			{Code: OpRecvMsg, FD: a, Msg: msg()},
			{Code: OpAccept, FD: l}, {Code: OpPoll, FD: r, Flags: pollIn}, {Code: OpPoll, FD: r},
		} {
			f.try(op, eagain)
			if want := uint32(pollIn); op.Code != OpPoll && Readiness(&op) != want {
				t.Errorf("Readiness(%v) = %#x, want %#x", op.Code, Readiness(&op), want)
			}
		}
		big := make([]byte, 1<<20)
		for _, op := range []Op{
			{Code: OpWrite, FD: w, Buf: big, Off: Stream}, {Code: OpWritev, FD: w, Bufs: [][]byte{big, big},
				Off: Stream},
			{Code: OpSend, FD: a, Buf: big}, {Code: OpSendMsg, FD: a, Msg: &Msg{Bufs: [][]byte{big}}},
		} {
			for sent := 0; ; {
				res, sure := Try(&op, 0)
				if res == eagain && sure {
					break
				}
				if !sure && flags == 0 { // a kernel before 6.4: there is room, but the write could block
					res = Perform(&Op{Code: OpWrite, FD: op.FD, Buf: big[:1], Off: Stream})
				}
				if sent += int(res); res <= 0 || sent > 64<<20 {
					t.Fatalf("Try(%v) = %d, %v after %d bytes", op.Code, res, sure, sent)
				}
			}
			if want := uint32(pollOut); Readiness(&op) != want {
				t.Errorf("Readiness(%v) = %#x, want %#x", op.Code, Readiness(&op), want)
			}
		}
		f.try(Op{Code: OpPoll, FD: w, Flags: pollOut}, eagain)
		read := Op{Code: OpRead, FD: r, Buf: buf, Off: Stream}
		if res, sure := Try(&read, 0); res != 8 && sure || !sure && flags != 0 {
			t.Errorf("Try(read) = %d, %v, and there is data", res, sure)
		}

		f.want(Op{Code: OpConnect, FD: f.socket(0), Addr: addr}, 0)
		accept := &Op{Code: OpAccept, FD: l, Flags: unix.SOCK_CLOEXEC}
		if flags == 0 {
			if res, sure := Try(accept, 0); sure { // accept4 has no flag for it
				t.Errorf("Try(accept) on a blocking listener with a connection: %d, sure", res)
			}
			f.own(int(Perform(accept)), nil)
		} else {
			res, _ := Try(accept, 0)
			f.own(int(res), nil)
		}
		for _, fd := range []int{r, w, a, l, event, timer} {
			if mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || mode&unix.O_NONBLOCK != flags {
				t.Errorf("the mode of descriptor %d is now %#x, %v", fd, mode, err)
			}
		}
	}
}

// Try does without preadv2 and pwritev2: the kernel before 6.4 has no RWF_NOWAIT for what can be
// polled, and filters deny the calls.
func TestTryDenied(t *testing.T) {
	f := fds{t}
	a, b := f.pair(unix.SOCK_STREAM)
	c, d := f.pair(unix.SOCK_DGRAM)
	r, w := f.pipe(0)
	file := f.file("content")
	systest.Deny(t, systest.Rule{Call: unix.SYS_PREADV2, Errno: unix.EPERM}, systest.Rule{Call: unix.SYS_PWRITEV2,
		Errno: unix.ENOSYS})
	buf := make([]byte, 8)
	read := func(fd int) Op { return Op{Code: OpRead, FD: fd, Buf: buf, Off: Stream} }
	write := func(fd int) Op { return Op{Code: OpWrite, FD: fd, Buf: make([]byte, 1<<20), Off: Stream} }
	f.try(read(a), eagain)
	f.try(read(c), eagain)
	f.try(read(r), eagain)
	f.try(read(w), -int32(unix.EBADF))
	f.try(Op{Code: OpReadv, FD: a, Bufs: [][]byte{buf[:1], buf[1:]}, Off: Stream}, eagain)
	for _, fd := range []int{a, c} {
		op := write(fd)
		if fd == c {
			op.Buf = op.Buf[:1000]
		}
		for sent := 0; ; {
			res, sure := Try(&op, 0)
			if res == eagain && sure {
				break
			}
			if sent += int(res); res <= 0 || fd == c && res != 1000 || sent > 64<<20 {
				t.Fatalf("Try(write) = %d, %v", res, sure)
			}
		}
	}
	f.try(read(b), 8)
	f.try(read(d), 8)
	op := write(w)
	if res, sure := Try(&op, 0); sure {
		t.Errorf("Try(write) to a pipe with room, in blocking mode: %d, sure", res)
	}
	f.try(Op{Code: OpRead, FD: file, Buf: buf, Off: 1}, 6)
	f.try(Op{Code: OpWrite, FD: file, Buf: buf, Off: 1}, 8)
}

// Where there is nothing to wait for Try says so at once, also on descriptors in blocking mode.
func TestTryWrongKind(t *testing.T) {
	f := fds{t}
	for _, flags := range []int{0, unix.O_NONBLOCK} {
		r, w := f.pipe(flags)
		a, _ := f.pair(unix.SOCK_STREAM | flags)
		buf := make([]byte, 1)
		f.try(Op{Code: OpAccept, FD: r}, -int32(unix.ENOTSOCK))
		f.try(Op{Code: OpAccept, FD: w}, -int32(unix.ENOTSOCK))
		f.try(Op{Code: OpAccept, FD: f.socket(flags)}, -int32(unix.EINVAL))
		f.try(Op{Code: OpRecv, FD: r, Buf: buf}, -int32(unix.ENOTSOCK))
		f.try(Op{Code: OpSend, FD: r, Buf: buf}, -int32(unix.ENOTSOCK))
		f.try(Op{Code: OpRead, FD: w, Buf: buf, Off: Stream}, -int32(unix.EBADF))
		f.try(Op{Code: OpWrite, FD: r, Buf: buf, Off: Stream}, -int32(unix.EBADF))
		f.try(Op{Code: OpRead, FD: a, Buf: buf, Off: 1}, -int32(unix.ESPIPE))
	}
}

// A Try that goes on leaves out what is done, and what belongs to the beginning of a message.
func TestTryFurther(t *testing.T) {
	f := fds{t}
	a, b := f.pair(unix.SOCK_STREAM)
	data := []byte("0123456789")
	for _, op := range []Op{
		{Code: OpSend, FD: a, Buf: data},
		{Code: OpSendMsg, FD: a, Msg: &Msg{Bufs: [][]byte{data[:2], data[2:5], data[5:]}, Control: unix.UnixRights(a)}},
	} {
		if res, sure := Try(&op, 4); res != 6 || !sure {
			t.Fatalf("Try(%v, 4) = %d, %v, want the 6 that are left", op.Code, res, sure)
		}
		got := bytes.Repeat([]byte("."), 10)
		recv := Op{Code: OpRecvMsg, FD: b, Msg: &Msg{Bufs: [][]byte{got[:5], got[5:]},
			Control: []byte("keep me, please, all of me")}}
		if res, sure := Try(&recv, 3); res != 6 || !sure || string(got) != "...456789." {
			t.Fatalf("Try(%v, 3) = %d, %v: %q", recv.Code, res, sure, got)
		}
		if !strings.HasPrefix(string(recv.Msg.Control), "keep") {
			t.Errorf("%v passed control data again: % x", op.Code, recv.Msg.Control)
		}
		Try(&Op{Code: OpSend, FD: a, Buf: data}, 7)
		recv = Op{Code: OpRecv, FD: b, Buf: got}
		if res, _ := Try(&recv, 2); res != 3 || string(got) != "..789"+"6789." {
			t.Fatalf("Try(%v, 2) = %d: %q", recv.Code, res, got)
		}
	}
}

// What cannot be polled has no Readiness: a Try of it is done.
func TestReadiness(t *testing.T) {
	for _, tt := range []struct {
		op   Op
		want uint32
	}{
		{Op{Code: OpNop}, 0}, {Op{Code: OpRead, Off: 0}, 0}, {Op{Code: OpWritev, Off: 7}, 0}, {Op{Code: OpFsync}, 0},
		{Op{Code: OpClose}, 0},
		{Op{Code: OpShutdown}, 0}, {Op{Code: OpAccept}, pollIn}, {Op{Code: OpConnect}, pollOut},
		{Op{Code: OpRecv, Flags: unix.MSG_OOB}, unix.POLLPRI}, {Op{Code: OpRecvMsg, Flags: unix.MSG_ERRQUEUE},
			unix.POLLERR},
		{Op{Code: OpPoll, Flags: unix.POLLPRI}, unix.POLLPRI | unix.POLLERR | unix.POLLHUP},
	} {
		if got := Readiness(&tt.op); got != tt.want {
			t.Errorf("Readiness(%+v) = %#x, want %#x", tt.op, got, tt.want)
		}
	}
}

// Perform waits on blocking descriptors.
func TestPerformWaits(t *testing.T) {
	f := fds{t}
	r, w := f.pipe(0)
	for _, op := range []Op{{Code: OpRead, FD: r, Buf: make([]byte, 1), Off: Stream},
		{Code: OpPoll, FD: r, Flags: pollIn}} {
		done := make(chan int32)
		go func() { done <- Perform(&op) }()
		select {
		case res := <-done:
			t.Fatalf("Perform(%v) on an empty pipe: %d", op.Code, res)
		case <-time.After(5 * time.Millisecond):
		}
		unix.Write(w, []byte("x"))
		if res := <-done; res != 1 { // a byte, or POLLIN
			t.Errorf("Perform(%v) = %d", op.Code, res)
		}
	}
}

// No descriptor, no operation: also where poll(2) itself would wait for ever.
func TestPerformBadDescriptor(t *testing.T) {
	f := fds{t}
	for code := OpRead; code <= OpClose; code++ {
		for _, fd := range []int{-1, 1 << 20} {
			op := Op{Code: code, FD: fd, Off: Stream, Buf: make([]byte, 1), Msg: &Msg{}, Addr: &Sockaddr{Len: 16}}
			f.want(op, -int32(unix.EBADF))
			f.try(op, -int32(unix.EBADF))
		}
	}
}

// Steady state: no allocation.
func TestPerformAllocs(t *testing.T) {
	if sys.RaceEnabled {
		t.Skip("sync.Pool forgets on purpose under the race detector")
	}
	f := fds{t}
	a, b := f.pair(unix.SOCK_STREAM | unix.SOCK_NONBLOCK)
	bufs := make([][]byte, 20)
	for i := range bufs {
		bufs[i] = make([]byte, 1)
	}
	ops := []*Op{
		{Code: OpSend, FD: a, Buf: make([]byte, 20)}, {Code: OpRecv, FD: b, Buf: make([]byte, 20)},
		{Code: OpWrite, FD: a, Buf: make([]byte, 20), Off: Stream}, {Code: OpRead, FD: b, Buf: make([]byte, 20),
			Off: Stream},
		{Code: OpWritev, FD: a, Bufs: bufs, Off: Stream}, {Code: OpReadv, FD: b, Bufs: bufs, Off: Stream},
		{Code: OpSendMsg, FD: a, Msg: &Msg{Bufs: bufs[:3]}}, {Code: OpRecvMsg, FD: b, Msg: &Msg{Bufs: bufs[:3]}},
		{Code: OpPoll, FD: a, Flags: pollOut},
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, op := range ops {
			if res, sure := Try(op, 0); res <= 0 || !sure {
				t.Fatalf("Try(%v) = %d, %v", op.Code, res, sure)
			}
		}
	}); n >= 1 {
		t.Errorf("%v allocations in %d operations", n, len(ops))
	}
}
