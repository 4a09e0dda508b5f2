package aio_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// The suites of paths_test.go on every drive.

func TestPathsLikeOS(t *testing.T)       { each(t, pathsLikeOS) }
func TestDirFS(t *testing.T)             { each(t, testDirFS) }
func TestListLikeOS(t *testing.T)        { each(t, listLikeOS) }
func TestFileMethodsLikeOS(t *testing.T) { each(t, methodsLikeOS) }
func TestPipes(t *testing.T)             { each(t, testPipes) }

// TestReadFilePieces guards that a file which does not tell its size is asked for no small pieces:
// a pipe of packets cuts what does not fit, and files of /proc have more than one way to take it
// badly.
func TestReadFilePieces(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_DIRECT|unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(p[0])
		want := payload(1200)
		for i := 0; i < len(want); i += 400 {
			if _, err := unix.Write(p[1], want[i:i+400]); err != nil {
				t.Fatal(err)
			}
		}
		go func() {
			defer unix.Close(p[1]) // which is the end for ReadFile, that could not open a pipe without a writer
			for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if left, err := unix.IoctlGetInt(p[1], unix.TIOCINQ); err != nil || left == 0 {
					return
				}
			}
		}()
		if got, err := lib.ReadFile(fmt.Sprintf("/proc/self/fd/%d", p[0])); !bytes.Equal(got, want) || err != nil {
			t.Errorf("%d bytes of %d, %v", len(got), len(want), err)
		}
	})
}

// TestWriteFileFull: what WriteFile could not write is an error.
func TestWriteFileFull(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		want, got := os.WriteFile("/dev/full", payload(10), 0), lib.WriteFile("/dev/full", payload(10), 0)
		if want == nil || exactly(got) != exactly(want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// TestReadFile guards that ReadFile finds the end of files whose size says nothing about it, and
// reads as File does.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	sizes := []int{0, 1, 511, 512, 513, 1 << 20}
	for _, n := range sizes {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(n)), payload(n), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	each(t, func(t *testing.T, lib *aio.IO) {
		for _, name := range []string{"/proc/filesystems", "/proc/self/mountinfo", "/proc/devices",
			"/proc/sys/kernel/ostype",
			"/sys/kernel/mm/transparent_hugepage/enabled", "/dev/null"} {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Log(err)
				continue
			}
			if got, err := lib.ReadFile(name); !bytes.Equal(got, want) || err != nil {
				t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(want), err)
			}
		}
		for _, n := range sizes {
			got, err := lib.ReadFile(filepath.Join(dir, fmt.Sprint(n)))
			if !bytes.Equal(got, payload(n)) || err != nil || cap(got) > n+512 {
				t.Errorf("%d bytes: got %d in a buffer of %d, %v", n, len(got), cap(got), err)
			}
		}
		want := payload(300_000)
		wrote := make(chan error)
		go func() { wrote <- lib.WriteFile(fifo, want, 0) }() // each opens for the other
		if got, err := lib.ReadFile(fifo); !bytes.Equal(got, want) || err != nil {
			t.Errorf("%d bytes of a FIFO, %v", len(got), err)
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		if ops := lib.Stats().Ops; ownTypes && lib.Info().Drive != "auto" && (ops["read"] == 0 || ops["write"] == 0) {
			t.Errorf("what is in files went past the loop: %v", ops)
		}
	})
}

// TestReadFileGrows guards that a file that others append to is read up to a point at which it was
// whole.
func TestReadFileGrows(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		name := filepath.Join(t.TempDir(), "log")
		w, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; i < 20_000; i++ {
				select {
				case <-stop:
					return
				default:
					w.WriteString("0123456789")
				}
			}
		}()
		for last := 0; last < 5000; {
			got, err := lib.ReadFile(name)
			if err != nil || len(got) < last || !bytes.Equal(got, bytes.Repeat([]byte("0123456789"),
				len(got)/10+1)[:len(got)]) {
				t.Fatalf("%d bytes after %d, %v", len(got), last, err)
			}
			last = len(got)
		}
		close(stop)
		<-stopped
	})
}

// TestUmask guards that modes are cut by the umask, and that WriteFile leaves the mode of what is
// there alone.
func TestUmask(t *testing.T) {
	lib := open(t, aio.Options{})
	defer unix.Umask(unix.Umask(0o027))
	base := t.TempDir()
	for _, name := range []string{"new", "full/a", "full/d/e/f"} {
		likeOS(t, base, script{"modes of " + name, func(c calls, dir string) string {
			path := filepath.Join(dir, name)
			return exactly(c.WriteFile(path, []byte("x"), 0o7777)) + exactly(c.MkdirAll(path+"d/d", 0o7777)) +
				exactly(c.Mkdir(path+"m", 0o7777))
		}}, map[string]calls{"IO": ioCalls(lib)})
	}
}

