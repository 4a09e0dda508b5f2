//go:build !weir_portable

package aio_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/internal/sys/systest"
)

// stream is a file system with one file, "stream", that is regular by its mode and gives what was
// put, piece by piece: a FUSE server with the kernel's protocol and nothing else. It is a process
// of its own, since epoll_ctl asks it, during which Go's scheduler lets nothing else of the
// caller's go on.
type stream struct {
	fd int // of /dev/fuse

	mu     sync.Mutex
	pieces [][]byte // an empty one is the end
	polls  []uint64 // to be notified
}

// The parts of linux/fuse.h that it takes.
const (
	fuseLookup, fuseForget, fuseGetattr, fuseOpen, fuseRead, fuseRelease = 1, 2, 3, 14, 15, 18
	fuseFlush, fuseInit, fuseInterrupt, fusePoll                         = 25, 26, 36, 40

	fuseInHeader, fuseDirectIO, fuseNonseekable, fuseStream, fuseNotifyPoll = 40, 1, 4, 16, 1
)

var ne = binary.NativeEndian

// streamChild is that process: descriptor 3 is of /dev/fuse, and what comes in at 4 is put, a
// packet a piece, behind one byte.
func streamChild() {
	s := &stream{fd: 3}
	go func() {
		for p := make([]byte, 1000); ; {
			n, err := unix.Read(4, p)
			if n <= 0 {
				os.Exit(0)
			}
			if err == nil {
				s.put(string(p[1:n]))
			}
		}
	}()
	s.serve()
}

// put has the next read return p.
func (s *stream) put(p string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces = append(s.pieces, []byte(p))
	for _, kh := range s.polls {
		s.send(0, fuseNotifyPoll, ne.AppendUint64(nil, kh))
	}
	s.polls = nil
}

// send answers a request. The answer to one that was interrupted, or to none, is dropped.
func (s *stream) send(unique uint64, code int32, body []byte) {
	p := ne.AppendUint32(nil, uint32(16+len(body)))
	p = ne.AppendUint32(p, uint32(code))
	p = ne.AppendUint64(p, unique)
	unix.Write(s.fd, append(p, body...))
}

// serve answers until the file system is unmounted.
func (s *stream) serve() {
	for p := make([]byte, 1<<17); ; {
		n, err := unix.Read(s.fd, p)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN || err == unix.ENOENT:
		case err != nil || n < fuseInHeader:
			return
		default:
			s.answer(p[:n])
		}
	}
}

func (s *stream) answer(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	unique, node, in := ne.Uint64(p[8:]), ne.Uint64(p[16:]), p[fuseInHeader:]
	switch ne.Uint32(p[4:]) {
	case fuseInit:
		out := make([]byte, 64)
		ne.PutUint32(out, 7)
		ne.PutUint32(out[4:], 31)
		ne.PutUint32(out[8:], 1<<16)
		ne.PutUint32(out[20:], 1<<16) // the longest write
		s.send(unique, 0, out)
	case fuseLookup:
		if string(in) != "stream\x00" {
			s.send(unique, -int32(unix.ENOENT), nil)
			return
		}
		s.send(unique, 0, append(ne.AppendUint64(nil, 2), append(make([]byte, 32), s.attributes(2)...)...))
	case fuseGetattr:
		s.send(unique, 0, append(make([]byte, 16), s.attributes(node)...))
	case fuseOpen:
		out := make([]byte, 16)
		ne.PutUint32(out[8:], fuseDirectIO|fuseNonseekable|fuseStream)
		s.send(unique, 0, out)
	case fuseRead:
		if len(s.pieces) == 0 {
			s.send(unique, -int32(unix.EAGAIN), nil)
			return
		}
		s.send(unique, 0, s.pieces[0])
		s.pieces = s.pieces[1:]
	case fusePoll:
		out := make([]byte, 8)
		if len(s.pieces) > 0 {
			ne.PutUint32(out, unix.POLLIN)
		}
		if ne.Uint32(in[16:])&1 != 0 { // to be notified of what comes
			s.polls = append(s.polls, ne.Uint64(in[8:]))
		}
		s.send(unique, 0, out)
	case fuseRelease, fuseFlush:
		s.send(unique, 0, nil)
	case fuseForget, fuseInterrupt:
	default:
		s.send(unique, -int32(unix.ENOSYS), nil)
	}
}

