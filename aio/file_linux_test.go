package aio_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// file is what the differential tests ask of *os.File and *aio.File alike.
type file interface {
	io.ReadWriteSeeker
	io.ReaderAt
	io.WriterAt
	io.StringWriter
	Stat() (os.FileInfo, error)
	Sync() error
	Truncate(int64) error
	Name() string
	SetDeadline(time.Time) error
	Close() error
}

var (
	_ file = (*os.File)(nil)
	_ file = (*aio.File)(nil)
)

// fileError describes an error as far as programs can tell errors apart.
func fileError(err error) string {
	if err == nil {
		return "nil"
	}
	s := fmt.Sprintf("%T %v", err, err)
	var pe *fs.PathError
	if errors.As(err, &pe) {
		s = fmt.Sprintf("PathError %s %T", pe.Op, pe.Err)
	}
	for _, target := range []error{io.EOF, os.ErrClosed, os.ErrNotExist, os.ErrExist, os.ErrPermission, os.ErrInvalid,
		os.ErrNoDeadline,
		syscall.EISDIR, syscall.EBADF, syscall.EINVAL, syscall.ENOSPC} {
		if errors.Is(err, target) {
			s += fmt.Sprintf(" Is(%v)", target)
		}
	}
	return s
}

// Random programs of reads, writes, seeks and truncations do the same to an *aio.File as to an
// *os.File: same counts, same errors, same bytes.
func TestFileLikeOS(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for seed := range uint64(20) {
			if seed == 19 {
				seed = 135
			}
			runFileProgram(t, lib, seed)
		}
	})
}

func FuzzFileLikeOS(f *testing.F) {
	lib, err := aio.New(aio.Options{})
	if err != nil {
		f.Skip("no backend can start here:", err)
	}
	f.Cleanup(func() { lib.Close() })
	f.Add(uint64(135)) // a read across the end of what the page cache holds
	f.Fuzz(func(t *testing.T, seed uint64) { runFileProgram(t, lib, seed) })
}

