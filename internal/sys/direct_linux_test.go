package sys

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys/systest"
)

func socketPair(t testing.TB) (a, b int) {
	t.Helper()
	// blocking: Try must not block even so
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

func TestTryRecvTrySend(t *testing.T) {
	a, b := socketPair(t)
	buf := make([]byte, 16)
	try := func(what string, n int, errno syscall.Errno, wantN int, want syscall.Errno) {
		t.Helper()
		if n != wantN || errno != want {
			t.Errorf("%s: %d, %v, want %d, %v", what, n, errno, wantN, want)
		}
	}
	n, errno := TryRecv(a, buf)
	try("TryRecv with nothing there", n, errno, 0, unix.EAGAIN)
	n, errno = TrySend(b, []byte("hello"))
	try("TrySend", n, errno, 5, 0)
	n, errno = TryRecv(a, buf)
	try("TryRecv", n, errno, 5, 0)
	if !bytes.Equal(buf, []byte("hello\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")) {
		t.Errorf("received %q", buf)
	}
	n, errno = TryRecv(-1, buf)
	try("TryRecv without a descriptor", n, errno, 0, unix.EBADF)
	n, errno = TrySend(-1, buf)
	try("TrySend without a descriptor", n, errno, 0, unix.EBADF)

	sent := 0
	chunk := make([]byte, 1<<16)
	for {
		n, errno := TrySend(b, chunk)
		if errno == unix.EAGAIN {
			try("TrySend without room", n, errno, 0, unix.EAGAIN)
			break
		}
		if errno != 0 || n <= 0 {
			t.Fatalf("TrySend = %d, %v", n, errno)
		}
		sent += n
	}
	unix.Shutdown(b, unix.SHUT_WR)
	for {
		n, errno := TryRecv(a, chunk)
		if errno != 0 {
			t.Fatalf("TryRecv = %d, %v", n, errno)
		}
		if n == 0 {
			break // the end
		}
		sent -= n
	}
	if sent != 0 {
		t.Errorf("%d bytes were sent and not received", sent)
	}
	n, errno = TryRecv(a, nil)
	try("TryRecv into nothing", n, errno, 0, 0)
}

// A peer that is gone is an error, not a signal.
func TestTrySendNoSignal(t *testing.T) {
	pipes := make(chan os.Signal, 1)
	signal.Notify(pipes, syscall.SIGPIPE)
	defer signal.Stop(pipes)
	a, b := socketPair(t)
	unix.Shutdown(a, unix.SHUT_RD)
	if n, errno := TrySend(b, []byte("x")); n != 0 || errno != unix.EPIPE {
		t.Errorf("TrySend = %d, %v, want EPIPE", n, errno)
	}
	select {
	case <-pipes:
		t.Error("TrySend raised SIGPIPE")
	case <-time.After(20 * time.Millisecond):
	}
	unix.Sendto(b, []byte("x"), 0, nil) // the signal would have come: one does now
	select {
	case <-pipes:
	case <-time.After(10 * time.Second):
		t.Error("no SIGPIPE without MSG_NOSIGNAL: this test sees nothing")
	}
}

func TestReadAtWriteAt(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	read := func(n int, off int64, want string, wantErr syscall.Errno) {
		t.Helper()
		buf := make([]byte, n)
		n, errno := ReadAt(fd, buf, off, 0)
		if string(buf[:n]) != want || errno != wantErr {
			t.Errorf("ReadAt(%d bytes at %d) = %q, %v, want %q, %v", len(buf), off, buf[:n], errno, want, wantErr)
		}
	}
	write := func(s string, off int64, flags int, wantN int, wantErr syscall.Errno) {
		t.Helper()
		if n, errno := WriteAt(fd, []byte(s), off, flags); n != wantN || errno != wantErr {
			t.Errorf("WriteAt(%q at %d) = %d, %v, want %d, %v", s, off, n, errno, wantN, wantErr)
		}
	}
	read(3, 4, "456", 0)
	read(4, -1, "0123", 0) // at the file's position
	read(4, -1, "4567", 0)
	read(4, 0, "0123", 0) // leaves the position
	read(4, -1, "89", 0)
	read(4, -1, "", 0) // the end
	read(4, 100, "", 0)
	read(0, 0, "", 0)
	read(4, -2, "", unix.EINVAL)
	write("ab", 8, 0, 2, 0)
	write("cd", -1, 0, 2, 0) // the position is 10
	write("", 0, 0, 0, 0)
	write("ef", 0, unix.RWF_APPEND, 2, 0)
	write("x", -2, 0, 0, unix.EINVAL)
	if b, err := os.ReadFile(name); string(b) != "01234567abcdef" {
		t.Errorf("the file is %q, %v", b, err)
	}
	write("g", 1<<33, 0, 1, 0) // beyond 32 bits
	read(1, 1<<33, "g", 0)
	read(1, 1<<33-1, "\x00", 0)
	if n, errno := ReadAt(-1, make([]byte, 1), 0, 0); n != 0 || errno != unix.EBADF {
		t.Errorf("ReadAt without a descriptor = %d, %v", n, errno)
	}
}

// Where preadv2 and pwritev2 are denied there is no difference without flags, and flags are not
// supported.
func TestReadAtWriteAtDenied(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	systest.Deny(t, systest.Rule{Call: unix.SYS_PREADV2, Errno: unix.EPERM}, systest.Rule{Call: unix.SYS_PWRITEV2,
		Errno: unix.ENOSYS})
	if n, errno := WriteAt(fd, []byte("0123456789"), 5, 0); n != 10 || errno != 0 {
		t.Errorf("WriteAt: %d, %v", n, errno)
	}
	if n, errno := WriteAt(fd, []byte("abc"), -1, 0); n != 3 || errno != 0 {
		t.Errorf("WriteAt the position: %d, %v", n, errno)
	}
	buf := make([]byte, 20)
	if n, errno := ReadAt(fd, buf, 0, 0); errno != 0 || string(buf[:n]) != "abc\x00\x000123456789" {
		t.Errorf("ReadAt: %q, %v", buf[:n], errno)
	}
	if n, errno := ReadAt(fd, buf, -1, 0); errno != 0 || string(buf[:n]) != "\x00\x000123456789" {
		t.Errorf("ReadAt the position: %q, %v", buf[:n], errno)
	}
	if _, errno := ReadAt(fd, buf, 0, unix.RWF_NOWAIT); errno != unix.EOPNOTSUPP {
		t.Errorf("ReadAt with a flag: %v", errno)
	}
	if _, errno := WriteAt(fd, buf, 0, unix.RWF_DSYNC); errno != unix.EOPNOTSUPP {
		t.Errorf("WriteAt with a flag: %v", errno)
	}
}

// Signals do not end the direct calls.
func TestDirectSignals(t *testing.T) {
	open(t, 1, 0, 0) // locks the thread
	tid := unix.Gettid()
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		for !stop.Load() {
			unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
		}
	})
	defer wg.Wait()
	defer stop.Store(true)
	rd, wr := socketPair(t)
	// With a timeout the kernel does not start the call again by itself.
	if err := unix.SetsockoptTimeval(rd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		wg.Go(func() {
			time.Sleep(50 * time.Microsecond)
			unix.Write(wr, []byte("x"))
		})
		if n, errno := ReadAt(rd, make([]byte, 1), -1, 0); n != 1 || errno != 0 { // waits
			t.Fatalf("ReadAt of a socket = %d, %v", n, errno)
		}
	}
}

func TestSplice(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	rd, wr := pipe(t)
	if n, err := Splice(rd, -1, fd, 0, 10); n != 0 || err != unix.EAGAIN {
		t.Errorf("Splice from an empty pipe = %d, %v, want EAGAIN", n, err)
	}
	if n, err := Splice(fd, 4, wr, -1, 100); n != 6 || err != nil {
		t.Errorf("Splice from the file = %d, %v, want 6", n, err)
	}
	if n, err := Splice(rd, -1, fd, 8, 3); n != 3 || err != nil {
		t.Errorf("Splice to the file = %d, %v, want 3", n, err)
	}
	if b, _ := os.ReadFile(name); string(b) != "01234567456" {
		t.Errorf("the file is %q", b)
	}
}

func TestDupNonblock(t *testing.T) {
	a, _ := socketPair(t)
	fd, err := DupNonblock(a)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("the duplicate is not close-on-exec")
	}
	if flags, _ := unix.FcntlInt(uintptr(a), unix.F_GETFL, 0); flags&unix.O_NONBLOCK == 0 {
		t.Error("the original is not non-blocking")
	}
	if _, err := DupNonblock(-1); err != unix.EBADF {
		t.Errorf("DupNonblock(-1): %v", err)
	}
}
