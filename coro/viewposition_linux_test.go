//go:build !weir_portable

package coro

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// TestFileViewPosition guards that reads and writes of two coroutines, each in a view of its own,
// move the position of a file by what they have read and written.
func TestFileViewPosition(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		const n = 2000
		name := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(name, make([]byte, 4*n), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := weir.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		r.do(func(task *Task) {
			reads := child(task, func(task *Task) {
				v := task.File(f)
				for range n {
					v.Read(make([]byte, 1))
					task.Yield()
				}
			})
			writes := child(task, func(task *Task) {
				v := task.File(f)
				for range n {
					v.Write([]byte{1})
				}
			})
			reads.Wait(task)
			writes.Wait(task)
		})
		if pos, err := f.Seek(0, io.SeekCurrent); pos != 2*n || err != nil {
			t.Errorf("position %d, %v, want %d", pos, err, 2*n)
		}
	})
}

// TestFileViewStream guards that a coroutine waits for a stream that looks like a regular file
// while others run, and that the deadline ends that.
func TestFileViewStream(t *testing.T) {
	eachDrive(t, func(t *testing.T, weir *aio.IO, r *rig) {
		f, err := weir.Open("/proc/kmsg")
		if err != nil {
			t.Skip("it cannot be read here:", err)
		}
		defer f.Close()
		if err := os.WriteFile("/dev/kmsg", []byte("<6>weir's test\n"), 0); err != nil {
			t.Skip("it cannot be written here:", err)
		}
		r.do(func(task *Task) {
			v := task.File(f)
			var err error
			for err == nil {
				v.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				_, err = v.Read(make([]byte, 1<<20))
			}
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		})
	})
}