func runFileProgram(t *testing.T, lib *aio.IO, seed uint64) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	flag := []int{os.O_RDWR, os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_TRUNC}[rnd.IntN(5)]
	content := make([]byte, rnd.IntN(10000))
	for i := range content {
		content[i] = byte(rnd.Uint32())
	}
	dir := t.TempDir()
	names := [2]string{filepath.Join(dir, "os"), filepath.Join(dir, "aio")}
	var files [2]file
	for i, name := range names {
		if err := os.WriteFile(name, content, 0o666); err != nil {
			t.Fatal(err)
		}
		var err error
		if i == 0 {
			files[0], err = os.OpenFile(name, flag, 0)
		} else {
			files[1], err = lib.OpenFile(name, flag, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer files[i].Close()
	}
	for step := range 60 {
		op, size, off, whence := rnd.IntN(9), rnd.IntN(3000), int64(rnd.IntN(12000)-500), rnd.IntN(3)
		if rnd.IntN(5) == 0 {
			size = 0
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		var got [2]string
		for i, f := range files {
			buf := bytes.Clone(data)
			switch op {
			case 0, 1:
				n, err := f.Read(buf)
				got[i] = fmt.Sprintf("Read %d %s %x", n, fileError(err), buf)
			case 2:
				n, err := f.ReadAt(buf, off)
				got[i] = fmt.Sprintf("ReadAt %d %s %x", n, fileError(err), buf[:n])
			case 3:
				n, err := f.Write(buf)
				got[i] = fmt.Sprintf("Write %d %s", n, fileError(err))
			case 4:
				n, err := f.WriteAt(buf, off)
				got[i] = fmt.Sprintf("WriteAt %d %s", n, fileError(err))
			case 5:
				pos, err := f.Seek(off, whence)
				got[i] = fmt.Sprintf("Seek %d %s", pos, fileError(err))
			case 6:
				got[i] = "Truncate " + fileError(f.Truncate(off))
			case 7:
				info, err := f.Stat()
				got[i] = fmt.Sprintf("Stat %d %v %s", info.Size(), info.Mode(), fileError(err))
			case 8:
				n, err := f.WriteString(string(buf))
				got[i] = fmt.Sprintf("WriteString %d %s Sync %s", n, fileError(err), fileError(f.Sync()))
			}
		}
		if got[0] != got[1] {
			t.Fatalf("seed %d, flags %#x, step %d differs\n os  %.300s\n aio %.300s", seed, flag, step, got[0], got[1])
		}
	}
	a, _ := os.ReadFile(names[0])
	b, _ := os.ReadFile(names[1])
	if !bytes.Equal(a, b) {
		t.Fatalf("seed %d: the files differ", seed)
	}
}

// Opening fails as in package os, and a closed file answers as in package os.
func TestFileErrorsLikeOS(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		path := filepath.Join(dir, "f")
		os.WriteFile(path, []byte("x"), 0o644)
		open := func(name string, flag int) [2]string {
			f1, err1 := os.OpenFile(name, flag, 0o600)
			f2, err2 := lib.OpenFile(name, flag, 0o600)
			if err1 == nil {
				f1.Close()
			}
			if err2 == nil {
				f2.Close()
			}
			return [2]string{fileError(err1), fileError(err2)}
		}
		for name, got := range map[string][2]string{
			"missing":  open(filepath.Join(dir, "none"), os.O_RDONLY),
			"excl":     open(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY),
			"dir":      open(dir, os.O_WRONLY),
			"empty":    open("", os.O_RDONLY),
			"nul":      open("a\x00b", os.O_RDONLY),
			"not dir":  open(path+"/x", os.O_RDONLY),
			"too long": open(string(bytes.Repeat([]byte("x"), 5000)), os.O_RDONLY),
		} {
			if got[0] != got[1] {
				t.Errorf("%s:\n os  %s\n aio %s", name, got[0], got[1])
			}
		}
		f1, _ := os.Open(path)
		f2, _ := lib.Open(path)
		for _, f := range []file{f1, f2} {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
		b := make([]byte, 1)
		for name, call := range map[string]func(f file) error{
			"Read":    func(f file) error { _, err := f.Read(b); return err },
			"ReadAt":  func(f file) error { _, err := f.ReadAt(b, 0); return err },
			"Write":   func(f file) error { _, err := f.Write(b); return err },
			"WriteAt": func(f file) error { _, err := f.WriteAt(b, 0); return err },
			"Seek":    func(f file) error { _, err := f.Seek(0, 0); return err },
			"Stat":    func(f file) error { _, err := f.Stat(); return err },
			"Sync":    file.Sync,
			"Close":   file.Close,
		} {
			if want, got := fileError(call(f1)), fileError(call(f2)); got != want {
				t.Errorf("%s of a closed file:\n os  %s\n aio %s", name, want, got)
			}
		}
		// package os has an error of its own here
		if err := f2.SetDeadline(time.Time{}); ownTypes && !errors.Is(err, os.ErrClosed) {
			t.Errorf("SetDeadline of a closed file: %v", err)
		}
		d1, _ := os.Open(dir)
		defer d1.Close()
		d2, err := lib.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d2.Close()
		_, err1 := d1.Read(b)
		_, err2 := d2.Read(b)
		if fileError(err1) != fileError(err2) {
			t.Errorf("Read of a directory:\n os  %s\n aio %s", fileError(err1), fileError(err2))
		}
		if (*aio.File)(nil).Close() != os.ErrInvalid || new(aio.File).Close() != os.ErrInvalid {
			t.Error("Close of no file is not os.ErrInvalid")
		}
	})
}

// A File is a proper io.Reader, and its Stat is one that os.SameFile knows.
func TestFileReader(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		path := filepath.Join(t.TempDir(), "f")
		content := bytes.Repeat([]byte("weir"), 5000)
		os.WriteFile(path, content, 0o644)
		f, err := lib.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := iotest.TestReader(f, content); err != nil {
			t.Error(err)
		}
		info, err := f.Stat()
		std, _ := os.Stat(path)
		if err != nil || !os.SameFile(info, std) || info.Name() != "f" {
			t.Errorf("Stat: %v, %v", info, err)
		}
	})
}