// TestListDescriptors guards that to list a directory takes no descriptor but the File's own, and
// that nothing else does.
func TestListDescriptors(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		if !ownTypes {
			t.Skip("package os's files are its own business")
		}
		dir := t.TempDir()
		plant(dir)
		count := func() (n int) {
			for _, fd := range openFDs(t) {
				if strings.Contains(fd, dir) {
					n++
				}
			}
			return n
		}
		f, err := lib.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			f.Stat()
			f.Seek(0, io.SeekStart)
		}
		if n := count(); n != 1 {
			t.Errorf("%d descriptors for a directory that nobody lists", n)
		}
		for range 3 {
			f.ReadDir(1)
		}
		if n := count(); n != 1 {
			t.Errorf("%d descriptors for a directory that was listed", n)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if n := count(); n != 0 {
			t.Errorf("%d descriptors after Close", n)
		}
		tmp, err := lib.CreateTemp(dir, "x")
		if err != nil {
			t.Fatal(err)
		}
		if n := count(); n != 1 {
			t.Errorf("%d descriptors for a temporary file", n)
		}
		tmp.Close()
	})
}

// TestListWhileClosing guards that many list one directory side by side, and each name comes once;
// and that Close ends that without harm.
func TestListWhileClosing(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		dir := t.TempDir()
		const files = 500
		for i := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%050d", i)), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, early := range []bool{false, true} {
			f, err := lib.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			seen := map[string]int{}
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					for n := 0; ; n++ {
						list, err := f.ReadDir(3)
						mu.Lock()
						for _, e := range list {
							seen[e.Name()]++
						}
						mu.Unlock()
						if err != nil {
							if err != io.EOF && !early {
								t.Error(err)
							}
							return
						}
						if early && g == 0 && n == 5 {
							f.Close()
						}
					}
				})
			}
			wg.Wait()
			if !early && len(seen) != files {
				t.Errorf("%d names of %d", len(seen), files)
			}
			for name, n := range seen {
				if n != 1 {
					t.Errorf("%s came %d times", name, n)
				}
			}
			f.Close()
		}
	})
}

// BenchmarkNames compares operations on names: by package os, as IO does them, and as operations of
// a ring.
func BenchmarkNames(b *testing.B) {
	lib := open(b, aio.Options{})
	dir := b.TempDir()
	plant(dir)
	ctx := context.Background()
	file := filepath.Join(dir, "file")
	do := func(err error) {
		if err != nil {
			b.Error(err)
		}
	}
	mkrm := func(mkdir func(string, fs.FileMode) error, remove func(string) error) func(int) {
		return func(g int) {
			name := fmt.Sprint(dir, "/", g)
			do(mkdir(name, 0o700))
			do(remove(name))
		}
	}
	for _, side := range []struct {
		name string
		run  func(g int)
	}{
		{"stat/os", func(int) { os.Stat(file) }},
		{"stat/aio", func(int) { lib.Stat(file) }},
		{"stat/op", func(int) { do(lib.Do(ctx, op.Statx(op.CWD, file, 0, 0x7ff, new(op.Stat)))) }},
		{"mkdir/os", mkrm(os.Mkdir, os.Remove)},
		{"mkdir/aio", mkrm(lib.Mkdir, lib.Remove)},
		{"mkdir/op", mkrm(func(name string, _ fs.FileMode) error { return lib.Do(ctx, op.Mkdir(op.CWD, name, 0o700)) },
			func(name string) error { return lib.Do(ctx, op.Rmdir(op.CWD, name)) })},
	} {
		for _, n := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/%d", side.name, n), func(b *testing.B) { together(b, n, side.run) })
		}
	}
}

// BenchmarkReadFile reads files of 16 KiB, cached and not.
func BenchmarkReadFile(b *testing.B) {
	lib := open(b, aio.Options{})
	dir := b.TempDir()
	names := make([]string, 64)
	for i := range names {
		names[i] = filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(names[i], payload(16<<10), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	unix.Sync() // what is dirty stays cached
	for name, read := range map[string]func(string) ([]byte, error){"os": os.ReadFile, "aio": lib.ReadFile} {
		for _, cold := range []bool{false, true} {
			for _, n := range []int{1, 16, 64} {
				b.Run(fmt.Sprintf("%s/cold=%v/%d", name, cold, n), func(b *testing.B) {
					together(b, n, func(g int) {
						if cold {
							f, err := os.Open(names[g])
							if err != nil {
								b.Error(err)
								return
							}
							unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
							f.Close()
						}
						if data, err := read(names[g]); len(data) != 16<<10 || err != nil {
							b.Error(len(data), err)
						}
					})
				})
			}
		}
	}
}

// together has n goroutines run f, b.N times in all.
func together(b *testing.B, n int, f func(g int)) {
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() {
			for i := g; i < b.N; i += n {
				f(g)
			}
		})
	}
	wg.Wait()
}
