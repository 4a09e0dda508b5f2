package aio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// TestFileCopy guards what io.Copy does from files and to files, of weir's and of package os, in
// the kernel or not: bytes, counts, positions, and what is left of a limit.
func TestFileCopy(t *testing.T) {
	data := payload(9<<20 + 5)
	each(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		from := filepath.Join(dir, "from")
		if err := os.WriteFile(from, data, 0o600); err != nil {
			t.Fatal(err)
		}
		mine, std := ioCalls(lib), osCalls()
		create := func(own bool, name string, flag int) anyFile {
			t.Helper()
			var f anyFile
			var err error
			if own {
				f, err = anyOf(lib.OpenFile(name, flag, 0o600))
			} else {
				f, err = anyOf(os.OpenFile(name, flag, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		for i, pair := range []struct {
			src    calls
			own    bool
			append int
		}{{mine, true, 0}, {std, true, 0}, {mine, false, 0}, {mine, true, os.O_APPEND}} {
			for _, limit := range []int64{-1, 0, 1, 5 << 20, 1 << 40} {
				src, err := pair.src.Open(from)
				if err != nil {
					t.Fatal(err)
				}
				to := filepath.Join(dir, "to")
				os.Remove(to)
				dst := create(pair.own, to, os.O_RDWR|os.O_CREATE|pair.append)
				dst.WriteString("head")
				src.Seek(11, io.SeekStart)
				want := data[11:]
				var r io.Reader = src
				lr := &io.LimitedReader{R: src, N: limit}
				if limit >= 0 {
					r, want = lr, want[:min(limit, int64(len(want)))]
				}
				what := fmt.Sprintf("pair %d, limit %d", i, limit)
				n, err := io.Copy(dst, r)
				if n != int64(len(want)) || err != nil {
					t.Errorf("%s: %d of %d bytes, %v", what, n, len(want), err)
				}
				if limit >= 0 && lr.N != limit-n {
					t.Errorf("%s: %d are left of the limit", what, lr.N)
				}
				for f, at := range map[anyFile]int64{src: 11 + n, dst: 4 + n} {
					if pos, err := f.Seek(0, io.SeekCurrent); pos != at || err != nil {
						t.Errorf("%s: %s is at %d, not %d: %v", what, filepath.Base(f.Name()), pos, at, err)
					}
				}
				if got, err := os.ReadFile(to); err != nil || !bytes.Equal(got, append([]byte("head"), want...)) {
					t.Errorf("%s: other bytes arrived, %v", what, err)
				}
				src.Close()
				dst.Close()
			}
		}
		// Files without a size, pipes and connections.
		for _, name := range []string{"/proc/filesystems", "/proc/self/mountinfo"} {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Log(err)
				continue
			}
			src, err := lib.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			dst := create(true, filepath.Join(dir, "proc"), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
			if n, err := io.Copy(dst, src); n != int64(len(want)) || err != nil {
				t.Errorf("%s: %d of %d bytes, %v", name, n, len(want), err)
			}
			if got, _ := os.ReadFile(dst.Name()); !bytes.Equal(got, want) {
				t.Errorf("%s: other bytes arrived", name)
			}
			src.Close()
			dst.Close()
		}
		r, w, err := lib.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan error)
		go func() {
			src, err := lib.Open(from)
			if err == nil {
				_, err = io.Copy(w, src)
				src.Close()
			}
			sent <- errors.Join(err, w.Close())
		}()
		dst := create(true, filepath.Join(dir, "piped"), os.O_RDWR|os.O_CREATE)
		if n, err := io.Copy(dst, r); n != int64(len(data)) || err != nil {
			t.Errorf("through a pipe: %d bytes, %v", n, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if got, _ := os.ReadFile(dst.Name()); !bytes.Equal(got, data) {
			t.Error("through a pipe: other bytes arrived")
		}
		r.Close()
		dst.Close()
	})
}

// TestFileCopyInKernel guards that nothing is read or written where the kernel copies.
func TestFileCopyInKernel(t *testing.T) {
	if !ownTypes {
		t.Skip("package os copies")
	}
	data := payload(6<<20 + 1)
	dir := t.TempDir()
	from := filepath.Join(dir, "from")
	if err := os.WriteFile(from, data, 0o600); err != nil {
		t.Fatal(err)
	}
	probe, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	file, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if n, err := unix.CopyFileRange(int(file.Fd()), nil, int(probe.Fd()), nil, 1, 0); n != 1 {
		t.Skip("copy_file_range does not work here:", err)
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		src, err := lib.Open(from)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		dst, err := lib.Create(filepath.Join(dir, "to"))
		if err != nil {
			t.Fatal(err)
		}
		defer dst.Close()
		if n, err := io.Copy(dst, src); n != int64(len(data)) || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		file.Seek(0, io.SeekStart)
		if n, err := io.Copy(dst, file); n != int64(len(data)) || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		a, b := pipe(t, "unix", lib.Dial, net.Listen)
		got := slowly(b)
		src.Seek(0, io.SeekStart)
		if n, err := io.Copy(a, src); n != int64(len(data)) || err != nil {
			t.Errorf("to a unix socket: %d bytes, %v", n, err)
		}
		a.Close()
		if !bytes.Equal(<-got, data) {
			t.Error("to a unix socket: other bytes arrived")
		}
		b.Close()
		if ops := lib.Stats().Ops; ops["read"]+ops["write"]+ops["send"] > 0 {
			t.Errorf("operations of the loop: %v", ops)
		}
	})
}

// TestFileCopyToNet guards that connections of package net take weir's files, through their
// SyscallConn.
func TestFileCopyToNet(t *testing.T) {
	data := payload(1 << 20)
	each(t, func(t *testing.T, lib *aio.IO) {
		name := filepath.Join(t.TempDir(), "f")
		if err := lib.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := lib.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		for _, limited := range []bool{false, true} {
			src.Seek(0, io.SeekStart)
			a, b := pipe(t, "tcp", net.Dial, net.Listen)
			got := slowly(b)
			var r io.Reader = src
			if limited {
				r = io.LimitReader(src, int64(len(data)))
			}
			if n, err := io.Copy(a, r); n != int64(len(data)) || err != nil {
				t.Errorf("%d bytes, %v", n, err)
			}
			a.Close()
			if !bytes.Equal(<-got, data) {
				t.Error("other bytes arrived")
			}
			b.Close()
		}
	})
}

// TestFileCopyErrors guards that what a copy cannot do it says as reads and writes do, on the file
// whose fault it is.
func TestFileCopyErrors(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		name := filepath.Join(dir, "f")
		if err := os.WriteFile(name, payload(100), 0o600); err != nil {
			t.Fatal(err)
		}
		use := func(srcFlag, dstFlag int, closeSrc, closeDst bool) error {
			src, err := lib.OpenFile(name, srcFlag, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			dst, err := lib.OpenFile(filepath.Join(dir, "to"), dstFlag|os.O_CREATE, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer dst.Close()
			if closeSrc {
				src.Close()
			}
			if closeDst {
				dst.Close()
			}
			n, err := io.Copy(dst, src)
			if n != 0 {
				t.Errorf("%d bytes", n)
			}
			return err
		}
		for _, c := range []struct {
			err  error
			want error
			path string
		}{
			{use(os.O_WRONLY, os.O_WRONLY, false, false), syscall.EBADF, "f"},
			{use(os.O_RDONLY, os.O_RDONLY, false, false), syscall.EBADF, "to"},
			{use(os.O_RDONLY, os.O_WRONLY, true, false), os.ErrClosed, "f"},
			{use(os.O_RDONLY, os.O_WRONLY, false, true), os.ErrClosed, "to"},
		} {
			var e *os.PathError
			if !errors.Is(c.err, c.want) || !errors.As(c.err, &e) || filepath.Base(e.Path) != c.path && ownTypes {
				t.Errorf("%s, want %v of %s", exactly(c.err), c.want, c.path)
			}
		}
		full, err := lib.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		src, err := lib.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		if _, err := io.Copy(full, src); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("to /dev/full: %v", err)
		}
	})
}

// TestFileSyscallConn guards that the descriptor can be used in turn, that on a pipe Read and Write
// wait, with deadlines, until Close, and that on a file they do not.
func TestFileSyscallConn(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		raw := func(f *aio.File) syscall.RawConn {
			c, err := f.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		r, w, err := lib.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		b := make([]byte, 10)
		n := 0
		take := func(fd uintptr) bool {
			var err error
			n, err = unix.Read(int(fd), b)
			return err != unix.EAGAIN
		}
		r.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
		if err := raw(r).Read(take); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("at the deadline: %v", err)
		}
		r.SetReadDeadline(time.Time{})
		wrote := make(chan error)
		go func() {
			time.Sleep(time.Millisecond)
			wrote <- raw(w).Write(func(fd uintptr) bool {
				_, err := unix.Write(int(fd), []byte("text"))
				return err != unix.EAGAIN
			})
		}()
		if err := raw(r).Read(take); err != nil || string(b[:n]) != "text" {
			t.Errorf("read %q, %v", b[:n], err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		inside := false
		if err := raw(r).Control(func(fd uintptr) { inside = fd == r.Fd() || !ownTypes }); err != nil || !inside {
			t.Errorf("Control: %v, %v", inside, err)
		}
		ended := make(chan error)
		go func() { ended <- raw(r).Read(func(uintptr) bool { return false }) }()
		time.Sleep(2 * time.Millisecond)
		r.Close()
		if err := <-ended; err == nil || ownTypes && !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		for _, use := range []func(syscall.RawConn) error{
			func(c syscall.RawConn) error { return c.Control(func(uintptr) { t.Error("called on a closed file") }) },
			func(c syscall.RawConn) error {
				return c.Read(func(uintptr) bool { t.Error("called on a closed file"); return true })
			},
			func(c syscall.RawConn) error {
				return c.Write(func(uintptr) bool { t.Error("called on a closed file"); return true })
			},
		} {
			if err := use(raw(r)); err == nil || ownTypes && !errors.Is(err, os.ErrClosed) {
				t.Errorf("of a closed file: %v", err)
			}
		}
		f, err := lib.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		std, err := os.Open(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		defer std.Close()
		stdRaw, err := std.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		calls := 0
		again := func(uintptr) bool { calls++; return false }
		if want, got := stdRaw.Read(again), raw(f).Read(again); got == nil || got.Error() != want.Error() ||
			calls != 2 {
			t.Errorf("of a file that cannot be waited for: %v after %d calls, with package os %v", got, calls, want)
		}
	})
}