func (s *stream) attributes(node uint64) []byte {
	attr := make([]byte, 88)
	ne.PutUint64(attr, node)
	mode := uint32(unix.S_IFREG | 0o444)
	if node == 1 {
		mode = unix.S_IFDIR | 0o755
	}
	ne.PutUint32(attr[60:], mode)
	ne.PutUint32(attr[64:], 1)
	return attr
}

// TestFuseStream: the file of a FUSE server that streams, regular by its mode, returns what each
// read returns, ends, and has deadlines and a Close that end a read, on package os and on every
// drive. Files that are odd in such ways: go#23943, go#26439, water#53.
func TestFuseStream(t *testing.T) {
	if systest.InChild(t) {
		streamChild()
		return
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		over := make(chan string, 1)
		go func() { // its thread has a mount namespace of its own, and ends with it
			runtime.LockOSThread()
			over <- fuseStreams(t, lib)
		}()
		select {
		case why := <-over:
			if why != "" {
				t.Skip(why)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a read, a Close or the server hangs")
		}
	})
}

type streamFile interface {
	io.ReadCloser
	SetReadDeadline(time.Time) error
}

// fuseStreams returns why there can be no such file here.
func fuseStreams(t *testing.T, lib *aio.IO) string {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Sprint("/dev/fuse: ", err)
	}
	control, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return ""
	}
	device, end := os.NewFile(uintptr(fd), "fuse"), os.NewFile(uintptr(control[1]), "control")
	defer device.Close()
	server := systest.Command(t)
	server.ExtraFiles = []*os.File{device, end}
	err = server.Start()
	end.Close()
	if err != nil {
		t.Error(err)
		return ""
	}
	defer server.Wait()
	defer unix.Close(control[0])
	put := func(p string) { unix.Write(control[0], []byte("p"+p)) }
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Sprint("no mount namespace: ", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Sprint("/ cannot be private: ", err)
	}
	dir := t.TempDir()
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if err := unix.Mount("weir", dir, "fuse", unix.MS_NOSUID|unix.MS_NODEV,
		fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		return fmt.Sprint("mount: ", err)
	}
	device.Close() // when the server ends the kernel answers in its place
	name := filepath.Join(dir, "stream")
	for what, open := range map[string]func() (streamFile, error){
		"os":  func() (streamFile, error) { return os.Open(name) },
		"aio": func() (streamFile, error) { return lib.Open(name) },
	} {
		f, err := open()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return ""
		}
		buf := make([]byte, 1<<20)
		read := func(want string, wantErr error) {
			t.Helper()
			if n, err := f.Read(buf); string(buf[:n]) != want || !errors.Is(err, wantErr) {
				t.Errorf("%s: Read: %q, %v, want %q, %v", what, buf[:n], err, want, wantErr)
			}
		}
		put("short")
		put("and then")
		read("short", nil)
		read("and then", nil)
		late := time.AfterFunc(20*time.Millisecond, func() { put("late") })
		read("late", nil)
		late.Stop()
		put("")
		read("", io.EOF)
		if err := f.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Errorf("%s: SetReadDeadline: %v", what, err)
		} else {
			read("", os.ErrDeadlineExceeded)
		}
		f.SetReadDeadline(time.Time{})
		closed := make(chan error, 1)
		time.AfterFunc(20*time.Millisecond, func() { closed <- f.Close() })
		read("", os.ErrClosed)
		if err := <-closed; err != nil {
			t.Errorf("%s: Close: %v", what, err)
		}
	}
	return ""
}