// Reads of a pipe obey deadlines and contexts and end with Close; what is written later is not
// lost.
func TestPipe(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		var fds [2]int
		flags := unix.O_CLOEXEC
		if !ownTypes {
			flags |= unix.O_NONBLOCK // os.NewFile leaves the mode alone
		}
		if err := unix.Pipe2(fds[:], flags); err != nil {
			t.Fatal(err)
		}
		r, w := lib.NewFile(uintptr(fds[0]), "r"), lib.NewFile(uintptr(fds[1]), "w")
		defer w.Close()
		b := make([]byte, 8)
		r.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
		if _, err := r.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read at the deadline: %v", err)
		}
		r.SetReadDeadline(time.Time{})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		if _, err := r.ReadContext(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ReadContext: %v", err)
		}
		big := bytes.Repeat([]byte("0123456789"), 100_000) // more than a pipe holds: partial writes
		var wg sync.WaitGroup
		wg.Add(1)
		go func() {
			defer wg.Done()
			if n, err := w.Write(big); n != len(big) || err != nil {
				t.Errorf("Write: %d, %v", n, err)
			}
			w.Close()
		}()
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, big) {
			t.Errorf("read %d of %d bytes, %v", len(got), len(big), err)
		}
		wg.Wait()
		time.AfterFunc(5*time.Millisecond, func() { r.Close() })
		if _, err := r.Read(b); err != io.EOF && !errors.Is(err, os.ErrClosed) {
			t.Errorf("Read while closed: %v", err)
		}
		r.Close()
		if aioFile := lib.NewFile(^uintptr(0), "none"); aioFile != nil {
			t.Error("NewFile of no descriptor is not nil")
		}
	})
}

// Many goroutines read and write one file side by side, cached and not, and each finds its own
// bytes.
func TestFileConcurrent(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, flag := range []int{0, unix.O_DIRECT} {
			path := filepath.Join(t.TempDir(), "f")
			f, err := lib.OpenFile(path, os.O_RDWR|os.O_CREATE|flag, 0o600)
			if errors.Is(err, unix.EINVAL) {
				t.Log("no O_DIRECT on", path)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			const block = 4096
			var wg sync.WaitGroup
			for g := range 32 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					// aligned
					buf, err := unix.Mmap(-1, 0, 2*block, unix.PROT_READ|unix.PROT_WRITE,
						unix.MAP_ANON|unix.MAP_PRIVATE)
					if err != nil {
						t.Error(err)
						return
					}
					defer unix.Munmap(buf)
					out, in := buf[:block], buf[block:]
					for i := range 20 {
						for j := range out {
							out[j] = byte(g*31 + i)
						}
						off := int64(g*20+i) * block
						if n, err := f.WriteAt(out, off); n != block || err != nil {
							t.Errorf("WriteAt: %d, %v", n, err)
							return
						}
						clear(in)
						if n, err := f.ReadAt(in, off); n != block || err != nil || !bytes.Equal(in, out) {
							t.Errorf("ReadAt: %d, %v, equal %v", n, err, bytes.Equal(in, out))
							return
						}
					}
				}()
			}
			wg.Wait()
			f.Close()
		}
	})
}

