//go:build !weir_portable

package aio_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/weirgo/weir/aio"
)

// TestPosition: every byte that is read or written moves the position of a file by one, though
// reads, writes and looks at the position go side by side.
func TestPosition(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		const n = 2000
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, make([]byte, 4*n), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := lib.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var wg sync.WaitGroup
		wg.Go(func() {
			for range n {
				f.Read(make([]byte, 1))
			}
		})
		wg.Go(func() {
			for range n {
				f.Write([]byte{1})
			}
		})
		wg.Go(func() {
			for range n {
				f.Seek(0, io.SeekCurrent)
			}
		})
		wg.Wait()
		if pos, err := f.Seek(0, io.SeekCurrent); pos != 2*n || err != nil {
			t.Errorf("position %d, %v, want %d", pos, err, 2*n)
		}
		data, _ := os.ReadFile(name)
		if ones := bytes.Count(data, []byte{1}); ones != n {
			t.Errorf("%d of %d bytes are in the file", ones, n)
		}
	})
}

// TestSeekWaits: Seek waits for what is under way at the position, as in package os.
func TestSeekWaits(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		f, err := lib.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		raw, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		for name, enter := range map[string]func(func(uintptr) bool) error{"reads": raw.Read, "writes": raw.Write} {
			sought := make(chan struct{})
			enter(func(uintptr) bool {
				go func() {
					f.Seek(0, io.SeekStart)
					close(sought)
				}()
				for range 1000 {
					select {
					case <-sought:
						t.Errorf("Seek does not wait for %s", name)
						return true
					default:
						runtime.Gosched()
					}
				}
				return true
			})
			<-sought
		}
	})
}

// TestCopyToAndFro: copies between the same two files, in both directions and onto themselves, end.
func TestCopyToAndFro(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		var files [2]*aio.File
		dir := t.TempDir()
		for i, name := range []string{"a", "b"} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, make([]byte, 1<<16), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := lib.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			files[i] = f
		}
		var wg sync.WaitGroup
		for i := range 4 {
			to, from := files[i%2], files[i/2]
			wg.Go(func() {
				for range 50 {
					from.Seek(0, io.SeekStart)
					if _, err := io.CopyN(to, from, 100); err != nil && err != io.EOF && to != from {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestLoneSync: on drive auto a Sync that is alone is the caller's own call.
func TestLoneSync(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		f, err := lib.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		before := lib.Stats()
		if err := f.Sync(); err != nil {
			t.Error(err)
		}
		after := lib.Stats()
		loop, direct := after.Ops["fsync"]-before.Ops["fsync"], after.Direct-before.Direct
		if auto := lib.Info().Drive == "auto"; auto != (direct == 1) || auto != (loop == 0) {
			t.Errorf("%d by the loop, %d by the caller", loop, direct)
		}
	})
}
