//go:build unix && !aix && (!linux || weir_portable)

package portable

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// TestStorageFlags: what a system has no call for is refused at once, on files and on what would
// have to wait, and nothing is written.
func TestStorageFlags(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rd, wr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	defer wr.Close()
	for _, mode := range []bool{true, false} {
		in, out := int(rd.Fd()), int(wr.Fd())
		for _, fd := range []int{in, out} {
			if err := unix.SetNonblock(fd, mode); err != nil {
				t.Fatal(err)
			}
		}
		r := newRig(t, Config{})
		p := []byte("x")
		for _, op := range []backends.Op{
			{Code: backends.OpRead, FD: in, Buf: p, Off: backends.Stream},
			{Code: backends.OpReadv, FD: in, Bufs: [][]byte{p}, Off: backends.Stream},
			{Code: backends.OpWrite, FD: out, Buf: p, Off: backends.Stream},
			{Code: backends.OpWritev, FD: out, Bufs: [][]byte{p}, Off: backends.Stream},
			{Code: backends.OpWrite, FD: int(f.Fd()), Buf: p}, {Code: backends.OpRead, FD: int(f.Fd()), Buf: p},
			{Code: backends.OpWritev, FD: int(f.Fd()), Bufs: [][]byte{p}, Off: backends.Stream},
		} {
			op.Flags = 2
			if res := r.wait(r.submit(op)); !errors.Is(unix.Errno(-res), errors.ErrUnsupported) {
				t.Errorf("%v of %d at %d: %d", op.Code, op.FD, op.Off, res)
			}
		}
	}
	if st, err := f.Stat(); err != nil || st.Size() != 0 {
		t.Error("the file has been written to:", st.Size(), err)
	}
}