// The descriptor calls do what the system calls of their names do.
func TestDescriptorCalls(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		ctx := context.Background()
		var p, q [2]int
		for _, fds := range []*[2]int{&p, &q} {
			if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fds[0])
			defer unix.Close(fds[1])
		}
		check := func(what string, n, want int, err error) {
			t.Helper()
			if n != want || err != nil {
				t.Errorf("%s = %d, %v, want %d", what, n, err, want)
			}
		}
		n, err := lib.Write(ctx, p[1], []byte("hello"))
		check("Write", n, 5, err)
		n, err = lib.Poll(ctx, p[0], unix.POLLIN)
		check("Poll", n, unix.POLLIN, err)
		n, err = lib.Splice(ctx, p[0], -1, q[1], -1, 100)
		check("Splice", n, 5, err)
		bufs := [][]byte{make([]byte, 2), {}, make([]byte, 10)}
		n, err = lib.Readv(ctx, q[0], bufs, -1)
		check("Readv", n, 5, err)
		if string(bufs[0])+string(bufs[2][:3]) != "hello" {
			t.Errorf("Readv got %q", bufs)
		}
		short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		defer cancel()
		if _, err := lib.Splice(short, p[0], -1, q[1], -1, 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Splice from an empty pipe: %v", err)
		}
		if _, err := lib.Read(ctx, -1, make([]byte, 1)); err != unix.EBADF {
			t.Errorf("Read of descriptor -1: %v", err)
		}

		s, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(s[0])
		defer unix.Close(s[1])
		n, err = lib.Send(ctx, s[0], []byte("ping"), 0)
		check("Send", n, 4, err)
		b := make([]byte, 10)
		n, err = lib.Recv(ctx, s[1], b, unix.MSG_PEEK)
		check("Recv with MSG_PEEK", n, 4, err)
		m := &aio.Msg{Bufs: [][]byte{b[:1], b[1:]}, Control: make([]byte, 64)}
		n, err = lib.RecvMsg(ctx, s[1], m, 0)
		check("RecvMsg", n, 4, err)
		if string(b[:4]) != "ping" || len(m.Control) != 0 {
			t.Errorf("RecvMsg got %q, control %d bytes", b[:4], len(m.Control))
		}
		rights := unix.UnixRights(p[0])
		n, err = lib.SendMsg(ctx, s[0], &aio.Msg{Bufs: [][]byte{[]byte("fd")}, Control: rights}, 0)
		check("SendMsg", n, 2, err)
		m.Control = make([]byte, 64)
		n, err = lib.RecvMsg(ctx, s[1], m, unix.MSG_CMSG_CLOEXEC)
		check("RecvMsg", n, 2, err)
		if cms, err := unix.ParseSocketControlMessage(m.Control); err != nil || len(cms) != 1 {
			t.Errorf("control message: %v, %v", cms, err)
		} else if fds, err := unix.ParseUnixRights(&cms[0]); err != nil || len(fds) != 1 {
			t.Errorf("rights: %v, %v", fds, err)
		} else {
			unix.Close(fds[0])
		}
		if err := lib.ShutdownFD(ctx, s[0], unix.SHUT_WR); err != nil {
			t.Error(err)
		}
		n, err = lib.Recv(ctx, s[1], b, 0)
		check("Recv at the end", n, 0, err)
		unix.Shutdown(s[1], unix.SHUT_RD)
		if _, err = lib.Send(ctx, s[1], b, 0); err != nil {
			t.Errorf("Send the other way: %v", err)
		}

		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fd := int(f.Fd())
		n, err = lib.Writev(ctx, fd, [][]byte{[]byte("ab"), []byte("cdef")}, 2)
		check("Writev", n, 6, err)
		n, err = lib.WriteAt(ctx, fd, []byte("XY"), 0)
		check("WriteAt", n, 2, err)
		n, err = lib.ReadAt(ctx, fd, b, 0)
		check("ReadAt", n, 8, err)
		if string(b[:8]) != "XYabcdef" {
			t.Errorf("file holds %q", b[:8])
		}
		if _, err := lib.ReadAt(ctx, fd, b, -1); err != unix.EINVAL {
			t.Errorf("ReadAt -1: %v", err)
		}
		if err := lib.Fsync(ctx, fd); err != nil {
			t.Error(err)
		}
		if err := lib.Fdatasync(ctx, fd); err != nil {
			t.Error(err)
		}
	})
}
