//go:build !weir_portable

package aio_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

func TestDetach(t *testing.T) { each(t, testDetach) }

// TestDetachForProcess: a process gets the descriptor itself, in blocking mode, and exec.Cmd copies
// nothing: so Run does not wait for the end of its standard input.
func TestDetachForProcess(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, looked := range []bool{false, true} {
			inR, inW, err := lib.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			outR, outW, err := lib.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			if looked {
				inR.Stat()
				outW.Stat()
			}
			stdin, err := inR.Detach()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := outW.Detach()
			if err != nil {
				t.Fatal(err)
			}
			if !blocking(t, stdin.Fd()) || !blocking(t, stdout.Fd()) {
				t.Error("non-blocking")
			}
			if _, err := inW.Write([]byte("hello\n")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/bin/sh", "-c", "read x; echo $x")
			cmd.Stdin, cmd.Stdout = stdin, stdout
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
			stdin.Close()
			stdout.Close()
			if out, err := io.ReadAll(outR); string(out) != "hello\n" || err != nil {
				t.Errorf("%q, %v", out, err)
			}
			inW.Close()
			outR.Close()
		}
	})
}

// TestRecordLocks: no call but Close makes the process lose its record locks, as closing a
// duplicate would.
func TestRecordLocks(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		name := filepath.Join(dir, "f")
		if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
		std, err := os.OpenFile(name, os.O_RDWR, 0) // closed at the end
		if err != nil {
			t.Fatal(err)
		}
		defer std.Close()
		f, err := lib.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
			t.Fatal(err)
		}
		for what, do := range map[string]func(){
			"Stat":       func() { f.Stat() },
			"Sync":       func() { f.Sync() },
			"ReadDir":    func() { f.ReadDir(1) },
			"Chmod":      func() { f.Chmod(0o600) },
			"Truncate":   func() { f.Truncate(5) },
			"Read":       func() { f.Read(make([]byte, 1)) },
			"another IO": func() { lib.Stat(name) },
			"conversion": func() {
				std, err := f.Detach()
				if err == nil {
					f, err = lib.FromFile(std)
				}
				if err != nil {
					t.Fatal(err)
				}
			},
		} {
			do()
			// An owner of another kind is asked: a lock of an open file (F_OFD_GETLK), as a process
			// would see it.
			seen := unix.Flock_t{Type: unix.F_WRLCK}
			if err := unix.FcntlFlock(std.Fd(), unix.F_OFD_GETLK, &seen); err != nil {
				t.Fatal(err)
			}
			if seen.Type == unix.F_UNLCK {
				t.Fatalf("%s has lost the lock", what)
			}
		}
	})
}

// TestDroppedFile: a File that is dropped without Close is closed, once, also if package os's file
// is on its descriptor.
func TestDroppedFile(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		drop := func(name string, with func(f *aio.File)) {
			f, err := lib.Create(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			with(f)
		}
		var kept *os.File
		drop("plain", func(*aio.File) {})
		drop("stat", func(f *aio.File) { f.Stat() })
		drop("detached", func(f *aio.File) { f.Detach() })
		drop("kept", func(f *aio.File) { kept, _ = f.Detach() })
		open := func() (n int) {
			for _, fd := range openFDs(t) {
				if strings.Contains(fd, dir) {
					n++
				}
			}
			return n
		}
		for range 500 {
			runtime.GC()
			if open() == 1 {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := open(); n != 1 {
			t.Errorf("%d are open, want the one that is kept", n)
		}
		if _, err := fmt.Fprint(kept, "x"); err != nil {
			t.Error(err)
		}
		kept.Close()
	})
}

// TestStatOfStream: FileInfos of streams are package os's, too, and to ask for one changes nothing.
func TestStatOfStream(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		r, w, err := lib.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.Stat()
		b, err2 := w.Stat()
		if err != nil || err2 != nil || !os.SameFile(a, b) || a.Mode()&os.ModeNamedPipe == 0 {
			t.Errorf("%v, %v; %v, %v", a, err, b, err2)
		}
		if blocking(t, r.Fd()) {
			t.Error("in blocking mode")
		}
		go func() {
			time.Sleep(time.Millisecond)
			w.Write([]byte("x"))
			w.Close()
		}()
		if p, err := io.ReadAll(r); string(p) != "x" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}
