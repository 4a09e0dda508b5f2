package aio_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// listLikeOS guards that an open directory is listed as package os does it, in pieces of all sizes
// and from the start again.
func listLikeOS(t *testing.T, lib *aio.IO) {
	dir := t.TempDir()
	plant(dir)
	for i := range 300 { // more than is read at once
		if err := os.WriteFile(filepath.Join(dir, "full", fmt.Sprintf("%0100d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{"full", "empty", "file"}
	for _, name := range names {
		path := filepath.Join(dir, name)
		say := func(c calls) (said []string) {
			f, err := c.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			for i, n := range []int{1, 3, 40, 2, 1000, 1, 0, -1, 1} {
				infos, err := f.Readdir(n)
				said = append(said, shapes(infos, func(i os.FileInfo) string { return shape(i, nil) })+exactly(err))
				list, err := f.ReadDir(n)
				said = append(said, shapes(list, entry)+exactly(err))
				names, err := f.Readdirnames(n)
				said = append(said, fmt.Sprint(len(names), names == nil, names)+exactly(err))
				if i == 3 || i == 6 {
					pos, err := f.Seek(0, io.SeekStart)
					said = append(said, fmt.Sprint("Seek ", pos, exactly(err)))
				}
			}
			return append(said, exactly(f.Close()), exactly(f.Close()))
		}
		want, got := say(osCalls()), say(ioCalls(lib))
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s, step %d:\n os  %.1000s\n aio %.1000s", name, i, want[i], got[i])
			}
		}
	}
}

func TestListEverywhere(t *testing.T) { listLikeOS(t, anywhere(t)) }

// fileMethods are the calls of an open file that say no more than an error.
func fileMethods() []struct {
	name string
	call func(f anyFile) error
} {
	b := make([]byte, 1)
	return []struct {
		name string
		call func(f anyFile) error
	}{
		{"Chdir", func(f anyFile) error { return f.Chdir() }},
		{"Chmod", func(f anyFile) error { return f.Chmod(0o604 | os.ModeSticky) }},
		{"Chown", func(f anyFile) error { return f.Chown(os.Getuid(), -1) }},
		{"Read", func(f anyFile) error { _, err := f.Read(b); return err }},
		{"ReadAt", func(f anyFile) error { _, err := f.ReadAt(b, 0); return err }},
		{"ReadDir", func(f anyFile) error { _, err := f.ReadDir(1); return err }},
		{"Readdir", func(f anyFile) error { _, err := f.Readdir(1); return err }},
		{"Readdirnames", func(f anyFile) error { _, err := f.Readdirnames(1); return err }},
		{"ReadFrom", func(f anyFile) error { _, err := f.ReadFrom(strings.NewReader("xy")); return err }},
		{"Seek", func(f anyFile) error { _, err := f.Seek(0, io.SeekEnd); return err }},
		{"SetDeadline", func(f anyFile) error { return f.SetDeadline(time.Time{}) }},
		{"SetReadDeadline", func(f anyFile) error { return f.SetReadDeadline(time.Time{}) }},
		{"SetWriteDeadline", func(f anyFile) error { return f.SetWriteDeadline(time.Time{}) }},
		{"Stat", func(f anyFile) error { _, err := f.Stat(); return err }},
		{"Sync", func(f anyFile) error { return f.Sync() }},
		{"Truncate", func(f anyFile) error { return f.Truncate(2) }},
		{"Write", func(f anyFile) error { _, err := f.Write(b); return err }},
		{"WriteAt", func(f anyFile) error { _, err := f.WriteAt(b, 0); return err }},
		{"WriteString", func(f anyFile) error { _, err := f.WriteString("z"); return err }},
		{"WriteTo", func(f anyFile) error { _, err := f.WriteTo(io.Discard); return err }},
		{"Close", func(f anyFile) error { return f.Close() }},
	}
}

// methodsLikeOS guards that each method fails as package os's does: on no file, on one that is
// closed, on files and directories open for reading.
func methodsLikeOS(t *testing.T, lib *aio.IO) {
	for _, m := range fileMethods() {
		if got := m.call((*aio.File)(nil)); got != os.ErrInvalid {
			t.Errorf("%s of nil: %v", m.name, got)
		}
	}
	if fd := (*aio.File)(nil).Fd(); fd != ^uintptr(0) {
		t.Errorf("Fd of nil: %d", fd)
	}
	if raw, err := (*aio.File)(nil).SyscallConn(); raw != nil || err != os.ErrInvalid {
		t.Errorf("SyscallConn of nil: %v, %v", raw, err)
	}
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(home)
	base := t.TempDir()
	for _, name := range []string{"file", "full"} {
		for _, closed := range []bool{false, true} {
			for _, m := range fileMethods() {
				likeOS(t, base, script{fmt.Sprintf("%s of %s, closed %v", m.name, name, closed),
					func(c calls, dir string) string {
						f, err := c.Open(filepath.Join(dir, name))
						if err != nil {
							return exactly(err)
						}
						defer f.Close()
						if closed {
							f.Close()
							// What package os says in some places is private, and is not
							// os.ErrClosed.
							return strings.ReplaceAll(exactly(m.call(f)), "use of closed file", os.ErrClosed.Error())
						}
						said := exactly(m.call(f))
						here, err := os.Getwd()
						if err := os.Chdir(home); err != nil {
							t.Fatal(err)
						}
						return fmt.Sprint(said, here, err)
					}}, map[string]calls{"IO": ioCalls(lib)})
			}
		}
	}
}

func TestFileMethodsEverywhere(t *testing.T) { methodsLikeOS(t, anywhere(t)) }

// testPipes guards that both ends of a Pipe have deadlines, and that what is written is read.
func testPipes(t *testing.T, lib *aio.IO) {
	r, w, err := lib.Pipe()
	if err != nil {
		t.Skipf("no pipes on %s: %v", runtime.GOOS, err)
	}
	defer r.Close()
	defer w.Close()
	if stdR, stdW, err := os.Pipe(); err != nil {
		t.Error(err)
	} else {
		if r.Name() != stdR.Name() || w.Name() != stdW.Name() {
			t.Errorf("they are called %q and %q", r.Name(), w.Name())
		}
		stdR.Close()
		stdW.Close()
	}
	b := make([]byte, 1<<20)
	for _, end := range []struct {
		*aio.File
		wait func([]byte) (int, error)
	}{{r, r.Read}, {w, w.Write}} {
		if err := end.SetDeadline(time.Now().Add(5 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := end.wait(b); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s at its deadline: %v", end.Name(), err)
		}
		if err := end.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() {
		_, err := w.Write(slices.Repeat([]byte("0123456789"), 100_000))
		done <- errors.Join(err, w.Close())
	}()
	got, err := io.ReadAll(r)
	if err != nil || len(got) < 1_000_000 || !bytes.HasSuffix(got, []byte("0123456789")) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPipesEverywhere(t *testing.T) { testPipes(t, anywhere(t)) }
