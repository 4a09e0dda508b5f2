//go:build !weir_portable

package coro

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// TestFileView guards reads and writes of files and pipes in a coroutine.
func TestFileView(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		name := filepath.Join(t.TempDir(), "f")
		f, err := weir.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 1<<20)
		rand.Read(data)
		r.do(func(task *Task) {
			v := task.File(f)
			if n, err := v.Write(data); n != len(data) || err != nil {
				t.Error(n, err)
			}
			if n, err := v.WriteAt([]byte("x"), 5); n != 1 || err != nil {
				t.Error(n, err)
			}
			data[5] = 'x'
			if err := v.Sync(); err != nil {
				t.Error(err)
			}
			got := make([]byte, len(data))
			if n, err := v.ReadAt(got, 0); n != len(got) || err != nil || !bytes.Equal(got, data) {
				t.Error(n, err)
			}
			if _, err := v.Seek(0, io.SeekStart); err != nil {
				t.Error(err)
			}
			if got, err := io.ReadAll(v); err != nil || !bytes.Equal(got, data) {
				t.Error(len(got), err)
			}
			if v.Name() != name {
				t.Error(v.Name())
			}
			task.own.cause = ErrCanceled
			if _, err := v.ReadAt(got, 0); !errors.Is(err, ErrCanceled) {
				t.Errorf("cancelled: %v", err)
			}
			if err := v.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := f.Close(); !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
}

// TestFlagsInCoroutine: reads and writes of a task's lists have flags.
func TestFlagsInCoroutine(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, []byte("0123"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := weir.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rd, wr, err := weir.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer rd.Close()
		defer wr.Close()
		r.do(func(task *Task) {
			buf := make([]byte, 6)
			write := op.Write(-1, []byte("ab"), 0).With(op.Append | op.DSync).On(f)
			read := op.Read(-1, buf, 0).With(op.HiPri).On(f)
			if err := task.Do(write.Link(), read); err != nil || string(buf) != "0123ab" {
				t.Errorf("%q, %v", buf, err)
			}
			if err := task.Do(op.Read(-1, buf, op.Stream).With(op.NoWait).On(rd)); !errors.Is(err, syscall.EAGAIN) {
				t.Errorf("NoWait on an empty pipe: %v", err)
			}
			if err := task.Do(op.Read(-1, buf, 0).With(1 << 20).On(f)); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("an unknown flag: %v", err)
			}
		})
	})
}

// TestFileViewMetadata guards that a view's calls which may wait for a disk are made by the pool,
// while others run, and are not made once the task has been cancelled; that views of a directory
// share what has been read of it; and that io.Copy works between views.
func TestFileViewMetadata(t *testing.T) {
	weir := open(t, aio.Options{PoolSize: 1})
	r := onSystem(t, Options{IO: weir})
	path := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := weir.WriteFile(filepath.Join(path, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := weir.OpenFile(filepath.Join(path, "a"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir, err := weir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for name, call := range map[string]func(v *aio.File) error{
		"Stat":         func(v *aio.File) error { _, err := v.Stat(); return err },
		"Truncate":     func(v *aio.File) error { return v.Truncate(1) },
		"Chmod":        func(v *aio.File) error { return v.Chmod(0o640) },
		"Chown":        func(v *aio.File) error { return v.Chown(-1, -1) },
		"ReadDir":      func(v *aio.File) error { _, err := v.ReadDir(-1); return err },
		"Readdir":      func(v *aio.File) error { _, err := v.Readdir(-1); return err },
		"Readdirnames": func(v *aio.File) error { _, err := v.Readdirnames(-1); return err },
	} {
		file := f
		if strings.HasPrefix(name, "Read") {
			file = dir
		}
		var order []string
		gate := make(chan struct{})
		var waited, late *Handle[int]
		r.do(func(task *Task) { // one after the other, in this order
			hold := child(task, func(task *Task) { task.Blocking(func() { <-gate }) })
			waited = child(task, func(task *Task) {
				if err := call(task.File(file)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				order = append(order, "done")
			})
			late = child(task, func(task *Task) {
				if err := call(task.File(file)); !errors.Is(err, ErrCanceled) {
					t.Errorf("%s of a task that was cancelled: %v", name, err)
				}
				if err := call(task.File(file)); !errors.Is(err, ErrCanceled) {
					t.Errorf("%s of a task that had been cancelled: %v", name, err)
				}
			})
			child(task, func(task *Task) {
				late.Cancel()
				late.Wait(task)
				order = append(order, "let go")
				close(gate)
			}).Wait(task)
			hold.Wait(task)
			waited.Wait(task)
		})
		if len(order) != 2 || order[0] != "let go" {
			t.Errorf("%s did not wait for the pool: %v", name, order)
		}
	}
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	first, err := dir.ReadDir(1)
	r.do(func(task *Task) {
		rest, err2 := task.File(dir).ReadDir(-1)
		if len(first) != 1 || len(rest) != 2 || err != nil || err2 != nil {
			t.Errorf("%v and %v, %v, %v", first, rest, err, err2)
		}
		to, err := weir.Create(filepath.Join(path, "to"))
		if err != nil {
			t.Error(err)
			return
		}
		defer to.Close()
		src, dst := task.File(f), task.File(to)
		if n, err := io.Copy(dst, src); n != 1 || err != nil {
			t.Errorf("copied %d bytes, %v", n, err)
		}
	})
	if got, err := weir.ReadFile(filepath.Join(path, "to")); string(got) != "a" || err != nil {
		t.Errorf("the copy is %q, %v", got, err)
	}

	// In pieces, between which others run: not by one call of the kernel's that may wait for the
	// disk all the time.
	const pieces = 16
	if err := weir.WriteFile(filepath.Join(path, "a"), make([]byte, pieces<<15), 0); err != nil {
		t.Fatal(err)
	}
	r.do(func(task *Task) {
		src, err := weir.Open(filepath.Join(path, "a"))
		if err != nil {
			t.Error(err)
			return
		}
		defer src.Close()
		dst, err := weir.Create(filepath.Join(path, "to"))
		if err != nil {
			t.Error(err)
			return
		}
		defer dst.Close()
		total := func() uint64 {
			own, others := r.Stats().Loop, weir.Stats()
			return own.Total() + others.Total()
		}
		before := total()
		if n, err := task.File(dst).ReadFrom(src); n != pieces<<15 || err != nil {
			t.Errorf("copied %d bytes, %v", n, err)
		}
		if n := total() - before; n < pieces {
			t.Errorf("%d operations for %d bytes", n, pieces<<15)
		}
	})
}
